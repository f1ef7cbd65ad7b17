#if DEBUG
  import Testing

  @testable import IMAPStateMachine

  /// The quick look at what servers nearly always send finds what the careful one finds: whatever is done to a line, both
  /// give the same events, the same errors, and read the same bytes.
  @Suite struct QuickPathTests {
    static let seed: UInt64 = 0x5eed_0900

    /// Lines that the quick look takes, in whole or in part.
    private static let lines: [[UInt8]] = {
      let own = [
        "* 1 EXISTS\n", "* 23 RECENT\n", "* 4 EXPUNGE\n", "* 12345 FETCH (UID 99 FLAGS (\\Seen \\Answered $x))\n",
        "* 1 FETCH (FLAGS ())\n", "* 12345678 EXISTS\n", "* 123456789 RECENT\n", "* 4294967295 EXISTS\n",
        "* 4294967296 EXISTS\n", "* 00000000001 EXISTS\n", "* 12345678901 EXPUNGE\n", "* 1234567890 EXPUNGE\n",
        "* 0000000001 EXISTS\n", "* 0000000000 EXPUNGE\n", "* 1 FETCH (UID 0000000001 FLAGS (a))\n",
        "* 12345678 FETCH (UID 87654321 FLAGS (a))\n", "* 123456789 FETCH (UID 4294967295 FLAGS (a))\n",
        "* 4294967295 FETCH (UID 4294967296 FLAGS (a))\n", "* 1 FETCH (UID 00000000 FLAGS (a))\n",
        "* 7 FETCH (UID 3 RFC822.SIZE 4096 MODSEQ (12) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")\n",
        "* 2 FETCH (UID 5 BODY[] {4}\nab\ncd)\n", "* 2 FETCH (BODY[HEADER.FIELDS (DATE FROM)] {3}\nabc FLAGS (a))\n",
        "* 3 FETCH (ENVELOPE (\"d\" \"s\" ((\"n\" NIL \"m\" \"h\")) NIL NIL NIL NIL NIL \"r\" \"<i>\") UID 4)\n",
        "* 3 FETCH (ENVELOPE (\"d\" {3}\na\"b ((\"n\" NIL \"m\" \"h\")(NIL NIL \"m\\\"\" \"h\")) NIL NIL NIL NIL NIL \"r\" NIL))\n",
        "* 4 FETCH (ENVELOPE (NIL NIL ((\"n\" NIL \"mn\" \"host\")) ((\"n\" NIL \"mn\" \"host\")) ((\"n\" NIL \"mn\" \"host\")) ((NIL NIL \"a\" \"b\")(\"c\\\"\" NIL \"d\" \"e\")) NIL NIL NIL \"<i>\"))\n",
        "* 4 FETCH (BODYSTRUCTURE (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"UTF-8\" \"a\" {1}\nb \"c\" \"d\") NIL NIL \"7BIT\" 1 1 NIL (\"x\" (\"y\" \"z\"))))\n",
        "* 3 FETCH (BODYSTRUCTURE (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"UTF-8\") NIL NIL \"7BIT\" 10 2 NIL NIL NIL NIL))\n",
        "* 3 FETCH (BODY ((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 10 2)(\"IMAGE\" \"PNG\" NIL \"<i>\" NIL \"BASE64\" 9) \"MIXED\"))\n",
        "* 3 FETCH (BODYSTRUCTURE ((\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 9 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 1) 5) \"MIXED\" (\"B\" \"x\") NIL (\"en\") NIL))\n",
        "* 3 FETCH (BODYSTRUCTURE (\"TEXT\"x y\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 1) UID 4)\n",
        "* 3 FETCH (BODYSTRUCTURE (\"MESSAGE\"x y\" \"RFC822\" NIL NIL NIL \"7BIT\" 1 1) UID 4)\n",
        "* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent Items\"\n", "* LIST () \".\" INBOX\n",
        "* LSUB (\\Noselect) NIL a&AOQ-b\n",
        "* LIST (\\HasChildren) \"/\" \"a\" (CHILDINFO (\"SUBSCRIBED\"))\n",
      ].map { wire($0) }
      let captured = Corpus.captured.flatMap { file -> [[UInt8]] in
        file.bytes.prefix(40_000).split(separator: 0x0a, omittingEmptySubsequences: false).dropLast().prefix(40)
          .filter { $0.starts(with: [0x2a, 0x20]) && $0.count < 3000 }.map { Array($0) + [0x0a] }
      }
      return own + captured
    }()

    /// What is read of `bytes`, with offsets, in one text.
    private static func log(
      _ bytes: [UInt8], _ feed: Feed, quick: Bool, _ limits: ParserLimits = ParserLimits()
    ) -> [String] {
      var parser = ResponseParser(limits: limits)
      parser.takesQuickLook = quick
      var input = ReceiveBuffer()
      var log = EventLog()
      var places: [String] = []
      for chunk in feed.chunks(of: bytes) {
        input.append(Array(chunk).span)
        do throws(ParseError) {
          while log.add(try parser.next(&input)) { places.append("\(parser.responsePosition) \(parser.position)") }
        } catch {
          log.note("error \(error)")
        }
      }
      return log.lines + places + ["\(input.unread)"]
    }

    /// Behind each line another one that must be read as it is, if framing held.
    private static let sentinel = wire("* 5 EXPUNGE\n* 6 FETCH (UID 6 FLAGS (\\Seen))\nA1 OK x\n")

    private static func compare(_ line: [UInt8], _ feed: Feed, _ limits: ParserLimits, _ what: String) {
      let bytes = line + sentinel
      let quick = log(bytes, feed, quick: true, limits)
      let careful = log(bytes, feed, quick: false, limits)
      if quick == careful { return }
      let at = zip(quick, careful).first { $0 != $1 }
      Issue.record(
        "\(what): \(EventLog().quoted(line)) quick: \(at?.0 ?? "\(quick.count) lines"), careful: \(at?.1 ?? "\(careful.count) lines")"
      )
    }

    @Test func untouchedLines() {
      for line in Self.lines {
        Self.compare(line, .whole, ParserLimits(), "whole")
        Self.compare(line, .bytewise, ParserLimits(), "byte by byte")
      }
      for (name, bytes) in Corpus.fixtures {
        for feed in [Feed.whole, .bytewise, .split(bytes.count / 2)] {
          Self.compare(bytes, feed, ParserLimits(), "\(name) \(feed)")
        }
      }
    }

    /// The switch does something: with it the quick functions are never entered.
    @Test func theSwitchWorks() throws {
      for isOn in [true, false] {
        var parser = ResponseParser()
        parser.takesQuickLook = isOn
        var input = ReceiveBuffer()
        input.append(wire("* 1 FETCH (UID 1 FLAGS (a))\n").span)
        // Only the careful look writes down where the items begin.
        if case .fetchBegin = try parser.next(&input) {} else { Issue.record("no FETCH") }
        #expect((parser.progress.prefix > 0) == !isOn)
      }
    }

    @Test func eachByteReplaced() {
      let bytes: [UInt8] = [
        0, 0x0a, 0x0d, 0x20, 0x22, 0x28, 0x29, 0x2a, 0x2d, 0x30, 0x39, 0x4e, 0x5b, 0x5c, 0x5d, 0x61, 0x7b, 0x7d, 0x7e,
        0xff,
      ]
      for line in Self.lines.prefix(21) {
        for index in line.indices {
          for byte in bytes where line[index] != byte {
            var changed = line
            changed[index] = byte
            Self.compare(changed, .whole, ParserLimits(), "byte \(index)")
          }
        }
      }
    }

    @Test(arguments: 0..<4) func mutatedLines(_ round: UInt64) {
      let seed = Self.seed + round
      var generator = Generator(seed: seed)
      for count in 0..<3000 {
        var line = Self.lines[generator.below(Self.lines.count)]
        for _ in 0...generator.below(4) { Self.mutate(&line, &generator) }
        var limits = ParserLimits()
        if generator.chance(4) {
          limits.line = 10 + generator.below(200)
          limits.bufferedLiteral = generator.below(6)
          limits.literal = UInt64(generator.below(6))
          limits.nesting = generator.below(8)
          limits.fetchItems = generator.below(5)
          limits.listElements = generator.below(40)
          limits.unsolicitedBytes = UInt64(generator.below(400))
        }
        let feed: Feed = generator.chance(3) ? .split(generator.below(line.count + 1)) : .whole
        Self.compare(line, feed, limits, "seed \(seed), line \(count), \(feed)")
      }
    }

    private static func mutate(_ line: inout [UInt8], _ generator: inout Generator) {
      if line.isEmpty { return }
      let index = generator.below(line.count)
      switch generator.below(12) {
      case 0: line[index] ^= 1 << UInt8(generator.below(8))
      case 1: line[index] = UInt8(generator.below(256))
      case 2: line.insert(contentsOf: [UInt8](repeating: 0x20, count: 1 + generator.below(3)), at: index)
      case 3: line.remove(at: index)
      case 4:
        // Lower case from here on.
        let end = min(line.count, index + 12)
        for place in index..<end where line[place] >= 0x41 && line[place] <= 0x5a { line[place] |= 0x20 }
      case 5: line.insert(generator.chance(2) ? 0x28 : 0x29, at: index)
      case 6: line.removeSubrange(index..<min(line.count, index + 1 + generator.below(10)))
      case 7:
        replace(&line, from: index, "NIL", with: ["nil", "Nil", "NILx", "NI", "()", "\"\"", "NIL NIL"], &generator)
      case 8: replaceString(&line, from: index, &generator)
      case 9:
        let number = ["0", "007", "4294967295", "4294967296", "12345678", "1234567", "99999999999999999999", "-1"]
        line.insert(contentsOf: Array(number[generator.below(number.count)].utf8), at: index)
      case 10:
        let piece = [
          "\"", "\\", "\\\"", "{3}", "{3}\r\nabc", "~{1}\r\nx", "\r\n", ")", "((", " UID 5", " FLAGS (x)", "\"\"",
        ]
        line.insert(contentsOf: Array(piece[generator.below(piece.count)].utf8), at: index)
      default:
        // A piece of the same line once more.
        line.insert(contentsOf: Array(line[index..<min(line.count, index + generator.below(30))]), at: index)
      }
    }

    private static func replace(
      _ line: inout [UInt8], from start: Int, _ text: String, with others: [String], _ generator: inout Generator
    ) {
      let pattern = Array(text.utf8)
      for index in start..<line.count where line[index...].starts(with: pattern) {
        line.replaceSubrange(index..<index + pattern.count, with: Array(others[generator.below(others.count)].utf8))
        return
      }
    }

    /// A literal in place of the next quoted string, or a bare word.
    private static func replaceString(_ line: inout [UInt8], from start: Int, _ generator: inout Generator) {
      guard let open = line[start...].firstIndex(of: 0x22), let close = line[(open + 1)...].firstIndex(of: 0x22) else {
        return
      }
      let content = Array(line[(open + 1)..<close])
      let header = [
        "{\(content.count)}\r\n", "{\(content.count)+}\r\n", "{\(content.count)}\n", "", "{0\(content.count)}\r\n",
      ]
      line.replaceSubrange(open...close, with: Array(header[generator.below(header.count)].utf8) + content)
    }
  }
#endif
