/// A date-time (RFC 9051, section 9): a wall-clock time with its zone, kept as it was written.
public struct InternalDate: Hashable, Sendable, CustomStringConvertible {
  // Small, so that the events and values that hold one are.
  @usableFromInline let storedYear: Int16
  @usableFromInline let storedZone: Int16
  @usableFromInline let storedMonth: Int8
  @usableFromInline let storedDay: Int8
  @usableFromInline let storedHour: Int8
  @usableFromInline let storedMinute: Int8
  @usableFromInline let storedSecond: Int8

  /// The year, four digits.
  @inlinable public var year: Int { Int(storedYear) }
  /// The month, 1 to 12.
  @inlinable public var month: Int { Int(storedMonth) }
  /// The day of the month, 1 to the month's last.
  @inlinable public var day: Int { Int(storedDay) }
  /// The hour, 0 to 23.
  @inlinable public var hour: Int { Int(storedHour) }
  /// The minute, 0 to 59.
  @inlinable public var minute: Int { Int(storedMinute) }
  /// The second, 0 to 60.
  @inlinable public var second: Int { Int(storedSecond) }
  /// The zone's offset from UTC in minutes, east positive.
  @inlinable public var zone: Int { Int(storedZone) }

  /// A date-time. Nil where a field is out of its range, or the month has no such day.
  public init?(year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int, zone: Int) {
    guard Self.isDay(year: year, month: month, day: day), (0...23).contains(hour),
      (0...59).contains(minute), (0...60).contains(second), (-5999...5999).contains(zone)
    else { return nil }
    storedYear = Int16(truncatingIfNeeded: year)
    storedMonth = Int8(truncatingIfNeeded: month)
    storedDay = Int8(truncatingIfNeeded: day)
    storedHour = Int8(truncatingIfNeeded: hour)
    storedMinute = Int8(truncatingIfNeeded: minute)
    storedSecond = Int8(truncatingIfNeeded: second)
    storedZone = Int16(truncatingIfNeeded: zone)
  }

  /// The date-time of `unixSeconds` since 1970-01-01 00:00 UTC, shown in `zone` (minutes east, at most 99 hours). What
  /// would be shown with a year outside 0 to 9999 is cut to those bounds.
  public init(unixSeconds: Int64, zone: Int = 0) {
    let zone = min(max(zone, -99 * 60), 99 * 60)
    let shift = Int64(zone) * 60
    // In this order nothing overflows.
    let local = min(max(unixSeconds, Self.earliest - shift), Self.latest - shift) + shift
    let days = local >= 0 ? local / 86_400 : (local - 86_399) / 86_400
    let seconds = Int(local - days * 86_400)
    // Days to civil date in the proleptic Gregorian calendar, in eras of 400 years counted from 1 March.
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    storedDay = Int8(truncatingIfNeeded: dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    storedMonth = Int8(truncatingIfNeeded: month)
    storedYear = Int16(truncatingIfNeeded: yearOfEra + era * 400 + (month <= 2 ? 1 : 0))
    storedHour = Int8(truncatingIfNeeded: seconds / 3600)
    storedMinute = Int8(truncatingIfNeeded: seconds / 60 % 60)
    storedSecond = Int8(truncatingIfNeeded: seconds % 60)
    storedZone = Int16(truncatingIfNeeded: zone)
  }

  /// Seconds since 1970-01-01 00:00 UTC.
  public var unixSeconds: Int64 {
    let shiftedYear = Int64(month <= 2 ? year - 1 : year)
    let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
    let yearOfEra = shiftedYear - era * 400
    let marchMonth = Int64(month > 2 ? month - 3 : month + 9)
    let dayOfYear = (153 * marchMonth + 2) / 5 + Int64(day) - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    let days = era * 146_097 + dayOfEra - 719_468
    return days * 86_400 + Int64(hour * 3600 + minute * 60 + second) - Int64(zone) * 60
  }

  /// As on the wire, without the quotes: `dd-Mon-yyyy hh:mm:ss +zzzz`.
  public var description: String {
    let magnitude = abs(zone)
    return "\(Self.padded(day))-\(Self.months[month - 1])-\(Self.padded(year, 4)) \(Self.padded(hour)):"
      + "\(Self.padded(minute)):\(Self.padded(second)) \(zone < 0 ? "-" : "+")\(Self.padded(magnitude / 60))"
      + Self.padded(magnitude % 60)
  }

  /// As ISO 8601: `yyyy-mm-ddThh:mm:ss+zz:zz`.
  public var iso8601: String {
    let magnitude = abs(zone)
    return "\(Self.padded(year, 4))-\(Self.padded(month))-\(Self.padded(day))T\(Self.padded(hour)):"
      + "\(Self.padded(minute)):\(Self.padded(second))\(zone < 0 ? "-" : "+")\(Self.padded(magnitude / 60)):"
      + Self.padded(magnitude % 60)
  }

  /// Whether there is such a day, in a year of four digits.
  @inline(__always)
  static func isDay(year: Int, month: Int, day: Int) -> Bool {
    (0...9999).contains(year) && (1...12).contains(month) && day >= 1 && (day <= 28 || day <= lastDay(month, year))
  }

  /// The last day of `month`, in the proleptic Gregorian calendar.
  private static func lastDay(_ month: Int, _ year: Int) -> Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
  /// 0000-01-01 00:00:00 and 9999-12-31 23:59:59: what four digits can write.
  private static let earliest: Int64 = -62_167_219_200
  private static let latest: Int64 = 253_402_300_799

  static func padded(_ number: Int, _ width: Int = 2) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, width - text.count)) + text
  }
}

/// A day without a time, as SEARCH takes it.
public struct SearchDate: Hashable, Sendable, CustomStringConvertible {
  /// The year, four digits.
  public let year: Int
  /// The month, 1 to 12.
  public let month: Int
  /// The day of the month, 1 to the month's last.
  public let day: Int

  /// A day. Nil where a field is out of its range, or the month has no such day.
  public init?(year: Int, month: Int, day: Int) {
    guard InternalDate.isDay(year: year, month: month, day: day) else { return nil }
    self.init(checkedYear: year, month, day)
  }

  init(checkedYear year: Int, _ month: Int, _ day: Int) {
    self.year = year
    self.month = month
    self.day = day
  }

  /// Whether there is such a day. The searches that are made of numbers, as `.since(2024, 2, 31)`, do not say otherwise before
  /// they are sent.
  var isDay: Bool { InternalDate.isDay(year: year, month: month, day: day) }

  /// As on the wire: `d-Mon-yyyy`.
  public var description: String {
    if !isDay { return "\(year)-\(month)-\(day)" }
    return "\(day)-\(InternalDate.months[month - 1])-\(InternalDate.padded(year, 4))"
  }
}
