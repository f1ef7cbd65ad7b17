import Testing

@testable import IMAPStateMachine

/// The same bytes in other chunks are the same events.
@Suite struct ServerChunkingTests {
  static let sessions = [
    "1 LOGIN {4}\r\nfred {3+}\r\na\nb\r\n2 SELECT INBOX\r\n3 UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (From)])\r\n"
      + "4 IDLE\r\nnot done\r\nDONE\r\n5 LOGOUT\r\n",
    "1 AUTHENTICATE PLAIN\r\nAGEAYg==\r\n2 APPEND {3+}\r\na b (\\Seen) {12}\r\nab\r\ncd{3}\r\nef\r\n3 APPEND Refused {5+}\r\n"
      + "x\r\ny{\r\n4 APPEND a {2+}\r\nab {3+}\r\nabc {1}\r\n5 NOOP\r\n6 NOOP",
    "\r\n\n+\r\n1\r\n1 \r\n1 NOPE {3+}\r\nabc {2}\r\n2 AUTHENTICATE X\r\n*\r\n3 LOGIN \"a\\\"\\\\\" {0+}\r\n\r\n4 ID NIL\r\n"
      + "5 CREATE {30+}\r\n012345678901234567890123456789 {4+}\r\nabcd\r\n6 STATUS x (MESSAGES)\r\n",
    "1 STARTTLS\r\n2 NOOP\r\n",
    "1 LOGIN a b\r\n2 SEARCH OR (NOT SEEN) TEXT {5}\r\n{3}\r\n\r\n" + String(repeating: "x", count: 90),
  ]

  /// Limits that the sessions pass. TLS counts as there already: with STARTTLS, what comes before it and what behind it is
  /// not the same.
  private static var configuration: ServerConnection.Configuration {
    var configuration = ServerConnection.Configuration()
    configuration.limits.line = 80
    configuration.limits.bufferedLiteral = 20
    configuration.isEncrypted = true
    return configuration
  }

  private func run(_ chunks: [ArraySlice<UInt8>]) -> (log: [String], sent: String) {
    let bench = ServerTestBench(Self.configuration)
    for chunk in chunks { bench.feed(chunk) }
    bench.close()
    return (bench.log, bench.sentText)
  }

  @Test(arguments: sessions)
  func everySplitIsTheSame(_ text: String) {
    let bytes = Array(text.utf8)
    let whole = run([bytes[...]])
    #expect(whole.log.count > 1)
    for split in bytes.indices {
      let parts = run([bytes[..<split], bytes[split...]])
      #expect(parts == whole, "split at \(split)")
    }
    let single = run(bytes.indices.map { bytes[$0...$0] })
    #expect(single == whole)
  }

  /// The unread bytes may move to another buffer between two calls, as they do where a loop has one buffer for all.
  @Test(arguments: sessions)
  func buffersMayBeSwapped(_ text: String) {
    let bytes = Array(text.utf8)
    let whole = run([bytes[...]])
    let bench = ServerTestBench(Self.configuration)
    for byte in bytes {
      let rest = bench.input.takeUnread()
      bench.input = ReceiveBuffer()
      bench.input.append([0x58, 0x58].span)
      _ = bench.input.takeUnread()
      bench.input.append(rest.span)
      bench.feed([byte])
    }
    bench.close()
    #expect(bench.log == whole.log)
    #expect(bench.sentText == whole.sent)
  }

  /// Bytes, and pieces of commands, in any order and any chunks: nothing traps, nothing runs for ever, and the chunks make
  /// no difference.
  @Test(arguments: 0..<40)
  func randomBytes(_ seed: UInt64) {
    var random = SplitMix(state: seed)
    let pieces = [
      "1 ", "tag ", "LOGIN ", "a ", "b", "\r\n", "\n", "\r", "{3}\r\n", "{5+}\r\n", "~{2+}\r\n",
      "{99999999999999999999+}",
      "APPEND ", "x ", "(\\Seen) ", "SELECT INBOX\r\n", "IDLE\r\n", "DONE\r\n", "AUTHENTICATE PLAIN\r\n",
      "AGEAYg==\r\n",
      "*\r\n", "UID FETCH 1:* ", "(FLAGS BODY[1.2]<0.5>)", "SEARCH OR NOT ", "\"", "\\", "(", ")", "STARTTLS\r\n",
      "NOOP\r\n", "2 LOGIN a b\r\n", "\0", "\u{e4}", "STORE 1 +FLAGS ", "LOGOUT\r\n", "1:*,", "BODY[HEADER.FIELDS (",
      "]",
    ]
    for _ in 0..<50 {
      var bytes: [UInt8] = []
      for _ in 0..<random.below(60) {
        if random.below(8) == 0 {
          bytes.append(UInt8(random.below(256)))
        } else {
          bytes += Array(pieces[random.below(pieces.count)].utf8)
        }
      }
      let whole = run([bytes[...]])
      #expect(whole.log.last?.hasPrefix("closed") == true)
      var chunks: [ArraySlice<UInt8>] = []
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = min(rest.count, 1 + random.below(9))
        chunks.append(rest.prefix(count))
        rest = rest.dropFirst(count)
      }
      let parts = run(chunks)
      #expect(parts == whole, "seed \(seed): \(bytes)")
    }
  }

  /// Small steps cost what large ones do: the framer looks at no byte twice.
  @Test func aLineInSingleBytesIsFramedInLinearWork() {
    var frame = CommandFrame()
    let bytes = [UInt8](repeating: 0x61, count: 60_000)
    for count in 0...bytes.count {
      guard case .more = frame.advance(bytes.span.extracting(first: count), limit: 65_536) else {
        Issue.record("a line without an end has none")
        return
      }
      #expect(frame.scanned == count)
    }
  }
}

/// A small generator with a seed, so that a failure can be repeated.
private struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
    return word ^ word >> 31
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
