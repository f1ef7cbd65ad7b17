/// Dates in commands (RFC 9051, section 9: date, date-time).
extension CommandReader {
  /// `d-Mon-yyyy` or `dd-Mon-yyyy`; the fields are not yet checked against their ranges.
  @_lifetime(self: copy self)
  mutating func day() throws(ParseError) -> (day: Int, month: Int, year: Int) {
    let day = try digits(1...2)
    try cursor.expect(0x2d)
    let start = cursor.index
    guard cursor.bytes.count - start >= 3 else { throw ParseError(.unexpectedEnd, offset: cursor.bytes.count) }
    let month: Int
    switch cursor.bytes.foldedWord(start..<start + 3) {
    case keyword("JAN"): month = 1
    case keyword("FEB"): month = 2
    case keyword("MAR"): month = 3
    case keyword("APR"): month = 4
    case keyword("MAY"): month = 5
    case keyword("JUN"): month = 6
    case keyword("JUL"): month = 7
    case keyword("AUG"): month = 8
    case keyword("SEP"): month = 9
    case keyword("OCT"): month = 10
    case keyword("NOV"): month = 11
    case keyword("DEC"): month = 12
    default: throw ParseError(.invalidValue, offset: start)
    }
    cursor.index = start + 3
    try cursor.expect(0x2d)
    return (day, month, try digits(4...4))
  }

  /// The date-time in the quoted string `token`, which was just read: `dd-Mon-yyyy hh:mm:ss +zzzz`, the first digit of
  /// the day possibly a space.
  @_lifetime(self: copy self)
  mutating func dateTime(_ token: StringToken) throws(ParseError) -> InternalDate {
    let end = cursor.index
    cursor.index = token.range.lowerBound
    cursor.skipSpaces()
    let date = try day()
    try cursor.expect(0x20)
    let hour = try digits(2...2)
    try cursor.expect(0x3a)
    let minute = try digits(2...2)
    try cursor.expect(0x3a)
    let second = try digits(2...2)
    try cursor.expect(0x20)
    let isWest = cursor.eat(0x2d)
    if !isWest { try cursor.expect(0x2b) }
    let hours = try digits(2...2)
    let minutes = try digits(2...2)
    if cursor.index != token.range.upperBound { throw cursor.unexpected }
    let zone = (hours * 60 + minutes) * (isWest ? -1 : 1)
    guard minutes < 60,
      let value = InternalDate(
        year: date.year, month: date.month, day: date.day, hour: hour, minute: minute, second: second, zone: zone)
    else { throw ParseError(.invalidValue, offset: token.range.lowerBound) }
    cursor.index = end
    return value
  }

  /// A number of as many digits as `count` allows, which must be few.
  @_lifetime(self: copy self)
  private mutating func digits(_ count: ClosedRange<Int>) throws(ParseError) -> Int {
    var value = 0
    var found = 0
    while found < count.upperBound, cursor.peek &- 0x30 <= 9 {
      value = value * 10 + Int(cursor.peek &- 0x30)
      cursor.index += 1
      found += 1
    }
    if found < count.lowerBound { throw cursor.unexpected }
    return value
  }
}
