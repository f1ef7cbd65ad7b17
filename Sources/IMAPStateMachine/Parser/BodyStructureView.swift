/// A BODYSTRUCTURE or BODY, borrowed.
public struct BodyStructureView: ~Escapable {
  @usableFromInline let tape: TapeView
  @usableFromInline let index: Int

  /// Reads the structure whose first record is at `index` of `tape`.
  @_lifetime(copy tape)
  @inlinable
  @inline(__always)
  init(_ tape: TapeView, at index: Int) {
    self.tape = tape
    self.index = index
  }

  /// The whole value as on the wire, parentheses included.
  public var raw: ByteView {
    @_lifetime(copy self) get { ByteView(tape.slice(index &+ BodyRecord.raw)) }
  }

  /// All levels, one after the other, in the order of the wire.
  @inlinable public var walk: BodyWalkView {
    @_lifetime(copy self) get { BodyWalkView(tape, from: index, to: end) }
  }

  /// The fields of the outermost level. Complexity: O(1).
  @inlinable public var fields: BodyFieldsView {
    @_lifetime(copy self) get { BodyFieldsView(tape, at: last) }
  }

  /// The whole structure as an owned value. Complexity: O(n); one allocation for each string and list that is not empty,
  /// one for each message inside the message, and one for the levels. By iteration, so that no depth can exhaust the stack.
  public func copy() -> BodyStructure {
    var open: [OpenBody] = []
    var walk = walk
    while let step = walk.next() {
      let element: BodyStructure
      switch step {
      case .part(let fields): element = .single(fields.copyPart())
      case .multipartBegin(let childCount):
        if open.isEmpty { open.reserveCapacity(4) }
        open.append(OpenBody(childCount))
        continue
      case .messageBegin:
        if open.isEmpty { open.reserveCapacity(4) }
        open.append(OpenBody())
        continue
      case .messageEnd(let fields):
        var part = fields.copyPart()
        if let body = open.popLast()?.body {
          part.content = .message(fields.copyEnvelope(), body, lines: fields.lines ?? 0)
        }
        element = .single(part)
      case .multipartEnd(let fields): element = fields.copyMultipart(open.popLast()?.parts ?? [])
      }
      if open.isEmpty { return element }
      open[open.count - 1].add(element)
    }
    return .multipart(BodyStructure.Multipart(parts: [], subtype: []))
  }

  /// Behind the last record.
  @inlinable var end: Int { BodyRecord(header: tape.entry(last)).next }

  /// The record that has all of the outermost level: that of its end.
  @inlinable var last: Int {
    switch BodyRecord(header: tape.entry(index)).step {
    case .messageBegin, .multipartBegin: Int(truncatingIfNeeded: tape.entry(index &+ BodyRecord.partner))
    case .none, .part, .messageEnd, .multipartEnd: index
    }
  }
}

/// A multipart or message whose end was not read yet.
private struct OpenBody {
  /// The children of a multipart.
  var parts: [BodyStructure] = []
  /// The body of a message.
  var body: BodyStructure?
  private let isMessage: Bool

  /// A message.
  init() { isMessage = true }

  /// A multipart with `count` children.
  init(_ count: Int) {
    isMessage = false
    parts.reserveCapacity(count)
  }

  mutating func add(_ element: consuming BodyStructure) {
    if isMessage { body = element } else { parts.append(element) }
  }
}

/// One level of a body structure, borrowed: where its fields lie.
public struct BodyFieldsView: ~Escapable {
  @usableFromInline let tape: TapeView
  @usableFromInline let index: Int

  @_lifetime(copy tape)
  @inlinable
  @inline(__always)
  init(_ tape: TapeView, at index: Int) {
    self.tape = tape
    self.index = index
  }

  /// Whether this is a multipart: then it has children, a subtype, parameters and extension data only.
  @inlinable public var isMultipart: Bool { record.step == .multipartEnd }
  /// The media type; nil for a multipart, and where the server gave none.
  @inlinable @inline(__always) public var type: StringView? { @_lifetime(copy self) get { string(BodyRecord.type) } }
  /// The media subtype; nil where the server gave none.
  @inlinable @inline(__always) public var subtype: StringView? {
    @_lifetime(copy self) get { string(BodyRecord.subtype) }
  }
  /// Content-Type parameters.
  @inlinable @inline(__always) public var parameters: BodyParameterListView {
    @_lifetime(copy self) get { pairs(BodyRecord.parameters) }
  }
  /// Content-ID.
  @inlinable @inline(__always) public var id: StringView? { @_lifetime(copy self) get { string(BodyRecord.id) } }
  /// Content-Description.
  @inlinable @inline(__always) public var description: StringView? {
    @_lifetime(copy self) get { string(BodyRecord.description) }
  }
  /// Content-Transfer-Encoding; nil where the server gave none, which is `7BIT`.
  @inlinable @inline(__always) public var encoding: StringView? {
    @_lifetime(copy self) get { string(BodyRecord.encoding) }
  }
  /// Size in transfer encoding. Servers are known to be wrong: never use it as an exact length.
  @inlinable public var octets: UInt64 { entry(BodyRecord.octets) }
  /// The number of lines of a text or of a message inside the message; nil for anything else.
  @inlinable public var lines: UInt64? { record.hasLines ? entry(BodyRecord.lines) : nil }
  /// The header of a message inside the message; nil where there is none, or it does not parse.
  @inlinable public var envelope: EnvelopeView? {
    @_lifetime(copy self) get {
      let start = Int(truncatingIfNeeded: entry(BodyRecord.envelope))
      return start == 0 ? nil : EnvelopeView(tape, at: start)
    }
  }
  /// How many children there are.
  @inlinable public var childCount: Int { Int(truncatingIfNeeded: entry(BodyRecord.children)) }
  /// The children of a multipart, or the one body of a message inside the message.
  public var children: BodyListView {
    @_lifetime(copy self) get {
      let partner = Int(truncatingIfNeeded: entry(BodyRecord.partner))
      switch record.step {
      case .messageBegin, .multipartBegin: return BodyListView(tape, from: record.next, to: partner)
      case .messageEnd, .multipartEnd:
        return BodyListView(tape, from: BodyRecord(header: tape.entry(partner)).next, to: index)
      case .none, .part: return BodyListView(tape, from: 0, to: 0)
      }
    }
  }
  /// Content-MD5.
  @inlinable @inline(__always) public var md5: StringView? { @_lifetime(copy self) get { string(BodyRecord.md5) } }
  /// Whether there is extension data, not counting parameters and MD5. BODY has none.
  @inlinable public var hasExtension: Bool { record.hasExtension }
  /// Whether there is a Content-Disposition.
  @inlinable public var hasDisposition: Bool { record.hasDisposition }
  /// Its word; nil where the server gave an empty one, which is `attachment`.
  @inlinable @inline(__always) public var disposition: StringView? {
    @_lifetime(copy self) get { string(BodyRecord.disposition) }
  }
  /// Its parameters.
  @inlinable @inline(__always) public var dispositionParameters: BodyParameterListView {
    @_lifetime(copy self) get { pairs(BodyRecord.dispositionParameters) }
  }
  /// Content-Language.
  @inlinable @inline(__always) public var languages: BodyLanguageListView {
    @_lifetime(copy self) get { BodyLanguageListView(tape, tape.range(index &+ BodyRecord.languages)) }
  }
  /// Content-Location.
  @inlinable @inline(__always) public var location: StringView? {
    @_lifetime(copy self) get { string(BodyRecord.location) }
  }

  /// Fields of this level that could not be interpreted, with all of their value. What of them could be read is in its
  /// place.
  @inlinable public var invalid: InvalidFieldListView<BodyStructure.Field> {
    @_lifetime(copy self) get {
      let record = record
      return InvalidFieldListView(tape, record.isDamaged ? tape.range(record.damage) : TapeRange(bits: 0))
    }
  }

  @inlinable var record: BodyRecord { BodyRecord(header: tape.entry(index)) }

  @inlinable
  @inline(__always)
  func entry(_ field: Int) -> UInt64 { tape.entry(index &+ field) }

  @_lifetime(copy self)
  @inlinable
  @inline(__always)
  func string(_ field: Int) -> StringView? { tape.string(index &+ field) }

  @_lifetime(copy self)
  @inlinable
  @inline(__always)
  func pairs(_ field: Int) -> BodyParameterListView {
    BodyParameterListView(tape, tape.range(index &+ field))
  }
}

extension BodyFieldsView {
  /// An owned part without what a message holds, with defaults where the server left out what every part has (RFC 2045,
  /// section 5.2).
  fileprivate func copyPart() -> BodyStructure.Part {
    let record = record
    let type = owned(BodyRecord.type) ?? Array("APPLICATION".utf8)
    return BodyStructure.Part(
      type: type, subtype: owned(BodyRecord.subtype) ?? Self.defaultSubtype(type), parameters: parameters.copy(),
      id: owned(BodyRecord.id), description: owned(BodyRecord.description),
      encoding: owned(BodyRecord.encoding) ?? Array("7BIT".utf8), octets: octets,
      content: record.hasLines ? .text(lines: entry(BodyRecord.lines)) : .basic, ext: copyExtension(record),
      rare: copyRare(record))
  }

  fileprivate func copyMultipart(_ parts: [BodyStructure]) -> BodyStructure {
    let record = record
    return .multipart(
      BodyStructure.Multipart(
        parts: parts, subtype: owned(BodyRecord.subtype) ?? [], parameters: parameters.copy(),
        ext: copyExtension(record), rare: copyRare(record)))
  }

  fileprivate func copyEnvelope() -> Envelope {
    switch envelope {
    case .some(let view): view.copy()
    case .none: Envelope()
    }
  }

  @inline(__always)
  private func copyExtension(_ record: BodyRecord) -> BodyStructure.Extension? {
    guard record.hasExtension else { return nil }
    var disposition: BodyStructure.Disposition?
    if record.hasDisposition {
      disposition = BodyStructure.Disposition(
        type: owned(BodyRecord.disposition) ?? Array("attachment".utf8), parameters: dispositionParameters.copy())
    }
    return BodyStructure.Extension(
      disposition: disposition, languages: languages.copy(), location: owned(BodyRecord.location))
  }

  @inline(__always)
  private func copyRare(_ record: BodyRecord) -> BodyStructure.Rare {
    let isDamaged = record.isDamaged
    if !isDamaged, entry(BodyRecord.md5) == PackedToken.missing.bits { return .nothing }
    return BodyStructure.Rare(md5: owned(BodyRecord.md5), invalid: isDamaged ? invalid.copy() : [])
  }

  private func owned(_ field: Int) -> [UInt8]? { tape.copy(index &+ field) }

  /// What RFC 2046 and usage make of a type alone.
  private static func defaultSubtype(_ type: [UInt8]) -> [UInt8] {
    if type.span.equalsIgnoringCase("TEXT") { return Array("PLAIN".utf8) }
    if type.span.equalsIgnoringCase("MESSAGE") { return Array("RFC822".utf8) }
    if type.span.equalsIgnoringCase("AUDIO") { return Array("BASIC".utf8) }
    return Array("OCTET-STREAM".utf8)
  }
}

/// The children of a multipart, borrowed. Iterate a copy.
public struct BodyListView: ~Escapable {
  @usableFromInline let tape: TapeView
  @usableFromInline var index: Int
  @usableFromInline let end: Int

  @_lifetime(copy tape)
  @inlinable
  @inline(__always)
  init(_ tape: TapeView, from index: Int, to end: Int) {
    self.tape = tape
    self.index = index
    self.end = end
  }

  /// The next child, or nil behind the last. Complexity: O(1).
  @_lifetime(copy self)
  public mutating func next() -> BodyStructureView? {
    if index >= end { return nil }
    let child = BodyStructureView(tape, at: index)
    // Records lie in order, so that the list ends.
    index = max(child.end, index &+ 1)
    return child
  }
}

/// Parameters of a Content-Type or Content-Disposition, borrowed. Iterate a copy.
public struct BodyParameterListView: ~Escapable {
  @usableFromInline var rows: TapeRows

  @_lifetime(copy tape)
  @inlinable
  @inline(__always)
  init(_ tape: TapeView, _ range: TapeRange) { rows = TapeRows(tape, range) }

  /// How many parameters are still to come.
  @inlinable public var count: Int { rows.count / 2 }

  /// The next parameter, or nil behind the last. Complexity: O(1).
  @_lifetime(copy self)
  @inlinable
  @inline(__always)
  public mutating func next() -> AttributeView? {
    guard let row = rows.next(2) else { return nil }
    return AttributeView(rows.tape.bytes, rows.tape.token(row), rows.tape.token(row &+ 1))
  }

  /// Owned parameters, in order. A value that is NIL is empty.
  public func copy() -> [BodyStructure.Parameter] {
    if count == 0 { return [] }
    var list: [BodyStructure.Parameter] = []
    list.reserveCapacity(count)
    var rows = rows
    while let row = rows.next(2) {
      let name = rows.tape.copy(row) ?? []
      list.append(BodyStructure.Parameter(name: name, value: rows.tape.copy(row &+ 1) ?? []))
    }
    return list
  }
}

/// Languages of a Content-Language, borrowed. Iterate a copy.
public struct BodyLanguageListView: ~Escapable {
  @usableFromInline var rows: TapeRows

  @_lifetime(copy tape)
  @inlinable
  @inline(__always)
  init(_ tape: TapeView, _ range: TapeRange) { rows = TapeRows(tape, range) }

  /// How many languages are still to come.
  @inlinable public var count: Int { rows.count }

  /// The next language, or nil behind the last. Complexity: O(1).
  @_lifetime(copy self)
  @inlinable
  @inline(__always)
  public mutating func next() -> StringView? {
    guard let row = rows.next(1) else { return nil }
    return StringView(rows.tape.bytes, rows.tape.token(row))
  }

  /// Owned languages, in order.
  public func copy() -> [[UInt8]] {
    if count == 0 { return [] }
    var list: [[UInt8]] = []
    list.reserveCapacity(count)
    var rows = rows
    while let row = rows.next(1) { list.append(rows.tape.copy(row) ?? []) }
    return list
  }
}
