/// Reads that take what servers send in place of what they should.
extension Cursor {
  /// A quantity: signed, too large or with an exponent as some servers write it. Below 0 it is 0, above 64 bits the
  /// largest number. What identifies a message is not read by this: a wrong number would be somebody else's.
  @_lifetime(self: copy self)
  mutating func quantity() throws(ParseError) -> UInt64 {
    let isNegative = eat(UInt8(ascii: "-"))
    if !isNegative { _ = eat(UInt8(ascii: "+")) }
    if peek &- 0x30 > 9 { throw unexpected }
    var value: UInt64 = 0
    while peek &- 0x30 <= 9 {
      value = value.saturatingTimes10(plus: UInt64(peek &- 0x30))
      index &+= 1
    }
    let scale = exponent(&value)
    for _ in 0..<Int(min(scale, 20)) { value = value.saturatingTimes10(plus: 0) }
    return isNegative ? 0 : value
  }

  /// Whether a digit is next, or a sign and a digit.
  var signedDigit: Bool {
    let isSigned = peek == UInt8(ascii: "-") || peek == UInt8(ascii: "+")
    return peek(ahead: isSigned ? 1 : 0) &- 0x30 <= 9
  }

  /// A quantity that fits 32 bits, cut to them.
  @_lifetime(self: copy self)
  mutating func quantity32() throws(ParseError) -> UInt32 { UInt32(clamping: try quantity()) }

  /// `.5E+3`: takes the digits of the fraction into `value` as far as the exponent makes them whole, and returns how
  /// often `value` is still to be multiplied by ten.
  @_lifetime(self: copy self)
  private mutating func exponent(_ value: inout UInt64) -> UInt64 {
    var fraction = index..<index
    if peek == UInt8(ascii: "."), peek(ahead: 1) &- 0x30 <= 9 {
      fraction = index &+ 1..<bytes.firstNot(.digit, from: index &+ 1)
      index = fraction.upperBound
    }
    guard peek | 0x20 == UInt8(ascii: "e") else { return 0 }
    let signed = peek(ahead: 1) == UInt8(ascii: "+") || peek(ahead: 1) == UInt8(ascii: "-")
    guard peek(ahead: signed ? 2 : 1) &- 0x30 <= 9 else { return 0 }
    let isNegative = peek(ahead: 1) == UInt8(ascii: "-")
    index &+= signed ? 2 : 1
    var scale: UInt64 = 0
    while peek &- 0x30 <= 9 {
      scale = scale.saturatingTimes10(plus: UInt64(peek &- 0x30))
      index &+= 1
    }
    if isNegative {
      for _ in 0..<Int(min(scale, 20)) { value /= 10 }
      return 0
    }
    for position in fraction where scale > 0 {
      value = value.saturatingTimes10(plus: UInt64(bytes[position] &- 0x30))
      scale -= 1
    }
    return scale
  }

  /// Steps over one value and returns where it lies. Any depth: by iteration, over bytes that are here.
  @_lifetime(self: copy self)
  mutating func value() throws(ParseError) -> Range<Int> {
    skipSpaces()
    let start = index
    try skipValue(nesting: .max)
    return start..<index
  }

  /// Whether there is nothing in the parentheses of the value at `range`, or no value. Servers write that for NIL.
  func isEmptyList(_ range: Range<Int>) -> Bool {
    var probe = Cursor(bytes, at: range.lowerBound)
    guard !range.isEmpty, probe.eat(UInt8(ascii: "(")) else { return range.isEmpty }
    probe.skipSpaces()
    return probe.index >= range.upperBound - 1
  }

  /// A string, a bare token as a string, or NIL as nil.
  @_lifetime(self: copy self)
  mutating func nastring() throws(ParseError) -> StringToken? {
    eatNIL() ? nil : try astring()
  }

  /// Whether nothing but spaces and the line's end is left.
  @_lifetime(self: copy self)
  mutating func skipToLineEnd() -> Bool {
    skipSpaces()
    return isAtLineEnd
  }

  /// What is left of the line behind the last item of a list that could be read: nil where that is the list's end and
  /// the line's, be the parenthesis there or not. Steps over it.
  @_lifetime(self: copy self)
  mutating func leftover() -> Range<Int>? {
    skipSpaces()
    if eat(UInt8(ascii: ")")) { skipSpaces() }
    var end = bytes.count
    while end > index, bytes[end - 1] == 0x0a || bytes[end - 1] == 0x0d || bytes[end - 1] == 0x20 { end -= 1 }
    if index >= end { return nil }
    defer { index = bytes.count }
    return index..<end
  }

  /// Throws where anything is left behind the last item of a list: what is not understood must not go unseen.
  @_lifetime(self: copy self)
  mutating func expectListEnd() throws(ParseError) {
    guard let rest = leftover() else { return }
    index = rest.lowerBound
    throw unexpected
  }

  /// A number, or NIL as nil.
  @_lifetime(self: copy self)
  mutating func nquantity32() throws(ParseError) -> UInt32? {
    eatNIL() ? nil : try quantity32()
  }

  /// The bytes from here to the end.
  var rest: Span<UInt8> {
    @_lifetime(copy self) get { bytes.extracting(min(index, bytes.count)..<bytes.count) }
  }
}

extension UInt64 {
  func saturatingTimes10(plus digit: UInt64) -> UInt64 {
    let (product, overflow) = multipliedReportingOverflow(by: 10)
    let (sum, overflow2) = product.addingReportingOverflow(digit)
    return overflow || overflow2 ? .max : sum
  }
}
