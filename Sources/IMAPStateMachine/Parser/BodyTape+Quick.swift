/// The forms of a structure that servers nearly always send.
extension Scanner {
  /// Writes the structure whose parenthesis is next; false for any form that is not read here. The scanner ends behind it.
  @_lifetime(self: copy self)
  mutating func body(_ tape: inout Tape, nesting: Int) -> Bool {
    var writer = BodyWriter()
    repeat {
      // The lists inside an element are at most four deep.
      guard peek == UInt8(ascii: "("), writer.depth &+ 4 <= nesting, !tape.isFull else { return false }
      index &+= 1
      if peek == UInt8(ascii: "(") {
        writer.beginMultipart(at: index &- 1, &tape)
        continue
      }
      guard part(&writer, &tape), ends(&writer, &tape) else { return false }
    } while writer.depth > 0
    return !tape.isFull
  }

  /// Reads the ends that follow an element.
  @_lifetime(self: copy self)
  private mutating func ends(_ writer: inout BodyWriter, _ tape: inout Tape) -> Bool {
    while writer.depth > 0 {
      let isMessage = writer.isInMessage(tape)
      if isMessage {
        // Its body is still to come.
        if tape[writer.open &+ BodyRecord.children] == 0 { return true }
      } else if peek == UInt8(ascii: "(") {
        return true
      }
      guard eat(0x20) else { return false }
      let record = writer.addRecord(at: index, &tape)
      var flags: UInt64 = 0
      if isMessage {
        guard let lines = number() else { return false }
        flags = BodyRecord.linesFlag
        tape[record &+ BodyRecord.lines] = UInt64(lines)
        guard tail(record, &flags, &tape) else { return false }
      } else {
        guard peek == 0x22 else { return false }
        let subtype = quoted()
        if subtype.isFailed { return false }
        tape[record &+ BodyRecord.subtype] = subtype.bits
        if !eat(UInt8(ascii: ")")) {
          guard eat(0x20), parameters(record &+ BodyRecord.parameters, &tape), bodyExtension(record, &flags, &tape)
          else { return false }
        }
      }
      writer.endOpen(record, flags: flags, at: index, &tape)
    }
    return true
  }

  /// A part behind its parenthesis; of a message what is before its body.
  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func part(_ writer: inout BodyWriter, _ tape: inout Tape) -> Bool {
    let record = writer.addRecord(at: index &- 1, &tape)
    guard peek == 0x22 else { return false }
    let type = quoted()
    guard !type.isFailed, eat(0x20), peek == 0x22 else { return false }
    let subtype = quoted()
    tape[record &+ BodyRecord.type] = type.bits
    tape[record &+ BodyRecord.subtype] = subtype.bits
    guard !subtype.isFailed, eat(0x20), parameters(record &+ BodyRecord.parameters, &tape), eat(0x20) else {
      return false
    }
    if bytes.paddedWord(at: index) == keyword("NIL NIL ") {
      index &+= 8
    } else {
      let id = nstring()
      guard !id.isFailed, eat(0x20) else { return false }
      let description = nstring()
      tape[record &+ BodyRecord.id] = id.bits
      tape[record &+ BodyRecord.description] = description.bits
      guard !description.isFailed, eat(0x20) else { return false }
    }
    guard peek == 0x22 else { return false }
    let encoding = quoted()
    guard !encoding.isFailed, !encoding.isEmpty, bytes[encoding.upperBound &- 1] != 0x20, eat(0x20),
      let octets = number()
    else { return false }
    tape[record &+ BodyRecord.encoding] = encoding.bits
    tape[record &+ BodyRecord.octets] = UInt64(octets)
    var flags: UInt64 = 0
    let word = uppercased(bytes.paddedWord(at: type.lowerBound))
    // Quotes that are left bare may be inside, so that the length has to be looked at.
    let typeLength = type.upperBound &- type.lowerBound
    if typeLength == 4, word & 0xffff_ffff == keyword("TEXT") {
      guard eat(0x20), let lines = number() else { return false }
      tape[record &+ BodyRecord.lines] = UInt64(lines)
      flags = BodyRecord.linesFlag
    } else if typeLength == 7, word & 0xff_ffff_ffff_ffff == keyword("MESSAGE") {
      guard eat(0x20) else { return false }
      if peek == UInt8(ascii: "(") {
        tape[record &+ BodyRecord.envelope] = UInt64(tape.count)
        guard envelope(&tape), eat(0x20), peek == UInt8(ascii: "(") else { return false }
        writer.beginMessage(record, &tape)
        return true
      }
      index &-= 1
    }
    guard tail(record, &flags, &tape) else { return false }
    writer.endPart(record, flags: flags, at: index, &tape)
    return true
  }

  /// `[md5 [extension]])`.
  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func tail(_ record: Int, _ flags: inout UInt64, _ tape: inout Tape) -> Bool {
    // Four fields that are hardly ever used.
    if bytes.paddedWord(at: index) == keyword(" NIL NIL"), bytes.paddedWord(at: index &+ 8) == keyword(" NIL NIL"),
      bytes.byte(at: index &+ 16) == UInt8(ascii: ")")
    {
      index &+= 17
      flags |= BodyRecord.extensionFlag
      return true
    }
    if eat(UInt8(ascii: ")")) { return true }
    guard eat(0x20) else { return false }
    let md5 = rarelyString()
    tape[record &+ BodyRecord.md5] = md5.bits
    return !md5.isFailed && bodyExtension(record, &flags, &tape)
  }

  /// `[disposition [language [location]]])`.
  @_lifetime(self: copy self)
  private mutating func bodyExtension(_ record: Int, _ flags: inout UInt64, _ tape: inout Tape) -> Bool {
    if bytes.paddedWord(at: index) == keyword(" NIL NIL"), bytes.quad(at: index &+ 8) == Self.spaceNIL,
      bytes.byte(at: index &+ 12) == UInt8(ascii: ")")
    {
      index &+= 13
      flags |= BodyRecord.extensionFlag
      return true
    }
    if eat(UInt8(ascii: ")")) { return true }
    guard eat(0x20) else { return false }
    flags |= BodyRecord.extensionFlag
    if eat(UInt8(ascii: "(")) {
      guard peek == 0x22 else { return false }
      let type = quoted()
      guard !type.isFailed, !type.isEmpty, eat(0x20), parameters(record &+ BodyRecord.dispositionParameters, &tape),
        eat(UInt8(ascii: ")"))
      else { return false }
      tape[record &+ BodyRecord.disposition] = type.bits
      flags |= BodyRecord.dispositionFlag
    } else if !eatNIL() {
      return false
    }
    if eat(UInt8(ascii: ")")) { return true }
    guard eat(0x20), languages(record, &tape) else { return false }
    if eat(UInt8(ascii: ")")) { return true }
    guard eat(0x20) else { return false }
    let location = rarelyString()
    tape[record &+ BodyRecord.location] = location.bits
    return !location.isFailed && eat(UInt8(ascii: ")"))
  }

  private static var spaceNIL: UInt32 { UInt32(truncatingIfNeeded: keyword(" NIL")) }

  /// `(name value ...)` or NIL.
  @_lifetime(self: copy self)
  private mutating func parameters(_ field: Int, _ tape: inout Tape) -> Bool {
    if eatNIL() { return true }
    guard eat(UInt8(ascii: "(")) else { return false }
    let first = tape.count
    var isWhole = plainPairs(&tape)
    while !isWhole {
      guard peek == 0x22, nstrings(2, &tape) else { return false }
      if !eat(0x20) {
        guard eat(UInt8(ascii: ")")) else { return false }
        isWhole = true
      }
    }
    tape[field] = TapeRange(first, tape.count).bits
    return true
  }

  /// `"name" "value" ...)`. False at the first pair of another form.
  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func plainPairs(_ tape: inout Tape) -> Bool {
    let bytes = bytes
    let end = end
    while true {
      guard bytes.byte(at: index) == 0x22, let name = Self.plainString(bytes, from: index &+ 1, to: end),
        name.next == keyword(" \""), let value = Self.plainString(bytes, from: name.close &+ 3, to: end)
      else { return false }
      if value.isFollowed(by: UInt8(ascii: ")")) {
        tape.append(name.token.bits, value.token.bits)
        index = value.close &+ 2
        return true
      }
      guard value.isFollowed(by: 0x20) else { return false }
      tape.append(name.token.bits, value.token.bits)
      index = value.close &+ 2
    }
  }

  /// A string, a list of strings, or NIL.
  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func languages(_ record: Int, _ tape: inout Tape) -> Bool {
    if eatNIL() { return true }
    let first = tape.count
    if peek == 0x22 {
      guard nstrings(1, &tape) else { return false }
    } else {
      guard eat(UInt8(ascii: "(")) else { return false }
      repeat {
        guard peek == 0x22, nstrings(1, &tape) else { return false }
      } while eat(0x20)
      guard eat(UInt8(ascii: ")")) else { return false }
    }
    tape[record &+ BodyRecord.languages] = TapeRange(first, tape.count).bits
    return true
  }
}
