import Testing

@testable import IMAPStateMachine

/// Base64, modified UTF-7 and the buffers.
@Suite struct BytesTests {
  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  private static func encode(_ bytes: [UInt8]) -> String {
    var output: [UInt8] = []
    Base64.encode(bytes.span, into: &output)
    return text(output)
  }

  private static func decode(_ text: String) -> [UInt8]? {
    let bytes = Array(text.utf8)
    return Base64.decode(bytes.span)
  }

  // MARK: Base64

  /// RFC 4648, section 10.
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ("foobar", "Zm9vYmFy"),
  ])
  func base64Vectors(_ plain: String, _ encoded: String) {
    #expect(Self.encode(Array(plain.utf8)) == encoded)
    #expect(Self.decode(encoded) == Array(plain.utf8))
  }

  @Test func base64OfEveryByteAndLength() {
    let bytes = [UInt8](0...255)
    for count in 0...256 {
      let part = Array(bytes.reversed().prefix(count))
      let encoded = Self.encode(part)
      #expect(Self.decode(encoded) == part)
      #expect(encoded.utf8.count == (count + 2) / 3 * 4)
      // Some peers leave the padding out.
      #expect(Self.decode(encoded.filter { $0 != "=" }) == part)
    }
    #expect(Self.encode([0xfb, 0xff, 0xbf]) == "+/+/")
  }

  @Test(arguments: ["A", "AAAAA", "Zg=g", "Zg===", "Z g=", "Zg==\r", "Zm9-", "Zm9_", "Zm9,", "\u{e4}", "*"])
  func whatIsNoBase64(_ text: String) { #expect(Self.decode(text) == nil) }

  // MARK: Modified UTF-7

  /// RFC 3501, section 5.1.3, and names of real servers.
  @Test(arguments: [
    ("~peter/mail/\u{53f0}\u{5317}/\u{65e5}\u{672c}\u{8a9e}", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
    ("\u{53f0}\u{5317}\u{65e5}\u{672c}\u{8a9e}", "&U,BTF2XlZyyKng-"), ("&", "&-"), ("a&b", "a&-b"), ("&&", "&-&-"),
    ("Entw\u{fc}rfe", "Entw&APw-rfe"), ("\u{263a}!", "&Jjo-!"), ("\u{1f600}", "&2D3eAA-"), ("", ""),
    ("INBOX.x y", "INBOX.x y"),
    ("\u{7f}\t", "&AH8ACQ-"), ("+/,-", "+/,-"),
  ])
  func modifiedUTF7(_ text: String, _ wire: String) {
    let bytes = Array(wire.utf8)
    #expect(Self.text(ModifiedUTF7.encode(text)) == wire)
    #expect(ModifiedUTF7.decode(bytes.span) == text)
    #expect(MailboxName(text).description == text)
    #expect(MailboxName(wire: bytes) == MailboxName(text))
  }

  /// Read, though nobody may write it: ASCII in base64, and a shift that ends only to start again (section 5.1.3).
  @Test(arguments: [("&AGE-", "a"), ("&U,BTFw-&ZeVnLIqe-", "\u{53f0}\u{5317}\u{65e5}\u{672c}\u{8a9e}")])
  func superfluousShiftsAreRead(_ wire: String, _ text: String) {
    let bytes = Array(wire.utf8)
    #expect(ModifiedUTF7.decode(bytes.span) == text)
    // The name stays what it is on the wire: the server knows it by these bytes.
    #expect(MailboxName(wire: bytes).bytes == bytes)
    #expect(MailboxName(wire: bytes) != MailboxName(text))
  }

  @Test(arguments: [
    "&", "&AOQ", "a&b", "&A-", "&AO-", "&AOQA-", "&AOQ=-", "&/w-", "&2D0-", "&3gA-", "&2D0AYQ-", "\u{e4}", "a\u{7f}",
    "\t",
    "&AO Q-", "&AOQ&-",
  ])
  func whatIsNoModifiedUTF7(_ wire: String) {
    let bytes = Array(wire.utf8)
    #expect(ModifiedUTF7.decode(bytes.span) == nil)
    // It is shown as it is.
    #expect(MailboxName(wire: bytes).description == wire)
  }

  @Test func everyScalarComesBack() {
    let seed: UInt64 = 0x5eed_0004
    var generator = Generator(seed: seed)
    for _ in 0..<2000 {
      var text = ""
      for _ in 0..<generator.below(8) {
        let limit: UInt32 = generator.chance(2) ? 0x80 : 0x11_0000
        if let scalar = Unicode.Scalar(UInt32.random(in: 0..<limit, using: &generator.random)) {
          text.unicodeScalars.append(scalar)
        }
      }
      let wire = ModifiedUTF7.encode(text)
      #expect(wire.allSatisfy { $0 >= 0x20 && $0 < 0x7f })
      let decoded = ModifiedUTF7.decode(wire.span)
      #expect(decoded?.unicodeScalars.elementsEqual(text.unicodeScalars) == true, "seed \(seed): \(wire)")
    }
  }

  @Test func inboxIsOneNameInAnyCase() {
    #expect(MailboxName("iNbOx") == .inbox)
    #expect(MailboxName(wire: Array("inbox".utf8)).bytes == Array("INBOX".utf8))
    #expect(MailboxName("inbox/a") != MailboxName("INBOX/a"))
  }

  // MARK: ReceiveBuffer

  private static func readable(_ buffer: borrowing ReceiveBuffer) -> String { text(buffer.readable.copy()) }

  @Test func reportsAreDroppedByTheNextCall() {
    var buffer = ReceiveBuffer()
    buffer.append(Array("abcdef".utf8).span)
    buffer.report(2)
    #expect(Self.text(buffer.reportedBytes.copy()) == "ab")
    #expect(Self.readable(buffer) == "cdef")
    let unread = buffer.unread
    #expect(unread == 4)
    buffer.report(100)
    #expect(Self.text(buffer.reportedBytes.copy()) == "cdef")
    #expect(Self.readable(buffer) == "")
    buffer.append(Array("x".utf8).span)
    #expect(Self.readable(buffer) == "x")
    #expect(Self.text(buffer.takeUnread()) == "x")
    #expect(Self.text(buffer.takeUnread()) == "")
  }

  /// A model in arrays says the same, whatever the order of the calls.
  @Test func aBufferIsAQueueOfBytes() {
    let seed: UInt64 = 0x5eed_0005
    var generator = Generator(seed: seed)
    var buffer = ReceiveBuffer(minimumCapacity: 3)
    var model: [UInt8] = []
    for step in 0..<5000 {
      switch generator.below(6) {
      case 0, 1:
        let bytes = generator.bytes()
        buffer.append(bytes.span)
        model += bytes
      case 2, 3:
        let count = generator.below(60)
        buffer.report(count)
        model.removeFirst(min(count, model.count))
      case 4: buffer.discardReported()
      default:
        if generator.chance(20) {
          #expect(buffer.takeUnread() == model)
          model = []
        } else if generator.chance(20) {
          buffer.reset()
          model = []
        }
      }
      if buffer.readable.copy() != model { Issue.record("seed \(seed), step \(step)") }
    }
  }

  /// Storage grows by doubling, and bytes that were read make room for new ones: it does not grow with the stream.
  @Test func storageDoesNotGrowWithTheStream() {
    var buffer = ReceiveBuffer()
    let piece = [UInt8](repeating: 1, count: 100)
    var free: Set<Int> = []
    for _ in 0..<10_000 {
      buffer.append(piece.span)
      buffer.report(100)
      free.insert(unsafe buffer.prepareForRead(suggested: 1).count)
    }
    #expect(free.allSatisfy { $0 <= 400 })
    // A growing rest doubles: few sizes for many bytes.
    var sizes: Set<Int> = []
    for _ in 0..<1000 {
      buffer.append(piece.span)
      let unread = buffer.unread
      sizes.insert(unsafe unread + buffer.prepareForRead(suggested: 1).count)
    }
    #expect(sizes.count < 20)
    #expect(buffer.takeUnread().count == 100_000)
  }

  /// Memory that nobody was lent was not written, so it never becomes readable.
  @Test func onlyWhatWasLentCanBeCommitted() {
    var buffer = ReceiveBuffer(minimumCapacity: 100)
    buffer.commitRead(10)
    #expect(Self.readable(buffer) == "")
    buffer.append([0x61, 0x62].span)
    buffer.commitRead(10)
    #expect(Self.readable(buffer) == "ab")
    unsafe buffer.prepareForRead(suggested: 2).initializeMemory(as: UInt8.self, repeating: 0x63)
    buffer.commitRead(1)
    buffer.commitRead(1)
    #expect(Self.readable(buffer) == "abc")
    for forget in 0..<3 {
      _ = unsafe buffer.prepareForRead(suggested: 2)
      switch forget {
      case 0: buffer.append([0x64].span)
      case 1: _ = buffer.takeUnread()
      default: buffer.reset()
      }
      let before = Self.readable(buffer)
      buffer.commitRead(.max)
      #expect(Self.readable(buffer) == before)
    }
  }

  @Test func countsThatDoNotFitAreCut() {
    var buffer = ReceiveBuffer()
    buffer.commitRead(10)
    #expect(Self.readable(buffer) == "")
    let free = unsafe buffer.prepareForRead(suggested: 4)
    unsafe free.initializeMemory(as: UInt8.self, repeating: 0x61)
    let capacity = free.count
    buffer.commitRead(-5)
    #expect(Self.readable(buffer) == "")
    buffer.commitRead(.max)
    let unread = buffer.unread
    #expect(unread == capacity)
    buffer.close()
    let isClosed = buffer.isClosed
    #expect(isClosed)
    buffer.reset()
    let isStillClosed = buffer.isClosed
    #expect(!isStillClosed)
  }

  @Test func reportedSecretsAreOverwritten() {
    var buffer = ReceiveBuffer()
    let line = Array("secret+rest".utf8)
    let place = unsafe buffer.prepareForRead(suggested: line.count)
    unsafe place.copyBytes(from: line)
    buffer.commitRead(line.count)
    buffer.report(6)
    buffer.wipeReportedWhenDropped()
    // Safe: nothing is added, so the storage stays where it is.
    #expect(unsafe Array(place.prefix(6)) == Array("secret".utf8))
    buffer.discardReported()
    #expect(unsafe Array(place.prefix(11)) == [0, 0, 0, 0, 0, 0] + Array("+rest".utf8))
    // The next report is no secret.
    buffer.report(5)
    buffer.discardReported()
    #expect(unsafe Array(place.prefix(11)) == [0, 0, 0, 0, 0, 0] + Array("+rest".utf8))
  }

  @Test func reportedBase64IsDecodedInPlace() {
    var buffer = ReceiveBuffer()
    buffer.append(Array("Zm9vYmE=\r\nx".utf8).span)
    buffer.report(10)
    #expect(buffer.decodeReportedBase64(8) == 5)
    #expect(Self.text(Array(buffer.reportedBytes.copy().prefix(5))) == "fooba")
    #expect(buffer.decodeReportedBase64(11) == nil)
    #expect(buffer.decodeReportedBase64(-1) == nil)
    #expect(buffer.decodeReportedBase64(0) == 0)
    #expect(Self.readable(buffer) == "x")
  }

  // MARK: SendBuffer

  @Test func aSendBufferIsAQueueOfBytes() {
    let seed: UInt64 = 0x5eed_0006
    var generator = Generator(seed: seed)
    var buffer = SendBuffer()
    var model: [UInt8] = []
    for step in 0..<5000 {
      switch generator.below(8) {
      case 0, 1, 2:
        let bytes = generator.bytes()
        buffer.append(bytes.span)
        model += bytes
        if generator.chance(4) { buffer.markSecret() }
      case 3:
        let number = generator.random.next() >> UInt64(generator.below(64))
        buffer.append(decimal: number)
        model += Array(String(number).utf8)
      case 4:
        buffer.append("text")
        model += Array("text".utf8)
      case 5, 6:
        let count = generator.below(generator.chance(9) ? 20_000 : 80) - 5
        buffer.consume(count)
        model.removeFirst(min(max(count, 0), model.count))
      default:
        if generator.chance(5) {
          let count = generator.below(model.count + 10) - 5
          let kept = min(max(count, 0), model.count)
          #expect(buffer.takeTail(behind: count) == Array(model[kept...]))
          model.removeSubrange(kept...)
        }
      }
      if buffer.bytes.copy() != model { Issue.record("seed \(seed), step \(step)") }
      let (count, isEmpty) = (buffer.count, buffer.isEmpty)
      if count != model.count || isEmpty != model.isEmpty { Issue.record("seed \(seed), step \(step)") }
    }
  }

  @Test(arguments: [
    (0, "0"), (9, "9"), (10, "10"), (99, "99"), (1_000_000, "1000000"), (UInt64.max, "18446744073709551615"),
  ])
  func decimals(_ number: UInt64, _ text: String) {
    var buffer = SendBuffer()
    buffer.append(decimal: number)
    #expect(Self.text(buffer.bytes.copy()) == text)
  }

  @Test func sentSecretsAreOverwritten() {
    var buffer = SendBuffer()
    buffer.append("a secret")
    buffer.markSecret()
    buffer.append(" and more")
    let place = unsafe buffer.bytes.withUnsafeBufferPointer { unsafe $0 }
    buffer.consume(4)
    // Safe: the rest is neither moved nor freed before the buffer is empty or long.
    #expect(unsafe Array(place) == [0, 0, 0, 0] + Array("cret and more".utf8))
    buffer.consume(6)
    #expect(unsafe Array(place) == [0, 0, 0, 0, 0, 0, 0, 0] + Array(" and more".utf8))
    #expect(Self.text(buffer.bytes.copy()) == "nd more")
    var taken = SendBuffer()
    taken.append("word secret")
    taken.markSecret()
    let where2 = unsafe taken.bytes.withUnsafeBufferPointer { unsafe $0 }
    #expect(Self.text(taken.takeTail(behind: 5)) == "secret")
    #expect(unsafe Array(where2) == Array("word ".utf8) + [0, 0, 0, 0, 0, 0])
  }
}
