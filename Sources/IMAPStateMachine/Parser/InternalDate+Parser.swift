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
    // Digits are 0 to 9 in these, and what else must be there is 0: `dd-Mon-`, `-yyyy ` and `hh:mm:ss`, ` +zzzz`.
    let word = bytes.paddedWord(at: 0)
    let date = word ^ (word & 0xff == 0x20 ? keyword(" 0-\0\0\0-\0") : keyword("00-\0\0\0-\0"))
    let year = bytes.paddedWord(at: 4) ^ keyword("\0\0-0000 ")
    let time = bytes.paddedWord(at: 12) ^ keyword("00:00:00")
    let isWest = bytes[21] == 0x2d
    let zone = bytes.paddedWord(at: 18) ^ (isWest ? keyword("\0\0 -0000") : keyword("\0\0 +0000"))
    // What is added takes a byte that is above its limit, 9 or 0, to 0x80; bytes that are letters, or were looked at, do not
    // count.
    let above =
      Self.above(date, 0x007f_0000_007f_7676) & 0x0080_0000_0080_8080
      | Self.above(year, 0x7f76_7676_767f_0000) & 0x8080_8080_8080_0000
      | Self.above(time, 0x7676_7f76_767f_7676) & 0x8080_8080_8080_8080
      | Self.above(zone, 0x7676_7676_7f7f_0000) & 0x8080_8080_8080_0000
    guard above == 0, let month = Self.month(uppercased(word &>> 24 & 0xff_ffff)) else { return nil }
    let (zoneHours, zoneMinutes) = (Self.two(zone &>> 32), Self.two(zone &>> 48))
    if zoneMinutes >= 60 { return nil }
    let minutes = zoneHours &* 60 &+ zoneMinutes
    self.init(
      year: Self.two(year &>> 24) &* 100 &+ Self.two(year &>> 40), month: month, day: Self.two(date),
      hour: Self.two(time), minute: Self.two(time &>> 24), second: Self.two(time &>> 48),
      zone: isWest ? -minutes : minutes)
  }

  /// The highest bit of each byte says whether the byte is above 0x7f less that of `room`.
  @inline(__always)
  private static func above(_ word: UInt64, _ room: UInt64) -> UInt64 {
    (word & 0x7f7f_7f7f_7f7f_7f7f) &+ room | word
  }

  /// The number of the two digits, 0 to 9, that `word` starts with.
  @inline(__always)
  private static func two(_ word: UInt64) -> Int {
    Int(truncatingIfNeeded: (word & 0xff) &* 10 &+ (word &>> 8 & 0xff))
  }

  /// The number of the month whose name packs to `word`. Which one it is can't be predicted, so no branch asks.
  static func month(_ word: UInt64) -> Int? {
    let entry = monthsByName[Int(truncatingIfNeeded: (word &* 13) &>> 17 & 15)]
    return UInt64(entry & 0xff_ffff) == word ? Int(entry &>> 24) : nil
  }
}

/// Each month at a place of its own: the three letters of its name in upper case, the first one lowest, below its number.
private let monthsByName: InlineArray<16, UInt32> = [
  0x074c554a, 0x0b564f4e, 0x00000000, 0x0a54434f, 0x0559414d, 0x0c434544, 0x0352414d, 0x04525041,
  0x00000000, 0x09504553, 0x00000000, 0x00000000, 0x014e414a, 0x064e554a, 0x02424546, 0x08475541,
]
