import IMAPStateMachine

/// The day of a Date field as it is written, time and zone disregarded, as SEARCH wants it (RFC 9051, section 6.4.4).
enum DateField {
  /// The day in `value`, for example `Mon, 14 Aug 2023 03:28:52 +0530`; nil where there is none. Obsolete years of two and
  /// three digits are read as RFC 5322, section 4.3 says.
  static func day(_ value: [UInt8]) -> SearchDate? {
    var field = StructuredField(value)
    func isSeparator(_ byte: UInt8) -> Bool {
      byte.isWhitespace || byte == UInt8(ascii: ",") || byte == UInt8(ascii: "(") || byte == UInt8(ascii: "-")
    }
    func word() -> [UInt8]? {
      while field.skipBlanksAndComments() || field.take(UInt8(ascii: ",")) || field.take(UInt8(ascii: "-")) {}
      let word = field.run(until: isSeparator)
      return word.isEmpty ? nil : word
    }
    guard var first = word() else { return nil }
    if first.first?.isDigit == false {
      guard let next = word() else { return nil }
      first = next
    }
    guard let day = number(first), let monthName = word(), let month = month(monthName), let yearText = word(),
      var year = number(yearText)
    else { return nil }
    switch yearText.count {
    case 2: year += year < 50 ? 2000 : 1900
    case 3: year += 1900
    default: break
    }
    return SearchDate(year: year, month: month, day: day)
  }

  private static func number(_ text: [UInt8]) -> Int? {
    guard (1...4).contains(text.count), text.allSatisfy(\.isDigit) else { return nil }
    return text.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
  }

  private static func month(_ text: [UInt8]) -> Int? {
    if text.count < 3 { return nil }
    let name = text.prefix(3).map(\.lowercasedASCII)
    return months.firstIndex { $0.utf8.elementsEqual(name) }.map { $0 + 1 }
  }

  private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
}

extension SearchDate {
  /// A number that orders days.
  var order: Int { (year * 16 + month) * 32 + day }
}

extension InternalDate {
  /// A number that orders days, of the day as it is written.
  var dayOrder: Int { (year * 16 + month) * 32 + day }
}
