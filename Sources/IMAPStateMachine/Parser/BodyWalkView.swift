/// One step of a walk over a body structure, borrowed. Fields that are of another step are missing in it.
public enum BodyStepView: ~Escapable {
  /// A part that holds no other.
  case part(BodyFieldsView)
  /// A message inside the message: all before its body, whose steps follow, then ``messageEnd(_:)``.
  case messageBegin(BodyFieldsView)
  /// The end of a message inside the message: its lines, MD5 and extension data.
  case messageEnd(BodyFieldsView)
  /// A multipart: the steps of its children follow, then ``multipartEnd(_:)``.
  case multipartBegin
  /// The end of a multipart: its subtype, parameters and extension data, which are behind the children on the wire.
  case multipartEnd(BodyFieldsView)
}

/// A walk over all levels of a body structure, borrowed. Iterate a copy. By iteration, so that no depth can exhaust the
/// stack, and each byte is read once.
public struct BodyWalkView: ~Escapable {
  private let bytes: Span<UInt8>
  private let nesting: Int
  private var index = 0
  private var depth = 0
  /// Whether an element was read to its end since the innermost open one began.
  private var hasElement = false
  /// One bit for each open element: whether it is a message.
  private var messages = InlineArray<4, UInt64>(repeating: 0)

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, nesting: Int) {
    self.bytes = bytes
    self.nesting = min(nesting, 256)
  }

  /// The next step, or nil behind the last. Throws where the rest makes no sense; ask no further then.
  /// Complexity: O(length of the step).
  @_lifetime(copy self)
  public mutating func next() throws(ParseError) -> BodyStepView? {
    if depth == 0 {
      if hasElement { return nil }
      return try element()
    }
    if isMessage {
      if hasElement { return try messageEnd() }
      skipSpaces()
      return try element()
    }
    skipSpaces()
    if index < bytes.count, bytes[index] == UInt8(ascii: "(") { return try element() }
    return try multipartEnd()
  }

  private var isMessage: Bool { messages[(depth &- 1) >> 6] >> UInt64((depth &- 1) & 63) & 1 != 0 }

  @inline(__always)
  private mutating func skipSpaces() {
    while index < bytes.count, bytes[index] == 0x20 { index &+= 1 }
  }

  /// Goes into an element that starts at `index`.
  private mutating func push(isMessage: Bool) throws(ParseError) {
    if depth >= nesting {
      throw ParseError(.limit(LimitExceeded(limit: .nesting, value: UInt64(nesting), offset: index)), offset: index)
    }
    let bit = UInt64(1) &<< UInt64(depth & 63)
    if isMessage { messages[depth >> 6] |= bit } else { messages[depth >> 6] &= ~bit }
    depth &+= 1
    hasElement = false
  }

  /// An element, whose parenthesis is next.
  @_lifetime(copy self)
  private mutating func element() throws(ParseError) -> BodyStepView {
    var scanner = Scanner(bytes, at: index)
    if scanner.eat(UInt8(ascii: "(")) {
      if scanner.peek == UInt8(ascii: "(") {
        try push(isMessage: false)
        index = scanner.index
        return .multipartBegin
      }
      if let layout = BodyLayout(quickPart: &scanner, nesting: nesting) {
        index = scanner.index
        hasElement = true
        return .part(BodyFieldsView(bytes, layout, nesting: nesting))
      }
    }
    return try elementOfAnyForm()
  }

  @_lifetime(copy self)
  private mutating func elementOfAnyForm() throws(ParseError) -> BodyStepView {
    var cursor = Cursor(bytes, at: index)
    try cursor.expect(UInt8(ascii: "("))
    if try BodyLayout.isMultipart(cursor) {
      try push(isMessage: false)
      index = cursor.index
      return .multipartBegin
    }
    var layout = BodyLayout()
    try layout.part(&cursor)
    if layout.kind == .message {
      try push(isMessage: true)
      index = cursor.index
      return .messageBegin(BodyFieldsView(bytes, layout, nesting: nesting))
    }
    try layout.partTail(&cursor)
    try cursor.skipList()
    index = cursor.index
    hasElement = true
    return .part(BodyFieldsView(bytes, layout, nesting: nesting))
  }

  @_lifetime(copy self)
  private mutating func messageEnd() throws(ParseError) -> BodyStepView {
    var layout = BodyLayout()
    layout.kind = .message
    var cursor = Cursor(bytes, at: index)
    try layout.messageLines(&cursor)
    try layout.partTail(&cursor)
    try cursor.skipList()
    pop(cursor.index)
    return .messageEnd(BodyFieldsView(bytes, layout, nesting: nesting))
  }

  @_lifetime(copy self)
  private mutating func multipartEnd() throws(ParseError) -> BodyStepView {
    var scanner = Scanner(bytes, at: index)
    if let layout = BodyLayout(quickMultipartTail: &scanner, nesting: nesting) {
      pop(scanner.index)
      return .multipartEnd(BodyFieldsView(bytes, layout, nesting: nesting))
    }
    var layout = BodyLayout()
    var cursor = Cursor(bytes, at: index)
    try layout.multipartTail(&cursor)
    try cursor.skipList()
    pop(cursor.index)
    return .multipartEnd(BodyFieldsView(bytes, layout, nesting: nesting))
  }

  private mutating func pop(_ end: Int) {
    index = end
    depth &-= 1
    hasElement = true
  }
}

/// The forms that servers nearly always send.
extension BodyLayout {
  /// A part that is no message, behind its parenthesis; nil for any other form. The scanner ends behind the list.
  @inline(__always)
  fileprivate init?(quickPart scanner: inout Scanner, nesting: Int) {
    self.init()
    guard scanner.peek == 0x22 else { return nil }
    type = scanner.quoted()
    guard !type.isFailed, scanner.eat(0x20), scanner.peek == 0x22 else { return nil }
    subtype = scanner.quoted()
    guard !subtype.isFailed, scanner.eat(0x20), let list = scanner.list(nesting), scanner.eat(0x20) else { return nil }
    parameters = list
    id = scanner.nstring()
    guard !id.isFailed, scanner.eat(0x20) else { return nil }
    description = scanner.nstring()
    guard !description.isFailed, scanner.eat(0x20), scanner.peek == 0x22 else { return nil }
    encoding = scanner.quoted()
    guard !encoding.isFailed, !encoding.isEmpty, scanner.bytes[encoding.upperBound &- 1] != 0x20, scanner.eat(0x20),
      let size = scanner.number()
    else { return nil }
    octets = UInt64(size)
    let word = scanner.bytes.foldedWord(type.range)
    if word == keyword("MESSAGE") { return nil }
    if word == keyword("TEXT") {
      guard scanner.eat(0x20), let count = scanner.number() else { return nil }
      kind = .text
      lines = UInt64(count)
    }
    if scanner.eat(UInt8(ascii: ")")) { return }
    guard scanner.eat(0x20) else { return nil }
    md5 = scanner.nstring()
    guard !md5.isFailed, quickExtension(&scanner, nesting) else { return nil }
  }

  /// What is behind the children of a multipart, as ``init(quickPart:nesting:)``.
  @inline(__always)
  fileprivate init?(quickMultipartTail scanner: inout Scanner, nesting: Int) {
    self.init()
    kind = .multipart
    guard scanner.peek == 0x22 else { return nil }
    subtype = scanner.quoted()
    if subtype.isFailed { return nil }
    if scanner.eat(UInt8(ascii: ")")) { return }
    guard scanner.eat(0x20), let list = scanner.list(nesting) else { return nil }
    parameters = list
    guard quickExtension(&scanner, nesting) else { return nil }
  }

  /// `[disposition [language [location]]])`. False for any other form.
  private mutating func quickExtension(_ scanner: inout Scanner, _ nesting: Int) -> Bool {
    if scanner.eat(UInt8(ascii: ")")) { return true }
    guard scanner.eat(0x20) else { return false }
    hasExtension = true
    if scanner.eat(UInt8(ascii: "(")) {
      guard scanner.peek == 0x22 else { return false }
      dispositionType = scanner.quoted()
      guard !dispositionType.isFailed, !dispositionType.isEmpty, scanner.eat(0x20), let list = scanner.list(nesting),
        scanner.eat(UInt8(ascii: ")"))
      else { return false }
      hasDisposition = true
      dispositionParameters = list
    } else if !scanner.eatNIL() {
      return false
    }
    if scanner.eat(UInt8(ascii: ")")) { return true }
    guard scanner.eat(0x20) else { return false }
    if scanner.peek == 0x22 {
      let start = scanner.index
      if scanner.quoted().isFailed { return false }
      languages = PackedToken(start..<scanner.index)
    } else {
      guard let list = scanner.list(nesting) else { return false }
      languages = list
    }
    if scanner.eat(UInt8(ascii: ")")) { return true }
    guard scanner.eat(0x20) else { return false }
    location = scanner.nstring()
    return !location.isFailed && scanner.eat(UInt8(ascii: ")"))
  }
}

extension Scanner {
  /// Where a list lies; nothing for NIL, nil for any other form.
  @inline(__always)
  @_lifetime(self: copy self)
  fileprivate mutating func list(_ nesting: Int) -> PackedToken? {
    let start = index
    if peek != UInt8(ascii: "(") { return eatNIL() ? PackedToken(0..<0) : nil }
    return skipList(nesting: nesting) ? PackedToken(start..<index) : nil
  }
}
