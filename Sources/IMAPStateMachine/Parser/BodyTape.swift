/// How a BODYSTRUCTURE is written to a ``Tape``: one record for each step of a walk over it. A record has the entries
/// below, then its parameters and languages, then the ENVELOPE of a message. What could not be interpreted comes last, where
/// there is such: for each value its field, as in ``BodyStructure/Field``, and where it lies, then where these entries are.
///
/// The record of a multipart's begin stops behind ``partner``. That of a message's end repeats what its begin says.
@usableFromInline
struct BodyRecord: BitwiseCopyable {
  /// What a record stands for, as ``BodyStepView``.
  @usableFromInline
  enum Step: UInt8 {
    case none = 0
    case part, messageBegin, messageEnd, multipartBegin, multipartEnd
  }

  /// A ``Step``, flags, and in the upper half where the next record starts.
  @inlinable static var header: Int { 0 }
  /// Where the element lies.
  @inlinable static var raw: Int { 1 }
  /// The record of a begin's end, or of an end's begin. While the end is not written: that of the begin around it.
  @inlinable static var partner: Int { 2 }
  /// How many elements are in a multipart, in the records of its begin and its end.
  @inlinable static var children: Int { 3 }
  @inlinable static var beginCount: Int { 4 }

  @inlinable static var type: Int { 4 }
  @inlinable static var subtype: Int { 5 }
  @inlinable static var id: Int { 6 }
  @inlinable static var description: Int { 7 }
  @inlinable static var encoding: Int { 8 }
  @inlinable static var octets: Int { 9 }
  @inlinable static var lines: Int { 10 }
  @inlinable static var md5: Int { 11 }
  @inlinable static var disposition: Int { 12 }
  @inlinable static var location: Int { 13 }
  /// Where on the tape they are, each of two strings.
  @inlinable static var parameters: Int { 14 }
  @inlinable static var dispositionParameters: Int { 15 }
  /// Where on the tape they are.
  @inlinable static var languages: Int { 16 }
  /// Where on the tape it is; 0 where there is none.
  @inlinable static var envelope: Int { 17 }
  @inlinable static var count: Int { 18 }

  @usableFromInline let header: UInt64

  @inlinable var step: Step { Step(rawValue: UInt8(truncatingIfNeeded: header)) ?? .none }
  @inlinable var next: Int { Int(header &>> 32) }
  @inlinable var hasLines: Bool { header & Self.linesFlag != 0 }
  @inlinable var hasExtension: Bool { header & Self.extensionFlag != 0 }
  @inlinable var hasDisposition: Bool { header & Self.dispositionFlag != 0 }
  @inlinable var isDamaged: Bool { header & Self.damageFlag != 0 }
  /// Where on the tape it says where the damage is.
  @inlinable var damage: Int { next &- 1 }

  @inlinable static var linesFlag: UInt64 { 1 << 8 }
  @inlinable static var extensionFlag: UInt64 { 1 << 9 }
  @inlinable static var dispositionFlag: UInt64 { 1 << 10 }
  @inlinable static var damageFlag: UInt64 { 1 << 11 }

  @inlinable
  @inline(__always)
  init(header: UInt64) { self.header = header }

  @inline(__always)
  init(_ step: Step, flags: UInt64, next: Int) {
    header = UInt64(step.rawValue) | flags | UInt64(UInt32(truncatingIfNeeded: next)) &<< 32
  }
}

/// Writes the records of one structure.
struct BodyWriter {
  /// The begin whose end is to come; below 0 where there is none.
  private(set) var open = -1
  private(set) var depth = 0

  /// Whether the innermost open element is a message.
  @inline(__always)
  func isInMessage(_ tape: borrowing Tape) -> Bool {
    BodyRecord(header: tape[open]).step == .messageBegin
  }

  /// A record with nothing in it, of an element that starts at `start`.
  @inline(__always)
  func addRecord(at start: Int, _ tape: inout Tape) -> Int {
    let record = tape.count
    tape.append(0, times: BodyRecord.count)
    tape[record &+ BodyRecord.raw] = TapeRange(start, start).bits
    return record
  }

  /// Begins a multipart at `start`.
  @inline(__always)
  mutating func beginMultipart(at start: Int, _ tape: inout Tape) {
    let record = tape.count
    tape.append(0, times: BodyRecord.beginCount)
    tape[record] = BodyRecord(.multipartBegin, flags: 0, next: tape.count).header
    tape[record &+ BodyRecord.raw] = TapeRange(start, start).bits
    push(record, &tape)
  }

  /// Begins the message whose fields `record` has.
  mutating func beginMessage(_ record: Int, flags: UInt64 = 0, _ tape: inout Tape) {
    tape[record] = BodyRecord(.messageBegin, flags: flags, next: tape.count).header
    push(record, &tape)
  }

  /// Ends the part whose fields `record` has.
  @inline(__always)
  mutating func endPart(_ record: Int, flags: UInt64, at end: Int, _ tape: inout Tape) {
    tape[record] = BodyRecord(.part, flags: flags, next: tape.count).header
    finish(record, end, &tape)
  }

  /// Ends the innermost multipart or message, whose end is `record`.
  @inline(__always)
  mutating func endOpen(_ record: Int, flags: UInt64, at end: Int, _ tape: inout Tape) {
    let begin = open
    let isMessage = isInMessage(tape)
    if isMessage { copyMessage(from: begin, to: record, &tape) }
    tape[record] = BodyRecord(isMessage ? .messageEnd : .multipartEnd, flags: flags, next: tape.count).header
    open = Int(truncatingIfNeeded: Int64(bitPattern: tape[begin &+ BodyRecord.partner]))
    depth &-= 1
    tape[begin &+ BodyRecord.partner] = UInt64(UInt32(truncatingIfNeeded: record))
    tape[record &+ BodyRecord.partner] = UInt64(UInt32(truncatingIfNeeded: begin))
    tape[record &+ BodyRecord.children] = tape[begin &+ BodyRecord.children]
    let start = TapeRange(bits: tape[begin &+ BodyRecord.raw]).start
    tape[begin &+ BodyRecord.raw] = TapeRange(start, end).bits
    tape[record &+ BodyRecord.raw] = TapeRange(start, start).bits
    finish(record, end, &tape)
  }

  private func copyMessage(from begin: Int, to record: Int, _ tape: inout Tape) {
    for field in BodyRecord.type...BodyRecord.octets { tape[record &+ field] = tape[begin &+ field] }
    tape[record &+ BodyRecord.parameters] = tape[begin &+ BodyRecord.parameters]
    tape[record &+ BodyRecord.envelope] = tape[begin &+ BodyRecord.envelope]
  }

  private mutating func push(_ record: Int, _ tape: inout Tape) {
    tape[record &+ BodyRecord.partner] = UInt64(bitPattern: Int64(open))
    open = record
    depth &+= 1
  }

  /// An element ends: the one around it has one more.
  @inline(__always)
  private func finish(_ record: Int, _ end: Int, _ tape: inout Tape) {
    let start = TapeRange(bits: tape[record &+ BodyRecord.raw]).start
    tape[record &+ BodyRecord.raw] = TapeRange(start, end).bits
    if open >= 0 { tape[open &+ BodyRecord.children] &+= 1 }
  }
}

/// Any form of a structure.
extension BodyWriter {
  /// Writes the structure that `bytes` start with and returns where it ends. Throws where it makes no sense, or is
  /// nested deeper than `nesting`. By iteration, so that no depth can exhaust the stack.
  @discardableResult
  static func write(_ bytes: Span<UInt8>, nesting: Int, _ tape: inout Tape) throws(ParseError) -> Int {
    var writer = BodyWriter()
    var cursor = Cursor(bytes)
    // What stands in the place of a message's body, whose end is next.
    var body = 0..<0
    try writer.element(&cursor, nesting, &tape)
    while writer.depth > 0 {
      cursor.skipSpaces()
      let isInMessage = writer.isInMessage(tape)
      let isEmpty = tape[writer.open &+ BodyRecord.children] == 0
      if isInMessage ? isEmpty : cursor.peek == UInt8(ascii: "(") {
        if cursor.peek == UInt8(ascii: "(") {
          try writer.element(&cursor, nesting, &tape)
        } else {
          body = try writer.missingBody(&cursor, &tape)
        }
      } else if isInMessage {
        try writer.endMessage(&cursor, body: body, &tape)
        body = 0..<0
      } else {
        try writer.endMultipart(&cursor, &tape)
      }
      if tape.isFull { break }
    }
    return cursor.index
  }

  /// An element whose parenthesis is next: a part to its end, of anything else the begin.
  private mutating func element(_ cursor: inout Cursor, _ nesting: Int, _ tape: inout Tape) throws(ParseError) {
    let start = cursor.index
    try cursor.expect(UInt8(ascii: "("))
    if try BodyLayout.isMultipart(cursor) {
      try checkDepth(nesting, start)
      beginMultipart(at: start, &tape)
      return
    }
    var layout = BodyLayout()
    try layout.part(&cursor)
    let isMessage = layout.kind == .message
    if isMessage {
      try checkDepth(nesting, start)
    } else {
      try layout.partTail(&cursor)
      try cursor.skipList()
    }
    let record = addRecord(at: start, &tape)
    layout.write(cursor.bytes, record, &tape)
    if isMessage {
      beginMessage(record, flags: layout.flags & BodyRecord.damageFlag, &tape)
    } else {
      endPart(record, flags: layout.flags, at: cursor.index, &tape)
    }
  }

  /// Writes a multipart without children in the place of a message's body, and returns where that is which stands there.
  private mutating func missingBody(_ cursor: inout Cursor, _ tape: inout Tape) throws(ParseError) -> Range<Int> {
    var value = 0..<0
    if !cursor.isAtListEnd, !cursor.eatNIL() {
      let start = cursor.index
      let isNumber = cursor.isAtNumber
      value = try cursor.value()
      cursor.skipSpaces()
      // Of one number it is the lines.
      if isNumber, !cursor.isAtNumber {
        cursor.index = start
        value = 0..<0
      }
    }
    beginMultipart(at: cursor.index, &tape)
    endOpen(addRecord(at: cursor.index, &tape), flags: 0, at: cursor.index, &tape)
    return value
  }

  /// What is behind the children of a multipart.
  private mutating func endMultipart(_ cursor: inout Cursor, _ tape: inout Tape) throws(ParseError) {
    var layout = BodyLayout()
    // A list of numbers is no structure at all.
    if depth == 1, tape[open &+ BodyRecord.children] == 0, cursor.isAtNumber { throw cursor.unexpected }
    try layout.multipartTail(&cursor)
    try end(&cursor, &layout, &tape)
  }

  /// What is behind the body of a message, in the place of which `body` is.
  private mutating func endMessage(
    _ cursor: inout Cursor, body: Range<Int>, _ tape: inout Tape
  ) throws(ParseError) {
    var layout = BodyLayout()
    layout.kind = .message
    layout.damage.read(BodyRecord(header: tape[open]), tape)
    if !body.isEmpty { layout.damage[.body] = body }
    try layout.messageLines(&cursor)
    try layout.partTail(&cursor)
    try end(&cursor, &layout, &tape)
  }

  private mutating func end(
    _ cursor: inout Cursor, _ layout: inout BodyLayout, _ tape: inout Tape
  ) throws(ParseError) {
    try cursor.skipList()
    let record = addRecord(at: cursor.index, &tape)
    layout.write(cursor.bytes, record, &tape)
    endOpen(record, flags: layout.flags, at: cursor.index, &tape)
  }

  private func checkDepth(_ nesting: Int, _ index: Int) throws(ParseError) {
    if depth >= nesting {
      throw ParseError(passed: .nesting, UInt64(nesting), at: index)
    }
  }
}

extension BodyLayout {
  /// What goes into a record's header, once the fields are written.
  fileprivate var flags: UInt64 {
    (kind == .text || kind == .message ? BodyRecord.linesFlag : 0) | (hasExtension ? BodyRecord.extensionFlag : 0)
      | (hasDisposition ? BodyRecord.dispositionFlag : 0) | (damage.isEmpty ? 0 : BodyRecord.damageFlag)
  }

  /// Writes the fields into `record`, which is the last, and finds the damage inside lists.
  fileprivate mutating func write(_ bytes: Span<UInt8>, _ record: Int, _ tape: inout Tape) {
    tape[record &+ BodyRecord.type] = type.bits
    tape[record &+ BodyRecord.subtype] = subtype.bits
    tape[record &+ BodyRecord.id] = id.bits
    tape[record &+ BodyRecord.description] = description.bits
    tape[record &+ BodyRecord.encoding] = encoding.bits
    tape[record &+ BodyRecord.octets] = octets
    tape[record &+ BodyRecord.lines] = lines
    tape[record &+ BodyRecord.md5] = md5.bits
    tape[record &+ BodyRecord.disposition] = dispositionType.bits
    tape[record &+ BodyRecord.location] = location.bits
    var isWhole = true
    tape[record &+ BodyRecord.parameters] = Self.pairs(bytes, parameters.range, &isWhole, &tape)
    if !isWhole { damage[.parameters] = parameters.range }
    isWhole = true
    tape[record &+ BodyRecord.dispositionParameters] = Self.pairs(
      bytes, dispositionParameters.range, &isWhole, &tape)
    if !isWhole { damage[.disposition] = dispositionRange.range }
    isWhole = true
    tape[record &+ BodyRecord.languages] = Self.strings(bytes, languages.range, &isWhole, &tape)
    if !isWhole { damage[.language] = languages.range }
    if kind == .message, !envelope.isEmpty {
      let start = tape.count
      do throws(ParseError) {
        try EnvelopeTape.write(bytes.extracting(first: envelope.upperBound), at: envelope.lowerBound, &tape)
        tape[record &+ BodyRecord.envelope] = UInt64(start)
      } catch {
        damage[.envelope] = envelope.range
      }
    }
    if !damage.isEmpty { damage.write(&tape) }
  }

  /// Names and values of `(name value ...)`; anything else has none. A name that has no value, and a pair of which one is a
  /// list, are left out.
  private static func pairs(
    _ bytes: Span<UInt8>, _ range: Range<Int>, _ isWhole: inout Bool, _ tape: inout Tape
  ) -> UInt64 {
    var cursor = Cursor(bytes.extracting(first: range.upperBound), at: range.lowerBound)
    let first = tape.count
    if cursor.eat(UInt8(ascii: "(")) {
      while true {
        cursor.skipSpaces()
        if cursor.isAtListEnd { break }
        do throws(ParseError) {
          let name = try cursor.optionalString(&isWhole)
          cursor.skipSpaces()
          if cursor.isAtListEnd {
            isWhole = false
            break
          }
          let value = try cursor.optionalString(&isWhole)
          guard let name, let value else { continue }
          tape.append(name.bits)
          tape.append(value.bits)
        } catch {
          isWhole = false
          break
        }
      }
    }
    return TapeRange(first, tape.count).bits
  }

  /// Strings in a row, in parentheses or not.
  private static func strings(
    _ bytes: Span<UInt8>, _ range: Range<Int>, _ isWhole: inout Bool, _ tape: inout Tape
  ) -> UInt64 {
    var cursor = Cursor(bytes.extracting(first: range.upperBound), at: range.lowerBound)
    let first = tape.count
    _ = cursor.eat(UInt8(ascii: "("))
    while true {
      cursor.skipSpaces()
      if cursor.isAtListEnd { break }
      do throws(ParseError) {
        if let token = try cursor.optionalString(&isWhole), !token.isMissing { tape.append(token.bits) }
      } catch {
        isWhole = false
        break
      }
    }
    return TapeRange(first, tape.count).bits
  }
}

extension BodyDamage {
  /// Writes what is damaged, and where that is, as the last entries of a record.
  fileprivate func write(_ tape: inout Tape) {
    let first = tape.count
    for field in BodyStructure.Field.allCases where !self[field].isEmpty {
      tape.append(UInt64(field.rawValue))
      tape.append(TapeRange(self[field].lowerBound, self[field].upperBound).bits)
    }
    tape.append(TapeRange(first, tape.count).bits)
  }

  /// Reads what `record` has.
  fileprivate mutating func read(_ record: BodyRecord, _ tape: borrowing Tape) {
    guard record.isDamaged else { return }
    var row = TapeRange(bits: tape[record.damage]).start
    while row < record.damage {
      if let field = BodyStructure.Field(rawValue: UInt8(truncatingIfNeeded: tape[row])) {
        self[field] = TapeRange(bits: tape[row &+ 1]).range
      }
      row &+= 2
    }
  }
}

extension Cursor {
  /// A string or a bare token, missing for NIL and `()`; nil for any other list, of which nothing is whole then.
  @_lifetime(self: copy self)
  fileprivate mutating func optionalString(_ isWhole: inout Bool) throws(ParseError) -> PackedToken? {
    guard peek == UInt8(ascii: "(") else { return PackedToken(try nastring()) }
    if isEmptyList(try value()) { return .missing }
    isWhole = false
    return nil
  }
}
