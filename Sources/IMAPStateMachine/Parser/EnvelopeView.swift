/// An ENVELOPE, borrowed: where its ten fields lie. Strings are decoded when asked for.
public struct EnvelopeView: ~Escapable {
  @usableFromInline let tape: TapeView
  @usableFromInline let start: Int

  /// Reads the envelope that was written to `tape` at `start`.
  @_lifetime(copy tape)
  @inlinable
  @inline(__always)
  init(_ tape: TapeView, at start: Int) {
    self.tape = tape
    self.start = start
  }

  /// The whole value as on the wire, parentheses included.
  public var raw: ByteView {
    @_lifetime(copy self) get { ByteView(tape.slice(start &+ EnvelopeTape.raw)) }
  }

  /// The Date field.
  @inlinable @inline(__always) public var date: StringView? { @_lifetime(copy self) get { string(EnvelopeTape.date) } }
  /// The Subject field, not decoded.
  @inlinable @inline(__always) public var subject: StringView? {
    @_lifetime(copy self) get { string(EnvelopeTape.subject) }
  }
  /// The From field.
  @inlinable @inline(__always) public var from: AddressListView { @_lifetime(copy self) get { addresses(0) } }
  /// The Sender field.
  @inlinable @inline(__always) public var sender: AddressListView { @_lifetime(copy self) get { addresses(1) } }
  /// The Reply-To field.
  @inlinable @inline(__always) public var replyTo: AddressListView { @_lifetime(copy self) get { addresses(2) } }
  /// The To field.
  @inlinable @inline(__always) public var to: AddressListView { @_lifetime(copy self) get { addresses(3) } }
  /// The Cc field.
  @inlinable @inline(__always) public var cc: AddressListView { @_lifetime(copy self) get { addresses(4) } }
  /// The Bcc field.
  @inlinable @inline(__always) public var bcc: AddressListView { @_lifetime(copy self) get { addresses(5) } }
  /// The In-Reply-To field.
  @inlinable @inline(__always) public var inReplyTo: StringView? {
    @_lifetime(copy self) get { tape.string(tail) }
  }
  /// The Message-ID field.
  @inlinable @inline(__always) public var messageID: StringView? {
    @_lifetime(copy self) get { tape.string(tail &+ 1) }
  }

  /// Fields that are neither a string nor NIL, and what is no address in the place of one.
  @inlinable @inline(__always) public var invalid: InvalidFieldListView<Envelope.Field> {
    @_lifetime(copy self) get { InvalidFieldListView(tape, tape.range(start &+ EnvelopeTape.invalid)) }
  }

  /// An owned copy. Complexity: O(n); at most one allocation for each string and list that is not empty.
  public func copy() -> Envelope {
    let from = from.copy()
    return Envelope(
      date: owned(EnvelopeTape.date), subject: owned(EnvelopeTape.subject), from: from, sender: copy(1, from),
      replyTo: copy(2, from), to: to.copy(), cc: cc.copy(), bcc: bcc.copy(), inReplyTo: tape.copy(tail),
      messageID: tape.copy(tail &+ 1),
      invalid: tape.entry(start &+ EnvelopeTape.invalid) == 0 ? [] : invalid.copy())
  }

  /// An owned list, which shares the storage of `from` where it is the same: in most messages it is.
  private func copy(_ list: Int, _ from: [Address]) -> [Address] {
    let addresses = addresses(list)
    return addresses.repeats(self.from) ? from : addresses.copy()
  }

  @_lifetime(copy self)
  @inlinable
  @inline(__always)
  func string(_ field: Int) -> StringView? { tape.string(start &+ field) }

  /// Behind the last address.
  @inlinable var tail: Int { tape.range(start &+ EnvelopeTape.bcc).end }

  private func owned(_ field: Int) -> [UInt8]? { tape.copy(start &+ field) }

  @_lifetime(copy self)
  @inlinable
  @inline(__always)
  func addresses(_ list: Int) -> AddressListView {
    AddressListView(tape, tape.range(start &+ EnvelopeTape.lists &+ list))
  }
}

/// What of an ENVELOPE, or of one level of a BODYSTRUCTURE, could not be interpreted, borrowed. Iterate a copy.
public struct InvalidFieldListView<Field: RawRepresentable<UInt8> & CustomStringConvertible>: ~Escapable {
  @usableFromInline var rows: TapeRows

  @_lifetime(copy tape)
  @inlinable
  @inline(__always)
  init(_ tape: TapeView, _ range: TapeRange) { rows = TapeRows(tape, range) }

  /// How many values are still to come.
  @inlinable public var count: Int { rows.count / 2 }

  /// The next value, or nil behind the last. Complexity: O(1).
  @_lifetime(copy self)
  public mutating func next() -> InvalidFieldView<Field>? {
    guard let row = rows.next(2), let field = Field(rawValue: UInt8(truncatingIfNeeded: rows.tape.entry(row))) else {
      return nil
    }
    return InvalidFieldView(field, rows.tape, at: row)
  }

  /// Owned values, in order.
  public func copy() -> [InvalidItem] {
    if count == 0 { return [] }
    var list: [InvalidItem] = []
    list.reserveCapacity(count)
    var iterator = self
    while let item = iterator.next() {
      list.append(
        InvalidItem(
          name: Array(item.field.description.utf8), value: item.value.copy(),
          reason: ParseError(.invalidValue, offset: 0)))
    }
    return list
  }
}

/// A value of an ENVELOPE or BODYSTRUCTURE that could not be interpreted, borrowed.
public struct InvalidFieldView<Field>: ~Escapable {
  /// Where it stands. There may be several for a list of addresses.
  public let field: Field
  /// The value as on the wire.
  public let value: ByteView

  @_lifetime(copy tape)
  init(_ field: Field, _ tape: TapeView, at row: Int) {
    self.field = field
    value = ByteView(tape.slice(row &+ 1))
  }
}

/// The addresses of one ENVELOPE field, borrowed. Iterate a copy. A NIL between two is left out; what is no address is in
/// ``EnvelopeView/invalid``.
public struct AddressListView: ~Escapable {
  @usableFromInline var rows: TapeRows

  @_lifetime(copy tape)
  @inlinable
  @inline(__always)
  init(_ tape: TapeView, _ range: TapeRange) { rows = TapeRows(tape, range) }

  /// How many addresses are still to come.
  @inlinable public var count: Int { rows.count / 4 }

  /// The next address, or nil behind the last. Complexity: O(1).
  @_lifetime(copy self)
  @inlinable
  @inline(__always)
  public mutating func next() -> AddressView? {
    guard let row = rows.next(4) else { return nil }
    return AddressView(rows.tape, at: row)
  }

  /// Whether these are the addresses of `other`, which are before them, in the same bytes. May say no where they are.
  fileprivate func repeats(_ other: borrowing AddressListView) -> Bool {
    guard rows.count == other.rows.count else { return false }
    var text = 0..<0
    var distance: UInt64?
    for offset in 0..<rows.count {
      let token = other.rows.tape.token(other.rows.index &+ offset)
      let entry = rows.tape.entry(rows.index &+ offset)
      if token.isMissing {
        if entry != 0 { return false }
        continue
      }
      // All strings have the lengths that they have there, and lie as far from one another.
      if let distance {
        if entry &- token.bits != distance { return false }
        text = text.lowerBound..<max(text.upperBound, token.upperBound)
      } else {
        distance = entry &- token.bits
        text = token.range
      }
    }
    guard let distance else { return false }
    let step = Int(UInt32(truncatingIfNeeded: distance))
    return distance == TapeRange(step, step).bits && rows.tape.bytes.repeats(text, at: text.lowerBound &+ step)
  }

  /// Owned addresses, in order.
  public func copy() -> [Address] {
    if count == 0 { return [] }
    var list: [Address] = []
    list.reserveCapacity(count)
    var iterator = self
    while let address = iterator.next() { list.append(address.copy()) }
    return list
  }
}

/// One address, borrowed.
public struct AddressView: ~Escapable {
  @usableFromInline let tape: TapeView
  @usableFromInline let start: Int

  @_lifetime(copy tape)
  @inlinable
  @inline(__always)
  init(_ tape: TapeView, at start: Int) {
    self.tape = tape
    self.start = start
  }

  /// The display name, not decoded.
  @inlinable @inline(__always) public var name: StringView? {
    @_lifetime(copy self) get { tape.string(start) }
  }
  /// The source route.
  @inlinable @inline(__always) public var route: StringView? {
    @_lifetime(copy self) get { tape.string(start &+ 1) }
  }
  /// The part before `@`.
  @inlinable @inline(__always) public var mailbox: StringView? {
    @_lifetime(copy self) get { tape.string(start &+ 2) }
  }
  /// The part behind `@`.
  @inlinable @inline(__always) public var host: StringView? {
    @_lifetime(copy self) get { tape.string(start &+ 3) }
  }

  /// An owned copy.
  public func copy() -> Address {
    Address(
      name: tape.copy(start), route: tape.copy(start &+ 1),
      mailbox: tape.copy(start &+ 2), host: tape.copy(start &+ 3))
  }
}
