import Testing

@testable import IMAPStateMachine

/// The small values: dates, sets, words and secrets.
@Suite struct ValueTests {
  // MARK: InternalDate

  private static func date(_ text: String) -> InternalDate? {
    let bytes = Array(text.utf8)
    return InternalDate(bytes.span)
  }

  @Test(arguments: [
    ("01-Jan-1970 00:00:00 +0000", 0), ("17-Jul-1996 02:44:25 -0700", 837_596_665),
    ("29-Feb-2000 23:59:59 +0000", 951_868_799),
    ("01-Mar-2000 00:00:00 +0000", 951_868_800), ("29-Feb-2024 12:00:00 +0530", 1_709_188_200),
    ("28-Feb-1900 23:59:59 +0000", -2_203_891_201), ("01-Mar-1900 00:00:00 +0000", -2_203_891_200),
    ("31-Dec-1969 23:59:59 +0000", -1), ("31-Dec-9999 23:59:59 +0000", 253_402_300_799),
    ("01-Jan-0001 00:00:00 +0000", -62_135_596_800), ("01-Jan-0000 00:00:00 +0000", -62_167_219_200),
    ("19-Jan-2038 03:14:08 +0000", 2_147_483_648), ("01-Jan-1970 00:00:00 +1400", -50_400),
  ])
  func datesAndSeconds(_ text: String, _ seconds: Int64) throws {
    let date = try #require(Self.date(text))
    #expect(date.unixSeconds == seconds)
    #expect(date.description == text)
    #expect(InternalDate(unixSeconds: seconds, zone: date.zone) == date)
  }

  @Test(arguments: [
    ("1-Feb-2020 00:00:00 +0000", "01-Feb-2020 00:00:00 +0000"),
    (" 7-feb-1994 21:52:25 -0830", "07-Feb-1994 21:52:25 -0830"),
    ("30-JUN-2012 23:59:60 +0000", "30-Jun-2012 23:59:60 +0000"),
    ("01-Jan-2020 00:00:00 +9959", "01-Jan-2020 00:00:00 +9959"),
  ])
  func datesInOtherForms(_ text: String, _ written: String) { #expect(Self.date(text)?.description == written) }

  @Test(arguments: [
    "", "01-Jan-2020", "32-Jan-2020 00:00:00 +0000", "00-Jan-2020 00:00:00 +0000", "01-Foo-2020 00:00:00 +0000",
    "29-Feb-2023 00:00:00 +0000", "31-Feb-2024 00:00:00 +0000", "30-Feb-2000 00:00:00 +0000",
    "29-Feb-1900 00:00:00 +0000", "31-Apr-2024 00:00:00 +0000", "31-Jun-2024 00:00:00 +0000",
    "31-Sep-2024 00:00:00 +0000", "31-Nov-2024 00:00:00 +0000", "9-Jul-96 00:00:00 +0000",
    "17-Jul-96 00:00:00 +0000", "17-Jul-996 00:00:00 +0000", "17-Jul-01996 00:00:00 +0000",
    "01-Jan-12020 00:00:00 +0000", "01-Jan-2020 24:00:00 +0000", "01-Jan-2020 00:60:00 +0000",
    "01-Jan-2020 00:00:61 +0000",
    "01-Jan-2020 00:00:00", "01-Jan-2020 00:00:00 0000", "01-Jan-2020 00:00:00 +0060", "01-Jan-2020 00:00:00 +10000",
    "01-Jan-2020 00:00:00 +0000x", "01-Jan-2020 00:00:00 GMT", "01-Jan-4294967296 00:00:00 +0000",
    "-1-Jan-2020 00:00:00 +0000", "01-January-2020 00:00:00 +0000",
  ])
  func whatIsNoDate(_ text: String) { #expect(Self.date(text) == nil) }

  /// The form of the RFC is read by words. A space more and it is read byte by byte, with the same outcome: every month, every
  /// byte in every place.
  @Test func datesOfTheCommonestForm() {
    var dates = 0
    for month in InternalDate.months {
      for text in ["17-\(month)-1996 02:44:25 -0700", " 8-\(month.uppercased())-2003 19:30:59 +1459"] {
        var bytes = Array(text.utf8)
        for index in bytes.indices {
          let original = bytes[index]
          for byte in UInt8.min ... .max {
            bytes[index] = byte
            let date = InternalDate(bytes.span)
            if date != nil { dates += 1 }
            if date != InternalDate(([0x20] + bytes).span) { Issue.record("\(text), byte \(index): \(byte)") }
          }
          bytes[index] = original
        }
      }
    }
    #expect(dates > 12 * 26)
  }

  /// Every day of four centuries around leap years, and random seconds.
  @Test func secondsComeBack() {
    var generator = Generator(seed: 0x5eed_0007)
    for day in stride(from: Int64(-146_097), to: 146_097, by: 1) {
      let seconds = day * 86_400
      if InternalDate(unixSeconds: seconds).unixSeconds != seconds { Issue.record("day \(day)") }
    }
    for _ in 0..<20_000 {
      let seconds = Int64.random(in: -62_167_000_000...253_402_000_000, using: &generator.random)
      let zone = generator.below(2881) - 1440
      let date = InternalDate(unixSeconds: seconds, zone: zone)
      #expect(date.unixSeconds == seconds)
      #expect(Self.date(date.description) == date)
    }
  }

  /// Years that four digits cannot write are cut to those they can, in the zone that is shown.
  @Test func extremesAreCut() {
    #expect(InternalDate(unixSeconds: .max).description == "31-Dec-9999 23:59:59 +0000")
    #expect(InternalDate(unixSeconds: .min).description == "01-Jan-0000 00:00:00 +0000")
    #expect(InternalDate(unixSeconds: .max, zone: .max).description == "31-Dec-9999 23:59:59 +9900")
    #expect(InternalDate(unixSeconds: .min, zone: .min).description == "01-Jan-0000 00:00:00 -9900")
    #expect(InternalDate(unixSeconds: 253_402_300_800).description == "31-Dec-9999 23:59:59 +0000")
    for value in [Int.min, Int.max, -1, 10_000] {
      #expect(InternalDate(year: value, month: 1, day: 1, hour: 0, minute: 0, second: 0, zone: 0) == nil)
      #expect(InternalDate(year: 1, month: value, day: 1, hour: 0, minute: 0, second: 0, zone: 0) == nil)
      #expect(InternalDate(year: 1, month: 1, day: value, hour: 0, minute: 0, second: 0, zone: 0) == nil)
      #expect(InternalDate(year: 1, month: 1, day: 1, hour: value, minute: 0, second: 0, zone: 0) == nil)
      #expect(InternalDate(year: 1, month: 1, day: 1, hour: 0, minute: value, second: 0, zone: 0) == nil)
      #expect(InternalDate(year: 1, month: 1, day: 1, hour: 0, minute: 0, second: value, zone: 0) == nil)
    }
    for zone in [Int.min, Int.max, 6000, -6000] {
      #expect(InternalDate(year: 1, month: 1, day: 1, hour: 0, minute: 0, second: 0, zone: zone) == nil)
    }
    #expect(SearchDate(year: 1, month: 13, day: 1) == nil)
    #expect(SearchDate(year: 2023, month: 2, day: 29) == nil)
    #expect(SearchDate(year: 2024, month: 2, day: 29)?.description == "29-Feb-2024")
    #expect(SearchDate(year: 2024, month: 4, day: 31) == nil)
    #expect(SearchDate(year: 2026, month: 2, day: 3)?.description == "3-Feb-2026")
  }

  // MARK: Sets

  @Test func setsJoinNeighbours() {
    #expect(UIDSet([5, 1, 2, 3, 3, 7]).description == "1:3,5,7")
    #expect(UIDSet([]).isEmpty)
    #expect(UIDSet([4_294_967_294, 4_294_967_295]).description == "4294967294:4294967295")
    #expect(UIDSet([0, .init(rawValue: .max)]).description == "0,4294967295")
    #expect(UIDSet(3...9).description == "3:9")
    #expect(UIDSet(3...).description == "3:*")
    #expect(UIDSet.all.description == "1:*")
    #expect(SequenceSet(8).description == "8")
  }

  @Test func setsCountAndContain() {
    let set = UIDSet(ranges: [.init(9, 7), .init(2, 2), .init(UIDSet.star, 20)])
    #expect(set.description == "9:7,2,*:20")
    #expect(set.count(largest: 10) == 3 + 1 + 11)
    #expect(set.contains(8, largest: 10))
    // RFC 9051, section 9: `*:20` holds the largest number, also where that is below 20.
    #expect(set.contains(10, largest: 10))
    #expect(set.contains(15, largest: 10))
    #expect(!set.contains(3, largest: 10))
    #expect(!set.contains(21, largest: 10))
    #expect(UIDSet.all.count(largest: 1) == 1)
    #expect(UIDSet(ranges: [.init(0, .max), .init(0, .max)]).count(largest: UID(rawValue: .max)) == 1 << 33)
    #expect(set.numbers(limit: 4) == [7, 8, 9, 2])
    #expect(UIDSet.all.numbers(limit: 2) == [1, 2])
    #expect(UIDSet.all.numbers(limit: 0).isEmpty)
    #expect(UIDSet.all.numbers(limit: -1).isEmpty)
    #expect(UIDSet(ranges: [.init(.max, .max)]).numbers(limit: 5) == [UID(rawValue: .max)])
  }

  // MARK: Words

  @Test func wordsCompareWithoutCase() {
    #expect(Flag("\\seen") == .seen)
    #expect(Set([Flag("JUNK"), Flag("junk"), Flag("Junk")]).count == 1)
    #expect(Flag("\u{c4}") != Flag("\u{e4}"))
    #expect(Flag("a") != Flag("ab"))
    #expect(Flag("\\Seen").description == "\\Seen")
    #expect(Flag("\\x").isSystem)
    #expect(!Flag("x\\").isSystem)
    #expect(Capability("imap4rev1") == .imap4rev1)
    #expect(Set([Capability("Idle"), .idle]).count == 1)
    #expect(Capability("auth=plain") == .auth("PLAIN"))
    #expect(Capability.auth("scram-sha-256").mechanism == "SCRAM-SHA-256")
    #expect(Capability.idle.mechanism == nil)
    // No locale: a dotless i stays what it is.
    #expect(Capability("\u{131}dle") != .idle)
  }

  // MARK: Time

  @Test func timeSaturates() {
    let latest = MonotonicInstant(nanoseconds: .max)
    let earliest = MonotonicInstant(nanoseconds: .min)
    #expect(latest.advanced(by: .seconds(1)) == latest)
    #expect(earliest.advanced(by: .seconds(-1)) == earliest)
    #expect(MonotonicInstant(nanoseconds: 0).advanced(by: .seconds(Int64.max)) == latest)
    #expect(MonotonicInstant(nanoseconds: 0).advanced(by: .seconds(Int64.min)) == earliest)
    #expect(MonotonicInstant(nanoseconds: 5).advanced(by: .nanoseconds(7)).nanoseconds == 12)
    #expect(MonotonicInstant(nanoseconds: 5).duration(to: MonotonicInstant(nanoseconds: 12)) == .nanoseconds(7))
    let machine = ClientConnection(now: latest)
    let deadline = machine.nextDeadline
    #expect(deadline == latest)
  }

  // MARK: Secrets

  @Test func secretsAreNotShown() {
    let secret = Secret("hunter2")
    let command = Command.login(user: "joe", password: secret)
    let exchange = Command.authenticate(SASLExchange(mechanism: "X", initialResponse: secret))
    let shown = [secret as Any, command, exchange, [secret], Optional(secret) as Any, (1, secret), ["a": command]]
    for value in shown {
      var dumped = ""
      dump(value, to: &dumped)
      for text in [String(describing: value), String(reflecting: value), "\(value)", dumped] {
        #expect(!text.contains("hunter2"))
        // Nor its bytes: 104 is `h`, 117 `u`.
        #expect(!text.contains("104") && !text.contains("117"), "\(text)")
      }
    }
    #expect("\(secret)" == "<redacted>")
    #expect(Mirror(reflecting: secret).children.isEmpty)
    #expect(secret.count == 7)
    #expect(secret.withBytes { $0.copy() } == Array("hunter2".utf8))
  }

  @Test func secretsCompareByTheirBytes() {
    #expect(Secret("a") == Secret([0x61]))
    #expect(Secret("a") != Secret("b"))
    #expect(Secret("a") != Secret("aa"))
    #expect(Secret("") == Secret([]))
    #expect(Set([Secret("x"), Secret("y"), Secret("x")]).count == 2)
  }

  @Test func wipingLeavesTheRest() {
    var bytes: [UInt8] = [1, 2, 3, 4, 5]
    wipe(&bytes, 1..<3)
    #expect(bytes == [1, 0, 0, 4, 5])
    wipe(&bytes, 4..<100)
    #expect(bytes == [1, 0, 0, 4, 0])
    wipe(&bytes, -3..<1)
    #expect(bytes == [0, 0, 0, 4, 0])
  }

  @Test func plainRefusesNUL() {
    #expect(SASLExchange.plain(user: "a\0", password: Secret("b")) == nil)
    #expect(SASLExchange.plain(user: "a", password: Secret("b\0c")) == nil)
    #expect(SASLExchange.plain(authorizationID: "\0", user: "a", password: Secret("b")) == nil)
    let plain = SASLExchange.plain(authorizationID: "z", user: "a", password: Secret("b"))
    #expect(plain?.initialResponse == Secret("z\0a\0b"))
  }

  /// An error names single bytes and the server's own words at the most.
  @Test func errorsAreOneShortLine() {
    let errors: [ConnectionError] = [
      .parse(ParseError(.unexpectedByte(0x41), offset: 7)), .limit(LimitExceeded(limit: .line, value: 3, offset: 9)),
      .misuse(.init(.wrongState, state: "here")), .timedOut(.tls), .closedByPeer(bye: "x"), .closedByPeer(bye: nil),
      .closedLocally, .transport(.init(.read, code: 104, message: "reset")), .peer(.init(.greeting, text: "x")),
    ]
    #expect(Set(errors.map(\.description)).count == errors.count)
    for error in errors {
      #expect(!error.description.contains("\n"))
      #expect(error.description.count < 80)
    }
    #expect(
      ConnectionError(ParseError(.limit(LimitExceeded(limit: .line, value: 3, offset: 9)), offset: 9)) == errors[1])
  }
}
