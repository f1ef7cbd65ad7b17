import AllocationCounter
import Testing

@testable import IMAPStateMachine

/// How many blocks this thread allocates while `body` runs.
func allocations(_ body: () throws -> Void) rethrows -> Int {
  let before = allocation_counter_begin()
  defer { _ = allocation_counter_end() }
  try body()
  return Int(allocation_counter_end() - before)
}

/// Reading through borrowed views allocates nothing, and a copy allocates what it holds.
@Suite(.enabled(if: allocation_counter_works() != 0, "allocations are counted on glibc only")) struct AllocationTests {
  // MARK: The counter

  /// A check that finds nothing must be able to find something.
  @Test func theCounterCounts() {
    var arrays: [[UInt8]] = []
    arrays.reserveCapacity(8)
    for count in [1, 100, 100_000] {
      let found = allocations { arrays.append([UInt8](repeating: 1, count: count)) }
      #expect(found == 1, "\(count) bytes")
    }
    var text = ""
    #expect(allocations { text = String(repeating: "x", count: 40) } >= 1)
    #expect(allocations {} == 0)
    #expect(text.utf8.count + arrays.count == 43)
  }

  @Test func theReaderOfFieldsCanFail() throws {
    // The same walk with one owned value in it.
    var parser = ResponseParser()
    var input = ReceiveBuffer()
    let line = wire("* 1 FETCH (FLAGS (\\Seen \\Answered $ALongKeywordThatFitsNoWord))\n")
    input.append(line.span)
    var copied = 0
    let found = try allocations {
      while true {
        switch try parser.next(&input) {
        case .needMoreInput: return
        case .fetchAttribute(let attribute): if case .flags(let flags) = attribute.copy() { copied += flags.count }
        default: break
        }
      }
    }
    #expect(copied == 3)
    #expect(found > 0)
  }

  // MARK: Views

  /// A parser and its buffer, as they are once a connection has been used.
  private struct Connection: ~Copyable {
    var parser = ResponseParser()
    var input = ReceiveBuffer(minimumCapacity: 64 << 10)
    var reader = FieldReader()

    /// Reads `bytes` in pieces of `size`. What a test that runs over and over needs is that they end behind a response.
    mutating func read(_ bytes: Span<UInt8>, by size: Int) throws(ParseError) {
      var start = 0
      while start < bytes.count {
        let end = min(bytes.count, start + size)
        input.append(bytes.extracting(start..<end))
        start = end
        try Self.drain(&parser, &input, &reader)
      }
    }

    private static func drain(
      _ parser: inout ResponseParser, _ input: inout ReceiveBuffer, _ reader: inout FieldReader
    ) throws(ParseError) {
      while reader.read(try parser.next(&input)) {}
    }
  }

  @Test func fixturesAreReadWithoutAllocation() throws {
    var responses = 0
    for (name, bytes) in Corpus.fixtures {
      for size in [bytes.count, 7] {
        var connection = Connection()
        try connection.read(bytes.span, by: size)
        guard !connection.parser.isInsideResponse, connection.input.unread == 0 else { continue }
        let before = connection.reader.sum
        let found = try allocations { try connection.read(bytes.span, by: size) }
        #expect(found == 0, "\(name), in pieces of \(size)")
        #expect(connection.reader.sum != before)
        responses += connection.reader.responses
      }
    }
    #expect(responses > 1000)
  }

  /// The answers of a real server, in reads of the size that sockets give.
  @Test func capturedResponsesAreReadWithoutAllocation() throws {
    for (name, bytes) in Corpus.captured {
      var connection = Connection()
      try connection.read(bytes.span, by: 16 << 10)
      let responses = connection.reader.responses
      #expect(responses > 0, "\(name)")
      let found = try allocations { try connection.read(bytes.span, by: 16 << 10) }
      #expect(found == 0, "\(name): \(found) allocations for \(responses) responses")
      #expect(connection.reader.responses == 2 * responses)
      #expect(connection.input.unread == 0)
    }
  }

  // MARK: Copies

  /// How many strings and lists a value holds that need memory of their own: lists with something in them, and strings
  /// too long for the 15 bytes that a String has in itself.
  private static func owned(by value: Any) -> Int {
    if let bytes = value as? [UInt8] { return bytes.isEmpty ? 0 : 1 }
    if let text = value as? String { return text.utf8.count > 15 ? 1 : 0 }
    let mirror = Mirror(reflecting: value)
    var count = mirror.displayStyle == .collection && !mirror.children.isEmpty ? 1 : 0
    switch value {
    // A structure is a block of its own, as it may hold others, and while it is made there is a list of open levels, which
    // is long enough for four. A message inside is a block, and the structure of a URL's part has such a list.
    case FetchAttribute.bodyStructure, FetchAttribute.body: count += 2
    case BodyStructure.Part.Content.message, FetchedURL.Part.structure: count += 1
    default: break
    }
    for child in mirror.children { count += owned(by: child.value) }
    return count
  }

  /// A mirror sees what there is to count.
  @Test func ownedStringsAndListsAreCounted() {
    let address = Address(name: [1], route: nil, mailbox: [2], host: [3])
    let long = String(repeating: "x", count: 16)
    #expect(Self.owned(by: [address, address]) == 7)
    #expect(Self.owned(by: Response.flags([.seen, Flag(long)])) == 2)
    #expect(Self.owned(by: Response.exists(3)) == 0)
    #expect(Self.owned(by: [String]()) == 0)
  }

  /// Copies `event` and compares what that allocates with what the copy holds. False where more input is needed.
  private static func copy(
    _ event: borrowing ResponseEvent, _ copied: inout Int, _ problems: inout [String]
  ) -> Bool {
    var value: Any?
    var found = 0
    switch copy event {
    case .needMoreInput, .endOfInput: return false
    case .tagged(_, let view): (value, found) = measured { view.copy() }
    case .untagged(let view): (value, found) = measured { view.copy() }
    case .continuation(let view), .unknown(let view), .malformed(let view, _):
      (value, found) = measured { view.copy() }
    case .fetchAttribute(let attribute): (value, found) = measured { attribute.copy() }
    case .literalBegin(let section, _): (value, found) = measured { section.copy() }
    case .fetchBegin, .uidFetchBegin, .literalChunk, .literalEnd, .fetchEnd: return true
    }
    guard let value else { return true }
    let bound = owned(by: value)
    copied += bound
    if found > bound { problems.append("\(found) allocations for \(bound) strings and lists: \(value)") }
    return true
  }

  /// Makes a value, and says how many allocations that took.
  private static func measured<Value>(_ make: () -> Value) -> (value: Any, found: Int) {
    var value: Value?
    let found = allocations { value = make() }
    return (value as Any, found)
  }

  private static func copyAll(_ bytes: [UInt8], _ copied: inout Int) throws(ParseError) -> [String] {
    var problems: [String] = []
    // Once before, for what is made on first use.
    for _ in 0..<2 {
      problems = []
      var parser = ResponseParser()
      var input = ReceiveBuffer()
      input.append(bytes.span)
      while copy(try parser.next(&input), &copied, &problems) {}
    }
    return problems
  }

  @Test func copiesOfFixturesAllocateWhatTheyHold() throws {
    var copied = 0
    for (name, bytes) in Corpus.fixtures {
      let problems = try Self.copyAll(bytes, &copied)
      for problem in problems { Issue.record("\(name): \(problem)") }
    }
    #expect(copied > 500)
  }

  /// Lists with many elements, which would be allocated anew as they grow, and text that is not as it came.
  @Test func copiesOfLongListsAllocateWhatTheyHold() throws {
    func row(_ element: String, _ separator: String = " ") -> String {
      Array(repeating: element, count: 20).joined(separator: separator)
    }
    let lines = [
      "STATUS a (\(row("x-a-name-that-needs-memory 1")))", "STATUS a (\(row("MESSAGES x")))",
      "ID (\(row("\"a \\\"name\\\" that needs memory\" \"a value that needs memory: \u{e9}\"")))",
      "NAMESPACE (\(row("(\"a\" \"/\" \(row("X (\"b\" \"c\")")))"))) (\(row("(b)"))) (\(row("(\"a\" \"/\" (b))")))",
      "LIST () / a (\(row("X-NAME-THAT-NEEDS-MEMORY (1)")))", "QUOTA a (\(row("x-a-name-that-needs-memory 1 2")))",
      "QUOTAROOT a \(row("b"))", "ACL a \(row("b lrswipkxtea0123456789"))",
      "LISTRIGHTS a b c \(row("lrswipkxtea0123456789"))", "METADATA a \(row("/b"))", "METADATA a (\(row("/b c")))",
      "ANNOTATION a /b (\(row("value c")))", "1 FETCH (ANNOTATION (\(row("/b (\(row("value c")))"))))",
      "1 FETCH (X-GM-LABELS (\(row("\"\\\\a\""))))", "1 FETCH (BODY[\(row("1", ".")).HEADER.FIELDS (\(row("A")))] NIL)",
      "THREAD \(row("(1)"))", "THREAD (\(row("1")) \(row("(\(row("2")) \(row("(3 (4)(5))")) 6)")))",
      "ESEARCH (TAG \"a\") UID ALL \(row("1", ",")) \(row("x-a-name-that-needs-memory 1"))",
      "ESEARCH (TAG \"a\") ADDTO (\(row("1 2:3"))) REMOVEFROM (\(row("1 \(row("2", ","))")))",
      "LANGUAGE (\(row("a")))", "COMPARATOR a \(row("b"))", "GENURLAUTH \(row("a"))", "URLFETCH \(row("a \"b\""))",
      "URLFETCH a \(row("(BINARY \"b\")"))", "OK [BADCHARSET (\(row("a")))] b", "OK [CAPABILITY \(row("a"))] b",
      "OK [PERMANENTFLAGS (\(row("a")))] b", "OK [COPYUID 1 \(row("2", ",")) \(row("3", ","))] b",
      "OK [COPYUID 1 \(row("2", ",")) \(row("3", ",")) x] b", "OK [x-a-code-that-needs-memory b] c",
    ]
    for line in lines {
      var copied = 0
      let problems = try Self.copyAll(wire("* \(line)\n"), &copied)
      #expect(problems.isEmpty, "\(line)")
      #expect(copied > 1, "\(line)")
    }
    var copied = 0
    let latin1 = Array("* OK a text that needs memory ".utf8) + [0xe9, 0x0d, 0x0a]
    #expect(try Self.copyAll(latin1, &copied).isEmpty)
    #expect(copied > 0)
  }

  /// A part of each file: to look into values takes longer than to make them.
  @Test func copiesOfCapturedResponsesAllocateWhatTheyHold() throws {
    var copied = 0
    for (name, bytes) in Corpus.captured {
      let problems = try Self.copyAll(Array(bytes.prefix(150_000)), &copied)
      for problem in problems.prefix(3) { Issue.record("\(name): \(problem)") }
    }
    #expect(copied > 1000 || Corpus.captured.isEmpty)
  }

  /// A whole FETCH response, collected from its events, with its sections.
  @Test func collectedResponsesAllocateWhatTheyHold() throws {
    let text =
      "* 1 FETCH (UID 5 FLAGS (\\Seen $ALongKeywordThatNeedsMemory) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" "
      + "RFC822.SIZE 4286 ENVELOPE (\"d\" \"s\" ((\"n\" NIL \"m\" \"h\")) NIL NIL NIL NIL NIL \"r\" \"<i>\") "
      + "BODY[] {3000}\n\(String(repeating: "x", count: 3000)) BODY[1.2] {2}\nab)\n"
    let bytes = wire(text)
    for size in [bytes.count, 500] {
      var parser = ResponseParser()
      var input = ReceiveBuffer(minimumCapacity: 2 * bytes.count)
      for isWarm in [false, true] {
        var response: Response?
        var found = 0
        for start in stride(from: 0, to: bytes.count, by: size) {
          input.append(bytes.span.extracting(start..<min(bytes.count, start + size)))
          found += try allocations { response = try parser.nextOwned(&input) }
        }
        let value = try #require(response)
        let bound = Self.owned(by: value)
        if isWarm { #expect(found <= bound, "in pieces of \(size): \(value)") }
        #expect(bound > 12)
      }
    }
  }
}
