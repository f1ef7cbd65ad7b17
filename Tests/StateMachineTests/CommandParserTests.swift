import Testing

@testable import IMAPStateMachine

@Suite struct CommandParserTests {
  struct Form: Sendable, CustomTestStringConvertible {
    let line: String
    let command: Command
    var testDescription: String { line }

    init(_ line: String, _ command: Command) {
      self.line = line
      self.command = command
    }
  }

  @Test(arguments: sessionForms + mailboxForms)
  func sessionAndMailboxCommands(_ form: Form) throws { try check(form) }

  @Test(arguments: fetchForms + storeForms)
  func messageCommands(_ form: Form) throws { try check(form) }

  @Test(arguments: searchForms)
  func searchCommands(_ form: Form) throws { try check(form) }

  private func check(_ form: Form) throws {
    let isAppend = form.line.hasSuffix("}")
    for end in ["\r\n", "\n"] + (isAppend ? [] : [" \r\n", ""]) {
      let parsed = try CommandParser().parse(Array("tag.1 \(form.line)\(end)".utf8).span)
      #expect(parsed.tag == "tag.1")
      #expect(parsed.command == form.command)
    }
  }

  /// What the client's encoder writes means the same here, whichever literals it may use.
  @Test(arguments: sessionForms + mailboxForms + fetchForms + storeForms + searchForms)
  func theClientsEncodingIsUnderstood(_ form: Form) throws {
    for policy in [LiteralPolicy.synchronizing, .nonSynchronizing] {
      var encoder = CommandEncoder(literals: policy, mailboxEncoding: .modifiedUTF7, hasSASLIR: true)
      try encoder.encode(form.command, tag: 7)
      // Of an APPEND, what stands before the message's bytes.
      let count = encoder.holes.first?.position ?? encoder.output.count
      let bytes = Array(encoder.output.takeTail(behind: 0).prefix(count))
      #expect(try CommandParser().parse(bytes.span).command == form.command)
    }
  }

  @Test func secretsAreKeptWholeAndNotShown() throws {
    let line = Array("1 LOGIN \"a\\\"b\" {4}\r\np\u{e4}ss\r\n".utf8)
    // "ä" has two bytes: the literal ends before the password does, and the rest is garbage.
    #expect(throws: ParseError(.unexpectedByte(UInt8(ascii: "s")), offset: 24)) { try CommandParser().parse(line.span) }
    let good = Array("1 LOGIN \"a\\\"b\" {5}\r\np\u{e4}ss\r\n".utf8)
    let command = try CommandParser().parse(good.span).command
    #expect(command == .login(user: "a\"b", password: Secret("p\u{e4}ss")))
    #expect(!"\(command)".contains("ss\""))
    // Another password of the same length is another command.
    #expect(command != .login(user: "a\"b", password: Secret("p\u{e4}sx")))
  }

  @Test func namesThatAreUTF8AreSoOnlyWhenAgreedOn() throws {
    let line = Array("1 SELECT \"Entw\u{fc}rfe\"\r\n".utf8)
    let wire = Array("Entw\u{fc}rfe".utf8)
    #expect(try CommandParser().parse(line.span).command == .select(MailboxName(wire: wire)))
    let parser = CommandParser(mailboxEncoding: .utf8)
    #expect(try parser.parse(line.span).command == .select(MailboxName(wire: wire, encoding: .utf8)))
  }

  @Test func textThatIsNotUTF8IsKept() throws {
    let line = Array("1 SEARCH SUBJECT \"".utf8) + [0xe9] + Array("t\u{e9}\"\r\n".utf8)
    let parsed = try CommandParser().parse(line.span).command
    #expect(parsed == .search(.subject("\u{e9}t\u{c3}\u{a9}"), uid: false))
  }

  struct Fault: Sendable, CustomTestStringConvertible {
    let line: String
    let reason: ParseError.Reason
    let offset: Int
    var testDescription: String { line }

    init(_ line: String, _ reason: ParseError.Reason, _ offset: Int) {
      self.line = line
      self.reason = reason
      self.offset = offset
    }
  }

  @Test(arguments: faults)
  func whatIsWrongAndWhere(_ fault: Fault) {
    #expect(throws: ParseError(fault.reason, offset: fault.offset)) {
      try CommandParser().parse(Array((fault.line + "\r\n").utf8).span)
    }
  }

  @Test func nestingIsBoundedWhateverMakesIt() throws {
    // Of OR, the first operand is already one level further down.
    for (open, close, offset) in [("(", ")", 9 + 8), ("NOT ", "", 9 + 8 * 4), ("OR ALL ", "", 9 + 7 * 7 + 3)] {
      var parser = CommandParser()
      parser.limits.nesting = 8
      func line(_ depth: Int) -> [UInt8] {
        let text = String(repeating: open, count: depth) + "SEEN" + String(repeating: close, count: depth)
        return Array("1 SEARCH \(text)\r\n".utf8)
      }
      _ = try parser.parse(line(7).span)
      let limit = LimitExceeded(limit: .nesting, value: 8, offset: offset)
      #expect(throws: ParseError(.limit(limit), offset: offset)) { try parser.parse(line(8).span) }
      // Far deeper than any stack.
      #expect(throws: ParseError.self) { try parser.parse(line(500_000).span) }
    }
  }

  @Test func fetchItemsAreBounded() throws {
    var parser = CommandParser()
    parser.limits.fetchItems = 3
    _ = try parser.parse(Array("1 FETCH 1 (UID UID UID)\r\n".utf8).span)
    let limit = LimitExceeded(limit: .fetchItems, value: 3, offset: 23)
    #expect(throws: ParseError(.limit(limit), offset: 23)) {
      try parser.parse(Array("1 FETCH 1 (UID UID UID UID)\r\n".utf8).span)
    }
  }

  @Test(arguments: [
    ("1 STORE 1 FLAGS (a b c", " d)", 23), ("1 SEARCH 1,2,3", ",4", 15),
    ("1 STATUS x (MESSAGES UNSEEN RECENT", " SIZE)", 35),
    ("1 ENABLE A B C", " D", 15), ("1 ID (\"a b\" {7}\r\nc d e f \"g\"", " \"h\")", 29),
  ])
  func listElementsAreBounded(_ met: String, _ more: String, _ offset: Int) throws {
    var parser = CommandParser()
    parser.limits.listElements = 3
    let close = more.hasSuffix(")") ? ")" : ""
    func parse(_ line: String) -> ParseError? {
      do throws(ParseError) {
        _ = try parser.parse(Array((line + "\r\n").utf8).span)
        return nil
      } catch {
        return error
      }
    }
    if case .limit? = parse(met + close)?.reason { Issue.record("\(met) passes the bound") }
    let limit = LimitExceeded(limit: .listElements, value: 3, offset: offset)
    #expect(parse(met + more) == ParseError(.limit(limit), offset: offset))
  }

  /// Every form cut at every byte, and with every byte replaced, parses or throws: nothing traps, and no error points
  /// outside of the line.
  @Test func brokenFormsThrow() {
    let parser = CommandParser()
    var accepted = 0
    for form in Self.sessionForms + Self.mailboxForms + Self.fetchForms + Self.storeForms + Self.searchForms {
      let line = Array("t \(form.line)\r\n".utf8)
      var variants = (0..<line.count).map { Array(line[..<$0]) }
      for index in line.indices {
        for byte: UInt8 in [0, 0x0a, 0x20, 0x22, 0x28, 0x29, 0x2a, 0x39, 0x5b, 0x5c, 0x5d, 0x7b, 0x7e, 0xff] {
          var changed = line
          changed[index] = byte
          variants.append(changed)
        }
      }
      for variant in variants {
        do throws(ParseError) {
          _ = try parser.parse(variant.span)
          accepted += 1
        } catch {
          #expect((0...variant.count).contains(error.offset), "\(variant)")
        }
      }
    }
    #expect(accepted > 0)
  }
}
