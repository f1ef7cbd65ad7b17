/// ASCII without a locale: what mail headers and IMAP names mean by "without case".
extension UInt8 {
  /// A to Z made a to z.
  var lowercasedASCII: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }

  /// a to z made A to Z.
  var uppercasedASCII: UInt8 { self &- 0x61 < 26 ? self & 0xdf : self }

  /// Space or tab.
  var isBlank: Bool { self == 0x20 || self == 0x09 }

  /// Space, tab, CR or LF.
  var isWhitespace: Bool { isBlank || self == 0x0d || self == 0x0a }

  /// 0 to 9.
  var isDigit: Bool { self &- 0x30 < 10 }
}

extension Span where Element == UInt8 {
  /// Whether the bytes are `text`, ASCII case ignored.
  func matches(_ text: StaticString) -> Bool {
    if count != text.utf8CodeUnitCount { return false }
    for index in indices {
      // Safe: `index` is below the length of a static string, whose bytes never go away.
      let other = unsafe text.utf8Start[index]
      if self[index].lowercasedASCII != other.lowercasedASCII { return false }
    }
    return true
  }

  /// Whether the bytes are `other`, ASCII case ignored.
  func matches(_ other: Span<UInt8>) -> Bool {
    if count != other.count { return false }
    for index in indices where self[index].lowercasedASCII != other[index].lowercasedASCII { return false }
    return true
  }

  /// The index of the first LF at or after `start`; `count` where there is none.
  func indexOfLF(from start: Int) -> Int {
    var index = start
    while index < count, self[index] != 0x0a { index &+= 1 }
    return index
  }

  /// `range` without blanks, CR and LF at both ends.
  func trimmed(_ range: Range<Int>) -> Range<Int> {
    var (start, end) = (range.lowerBound, range.upperBound)
    while start < end, self[start].isWhitespace { start += 1 }
    while end > start, self[end - 1].isWhitespace { end -= 1 }
    return start..<end
  }

  /// An owned copy of `range`.
  func array(_ range: Range<Int>) -> [UInt8] {
    let part = extracting(range)
    return [UInt8](capacity: part.count) { output in
      for index in part.indices { output.append(part[index]) }
    }
  }
}

extension Array where Element == UInt8 {
  /// The ASCII letters in upper case.
  func uppercasedASCII() -> [UInt8] { map(\.uppercasedASCII) }
}
