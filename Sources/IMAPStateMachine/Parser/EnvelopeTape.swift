/// How an ENVELOPE is written to a ``Tape``: these entries, four strings for each address, and behind those of Bcc the
/// strings of In-Reply-To and Message-ID.
@usableFromInline
enum EnvelopeTape {
  /// Where the value lies.
  @inlinable static var raw: Int { 0 }
  @inlinable static var date: Int { 1 }
  @inlinable static var subject: Int { 2 }
  /// Where on the tape the addresses are, for each of From, Sender, Reply-To, To, Cc and Bcc.
  @inlinable static var lists: Int { 3 }
  @inlinable static var bcc: Int { 8 }
  @inlinable static var count: Int { 9 }

  /// Writes an envelope of any form, which ends where `bytes` do. Fields that a server leaves out at the end are NIL.
  /// Throws where it is no list.
  static func write(_ bytes: Span<UInt8>, at start: Int, _ tape: inout Tape) throws(ParseError) {
    var starts = InlineArray<10, Int>(repeating: -1)
    var cursor = Cursor(bytes, at: start)
    try cursor.expect(UInt8(ascii: "("))
    for field in 0..<10 {
      cursor.skipSpaces()
      if cursor.peek == UInt8(ascii: ")") { break }
      starts[field] = cursor.index
      _ = try cursor.value()
    }
    cursor.skipSpaces()
    try cursor.expect(UInt8(ascii: ")"))
    // Of nine fields the last is In-Reply-To or Message-ID. What looks like an identifier is the message's own: every
    // message should have one (RFC 5322, section 3.6.4).
    if starts[9] < 0, starts[8] >= 0 {
      var last = Cursor(bytes, at: starts[8])
      if let token = try? last.nastring(), !token.range.isEmpty, bytes[token.range.lowerBound] == UInt8(ascii: "<") {
        starts[9] = starts[8]
        starts[8] = -1
      }
    }
    let base = tape.count
    tape.append(PackedToken.missing.bits, times: count)
    tape[base &+ raw] = TapeRange(start, cursor.index).bits
    tape[base &+ date] = string(bytes, starts[0])
    tape[base &+ subject] = string(bytes, starts[1])
    for list in 0..<6 {
      let first = tape.count
      writeAddresses(bytes, starts[list + 2], &tape)
      tape[base &+ lists &+ list] = TapeRange(first, tape.count).bits
    }
    tape.append(string(bytes, starts[8]))
    tape.append(string(bytes, starts[9]))
  }

  /// A list in a string's place is no string.
  private static func string(_ bytes: Span<UInt8>, _ start: Int) -> UInt64 {
    if start < 0 { return PackedToken.missing.bits }
    var cursor = Cursor(bytes, at: start)
    return PackedToken(try? cursor.nastring()).bits
  }

  private static func writeAddresses(_ bytes: Span<UInt8>, _ start: Int, _ tape: inout Tape) {
    var cursor = Cursor(bytes, at: start)
    guard start >= 0, cursor.eat(UInt8(ascii: "(")) else { return }
    while true {
      cursor.skipSpaces()
      if cursor.isAtListEnd || tape.isFull { return }
      let start = cursor.index
      if cursor.peek == UInt8(ascii: "("), let address = try? AddressFields(&cursor) {
        tape.append(PackedToken(address.name).bits)
        tape.append(PackedToken(address.route).bits)
        tape.append(PackedToken(address.mailbox).bits)
        tape.append(PackedToken(address.host).bits)
        continue
      }
      cursor.index = start
      guard (try? cursor.value()) != nil else { return }
    }
  }
}

extension Scanner {
  /// Writes an envelope as servers nearly always send it; false for any other form. The scanner ends behind the value.
  @_lifetime(self: copy self)
  mutating func envelope(_ tape: inout Tape) -> Bool {
    let start = index
    let base = tape.count
    tape.append(0)
    guard eat(UInt8(ascii: "(")), nstrings(2, &tape), eat(0x20) else { return false }
    tape.append(0, times: EnvelopeTape.count &- EnvelopeTape.lists)
    for list in 0..<6 {
      let first = tape.count
      if eat(UInt8(ascii: "(")) {
        repeat {
          guard address(&tape) else { return false }
        } while !eat(UInt8(ascii: ")"))
      } else if !eatNIL() {
        return false
      }
      tape[base &+ EnvelopeTape.lists &+ list] = TapeRange(first, tape.count).bits
      guard eat(0x20) else { return false }
    }
    guard nstrings(2, &tape), eat(UInt8(ascii: ")")) else { return false }
    tape[base &+ EnvelopeTape.raw] = TapeRange(start, index).bits
    return true
  }

  /// `(name route mailbox host)`.
  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func address(_ tape: inout Tape) -> Bool {
    guard eat(UInt8(ascii: "(")), nstrings(4, &tape), eat(UInt8(ascii: ")")) else { return false }
    // One server leaves the brackets of the address in the last two.
    let mailbox = PackedToken(bits: tape[tape.count &- 2])
    return mailbox.isMissing || bytes[mailbox.lowerBound] != UInt8(ascii: "<")
  }
}

/// Where the four strings of an address lie.
private struct AddressFields {
  var name: StringToken?
  var route: StringToken?
  var mailbox: StringToken?
  var host: StringToken?

  /// Reads the list. A server that counts a literal in characters lets it end early, and the rest of it comes as further
  /// strings: the last three are route, mailbox and host, what is before them is the name.
  init(_ cursor: inout Cursor) throws(ParseError) {
    try cursor.expect(UInt8(ascii: "("))
    var count = 0
    var nameStart = 0
    // Behind route, mailbox and host.
    var ends = (0, 0, 0)
    while true {
      cursor.skipSpaces()
      if cursor.eat(UInt8(ascii: ")")) { break }
      let start = cursor.index
      let token: StringToken? = try cursor.nastring()
      switch count {
      case 0: (name, nameStart) = (token, token?.range.lowerBound ?? start)
      case 1: (route, ends.0) = (token, cursor.index)
      case 2: (mailbox, ends.1) = (token, cursor.index)
      case 3: (host, ends.2) = (token, cursor.index)
      default:
        name = StringToken(range: nameStart..<ends.0, hasEscapes: false)
        (route, mailbox, host) = (mailbox, host, token)
        ends = (ends.1, ends.2, cursor.index)
      }
      count += 1
    }
    if count == 0 { throw cursor.unexpected }
    stripBrackets(cursor.bytes)
  }

  /// `<mailbox` and `host>`: the brackets belong to neither.
  private mutating func stripBrackets(_ bytes: Span<UInt8>) {
    guard let left = mailbox?.range, let right = host?.range, !left.isEmpty, !right.isEmpty,
      bytes[left.lowerBound] == UInt8(ascii: "<"), bytes[right.upperBound - 1] == UInt8(ascii: ">")
    else { return }
    mailbox?.range = left.lowerBound + 1..<left.upperBound
    host?.range = right.lowerBound..<right.upperBound - 1
  }
}
