extension InternalDate {
  /// Reads `dd-Mon-yyyy hh:mm:ss +zzzz`, the day with one digit or two; nil where it is none. A year of fewer digits than
  /// four is not known to be sent, so that nothing says which century it would be in.
  init?(_ bytes: Span<UInt8>) {
    if bytes.count == 26, let date = InternalDate(fixed: bytes) {
      self = date
      return
    }
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    guard let day = try? cursor.number32(), (try? cursor.expect(UInt8(ascii: "-"))) != nil else { return nil }
    let start = cursor.index
    while (cursor.peek | 0x20) &- 0x61 < 26 { cursor.index += 1 }
    guard let month = Self.month(bytes.foldedWord(start..<cursor.index)), cursor.eat(UInt8(ascii: "-"))
    else { return nil }
    let yearStart = cursor.index
    guard let year = try? cursor.number32(), cursor.index == yearStart + 4 else { return nil }
    cursor.skipSpaces()
    guard let hour = try? cursor.number32(), cursor.eat(UInt8(ascii: ":")), let minute = try? cursor.number32(),
      cursor.eat(UInt8(ascii: ":")), let second = try? cursor.number32()
    else { return nil }
    cursor.skipSpaces()
    let isWest = cursor.peek == UInt8(ascii: "-")
    guard isWest || cursor.peek == UInt8(ascii: "+") else { return nil }
    cursor.index += 1
    guard let zone = try? cursor.number32(), zone % 100 < 60, zone < 10_000, cursor.isAtEnd else { return nil }
    let minutes = Int(zone / 100 * 60 + zone % 100)
    self.init(
      year: Int(year), month: month, day: Int(day), hour: Int(hour), minute: Int(minute), second: Int(second),
      zone: isWest ? -minutes : minutes)
  }

  /// Reads exactly the form of RFC 9051, 26 bytes; nil for any other.
  private init?(fixed bytes: Span<UInt8>) {
    let date = bytes.paddedWord(at: 0)
    let time = bytes.paddedWord(at: 12)
    guard bytes[2] == 0x2d, bytes[6] == 0x2d, bytes[11] == 0x20, time & 0xff00_00ff_0000 == 0x3a00_003a_0000,
      bytes[20] == 0x20, bytes[21] == 0x2b || bytes[21] == 0x2d
    else { return nil }
    let (years, zones) = (bytes.quad(at: 7), bytes.quad(at: 22))
    let (century, year) = (Self.two(UInt64(years)), Self.two(UInt64(years &>> 16)))
    let (zoneHours, zoneMinutes) = (Self.two(UInt64(zones)), Self.two(UInt64(zones &>> 16)))
    let (hour, minute, second) = (Self.two(time), Self.two(time &>> 24), Self.two(time &>> 48))
    let day = bytes[0] == 0x20 ? Self.two(date | 0x10) : Self.two(date)
    // What is below 0 has no two digits.
    guard century | year | zoneHours | zoneMinutes | hour | minute | second | day >= 0, zoneMinutes < 60,
      let month = Self.month(uppercased(date &>> 24 & 0xff_ffff))
    else { return nil }
    let minutes = zoneHours &* 60 &+ zoneMinutes
    self.init(
      year: century &* 100 &+ year, month: month, day: day, hour: hour, minute: minute, second: second,
      zone: bytes[21] == 0x2d ? -minutes : minutes)
  }

  /// The number of the two digits that `word` starts with; below 0 where they are none.
  private static func two(_ word: UInt64) -> Int {
    let tens = (word & 0xff) &- 0x30
    let ones = (word &>> 8 & 0xff) &- 0x30
    return tens > 9 || ones > 9 ? -1 : Int(tens &* 10 &+ ones)
  }

  /// The number of the month whose name packs to `word`.
  static func month(_ word: UInt64) -> Int? {
    switch word {
    case keyword("JAN"): 1
    case keyword("FEB"): 2
    case keyword("MAR"): 3
    case keyword("APR"): 4
    case keyword("MAY"): 5
    case keyword("JUN"): 6
    case keyword("JUL"): 7
    case keyword("AUG"): 8
    case keyword("SEP"): 9
    case keyword("OCT"): 10
    case keyword("NOV"): 11
    case keyword("DEC"): 12
    default: nil
    }
  }
}
