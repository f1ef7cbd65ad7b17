/// How an ENVELOPE is written to a ``Tape``: these entries, four strings for each address, and behind those of Bcc the
/// strings of In-Reply-To and Message-ID. What could not be interpreted comes last: for each value its field, as in
/// ``Envelope/Field``, and where it lies.
@usableFromInline
enum EnvelopeTape {
  /// Where the value lies.
  @inlinable static var raw: Int { 0 }
  @inlinable static var date: Int { 1 }
  @inlinable static var subject: Int { 2 }
  /// Where on the tape the addresses are, for each of From, Sender, Reply-To, To, Cc and Bcc.
  @inlinable static var lists: Int { 3 }
  @inlinable static var bcc: Int { 8 }
  /// Where on the tape the values are that could not be interpreted.
  @inlinable static var invalid: Int { 9 }
  @inlinable static var count: Int { 10 }

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
    // Whether anything must be written as damage.
    var isDamaged = false
    tape[base &+ date] = string(bytes, starts[0], &isDamaged)
    tape[base &+ subject] = string(bytes, starts[1], &isDamaged)
    for list in 0..<6 {
      let first = tape.count
      var elements = AddressElements(bytes, starts[list + 2])
      while !tape.isFull, let element = elements.next() {
        switch element {
        case .address(let address): address.write(&tape)
        case .damage: isDamaged = true
        }
      }
      tape[base &+ lists &+ list] = TapeRange(first, tape.count).bits
    }
    tape.append(string(bytes, starts[8], &isDamaged))
    tape.append(string(bytes, starts[9], &isDamaged))
    if isDamaged { writeDamage(bytes, starts, base, &tape) }
  }

  /// A list in a string's place is no string.
  private static func string(_ bytes: Span<UInt8>, _ start: Int, _ isDamaged: inout Bool) -> UInt64 {
    if start < 0 { return PackedToken.missing.bits }
    var cursor = Cursor(bytes, at: start)
    do throws(ParseError) {
      return PackedToken(try cursor.nastring()).bits
    } catch {
      isDamaged = true
      return PackedToken.missing.bits
    }
  }

  /// Reads the fields again for what could not be interpreted.
  private static func writeDamage(
    _ bytes: Span<UInt8>, _ starts: InlineArray<10, Int>, _ base: Int, _ tape: inout Tape
  ) {
    let first = tape.count
    for field in 0..<10 {
      let start = starts[field]
      if field >= 2, field < 8 {
        var elements = AddressElements(bytes, start)
        while !tape.isFull, let element = elements.next() {
          guard case .damage(let range) = element else { continue }
          tape.append(UInt64(field))
          tape.append(TapeRange(range.lowerBound, range.upperBound).bits)
        }
      } else {
        var isDamaged = false
        _ = string(bytes, start, &isDamaged)
        var cursor = Cursor(bytes, at: start)
        guard isDamaged, let range = try? cursor.value(), !cursor.isEmptyList(range) else { continue }
        tape.append(UInt64(field))
        tape.append(TapeRange(range.lowerBound, range.upperBound).bits)
      }
    }
    tape[base &+ invalid] = TapeRange(first, tape.count).bits
  }
}

/// What stands in the place of a list of addresses.
private struct AddressElements: ~Escapable {
  enum Element {
    case address(AddressFields)
    case damage(Range<Int>)
  }

  private var cursor: Cursor
  private let isInList: Bool
  private var isAtEnd: Bool

  /// The list at `start`; below 0 for none.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ start: Int) {
    var cursor = Cursor(bytes, at: max(start, 0))
    isInList = cursor.eat(UInt8(ascii: "("))
    isAtEnd = start < 0
    self.cursor = cursor
  }

  /// The next element; nil behind the last. NIL and an empty list stand for nothing.
  @_lifetime(self: copy self)
  mutating func next() -> Element? {
    while !isAtEnd {
      cursor.skipSpaces()
      if cursor.isAtListEnd { break }
      isAtEnd = !isInList
      let start = cursor.index
      if isInList, cursor.peek == UInt8(ascii: "("), let address = try? AddressFields(&cursor) {
        return .address(address)
      }
      cursor.index = start
      if cursor.eatNIL() { continue }
      guard let range = try? cursor.value() else { break }
      if !cursor.isEmptyList(range) { return .damage(range) }
    }
    isAtEnd = true
    return nil
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
    // Where the list of From lies, in the bytes and on the tape.
    var from = 0..<0
    var fromEntries = 0..<0
    for list in 0..<6 {
      let (start, lineEnd) = (index, end)
      let first = tape.count
      if list == 1 || list == 2, bytes.repeats(from, at: start) {
        // Most messages have no Sender and no Reply-To: the server says those of From again (RFC 9051, section 7.5.2).
        tape.appendAgain(fromEntries, adding: TapeRange(start &- from.lowerBound, start &- from.lowerBound).bits)
        index &+= from.count
      } else if peek == UInt8(ascii: "(") {
        guard addresses(&tape) else { return false }
        // Behind a literal another line begins.
        if list == 0, end == lineEnd, !tape.isFull { (from, fromEntries) = (start..<index, first..<tape.count) }
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

  /// `((name route mailbox host)...)`, whose first parenthesis is next.
  @_lifetime(self: copy self)
  private mutating func addresses(_ tape: inout Tape) -> Bool {
    index &+= 1
    repeat {
      if plainAddresses(&tape) { return true }
      guard eat(UInt8(ascii: "(")), nstrings(4, &tape), eat(UInt8(ascii: ")")) else { return false }
      // One server leaves the brackets of the address in the last two.
      let mailbox = PackedToken(bits: tape[tape.count &- 2])
      if !mailbox.isMissing, bytes.byte(at: mailbox.lowerBound) == UInt8(ascii: "<") { return false }
    } while !eat(UInt8(ascii: ")"))
    return true
  }

  /// `(name NIL mailbox host)...)`, the last two quoted. False at the first address of another form.
  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func plainAddresses(_ tape: inout Tape) -> Bool {
    let bytes = bytes
    let end = end
    while true {
      let word = bytes.paddedWord(at: index)
      var name = PackedToken.missing
      var route = index &+ 5
      if word & 0xffff == keyword("(\"") {
        guard let string = Self.plainString(bytes, from: index &+ 2, to: end) else { return false }
        name = string.token
        route = string.close &+ 2
        guard string.isFollowed(by: 0x20) else { return false }
      } else if word & 0xff_ffff_ffff != keyword("(NIL ") {
        return false
      }
      guard bytes.paddedWord(at: route) & 0xff_ffff_ffff == keyword("NIL \""),
        let mailbox = Self.plainString(bytes, from: route &+ 5, to: end), mailbox.next == keyword(" \""),
        bytes.byte(at: mailbox.start) != UInt8(ascii: "<"),
        let host = Self.plainString(bytes, from: mailbox.close &+ 3, to: end), host.isFollowed(by: 0x29)
      else { return false }
      tape.append(name.bits, PackedToken.missing.bits, mailbox.token.bits, host.token.bits)
      index = host.close &+ 2
      if host.next == keyword("))") {
        index &+= 1
        return true
      }
    }
  }
}

/// Where the four strings of an address lie.
private struct AddressFields {
  var name: StringToken?
  var route: StringToken?
  var mailbox: StringToken?
  var host: StringToken?

  func write(_ tape: inout Tape) {
    tape.append(PackedToken(name).bits)
    tape.append(PackedToken(route).bits)
    tape.append(PackedToken(mailbox).bits)
    tape.append(PackedToken(host).bits)
  }

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
