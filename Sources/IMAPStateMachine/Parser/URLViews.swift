/// A URLFETCH response (RFC 4467, section 7; RFC 5524, section 3), borrowed. Iterate a copy for the URLs.
public struct FetchedURLListView: ~Escapable {
  private var cursor: Cursor
  private let nesting: Int

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, nesting: Int) {
    cursor = Cursor(bytes)
    self.nesting = nesting
  }

  /// The next URL with what the server has for it, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> FetchedURLView? {
    cursor.skipSpaces()
    guard let url = try? cursor.astring() else { return nil }
    cursor.skipSpaces()
    let start = cursor.index
    if cursor.peek == UInt8(ascii: "(") {
      while cursor.peek == UInt8(ascii: "(") {
        guard (try? cursor.value()) != nil else { return nil }
        cursor.skipSpaces()
      }
      return FetchedURLView(cursor.bytes, url, nil, start..<cursor.index, nesting: nesting)
    }
    let data: StringToken?
    do throws(ParseError) { data = try cursor.nastring() } catch { return nil }
    return FetchedURLView(cursor.bytes, url, data, start..<start, nesting: nesting)
  }

  /// Owned URLs, in order.
  public func copy() -> [FetchedURL] {
    var list: [FetchedURL] = []
    var iterator = self
    while let url = iterator.next() { list.append(url.copy()) }
    return list
  }
}

/// One URL of a URLFETCH response, borrowed. Iterate a copy for its parts.
public struct FetchedURLView: ~Escapable {
  /// The URL.
  public let url: StringView
  /// The data; nil where the URL was refused, or was asked for in the extended form.
  public let data: StringView?
  /// Whether the parts are what counts, not ``data``.
  public let isExtended: Bool
  private var parts: Cursor
  private let nesting: Int

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ url: StringToken, _ data: StringToken?, _ parts: Range<Int>, nesting: Int) {
    self.url = StringView(bytes, url)
    if let data { self.data = StringView(bytes, data) } else { self.data = nil }
    isExtended = !parts.isEmpty
    self.parts = Cursor(bytes.extracting(parts))
    self.nesting = nesting
  }

  /// The next part of the extended form, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> FetchedURLPartView? {
    parts.skipSpaces()
    guard let range = try? parts.value() else { return nil }
    var inner = Cursor(parts.bytes.extracting(range))
    guard inner.eat(UInt8(ascii: "(")) else { return nil }
    inner.skipSpaces()
    guard let name = try? inner.run(of: .token) else { return nil }
    inner.skipSpaces()
    let word = ByteView(inner.bytes.extracting(name))
    let value = inner.bytes.extracting(inner.index..<max(inner.index, inner.bytes.count - 1))
    return FetchedURLPartView.typed(word, value, nesting: nesting)
  }

  /// An owned copy.
  public func copy() -> FetchedURL {
    if !isExtended {
      switch data {
      case .some(let data): return FetchedURL(url.copy(), .data(data.copy()))
      case .none: return FetchedURL(url.copy(), .data(nil))
      }
    }
    var list: [FetchedURL.Part] = []
    var iterator = self
    while let part = iterator.next() { list.append(part.copy()) }
    return FetchedURL(url.copy(), .parts(list))
  }
}

/// The structure of a part of URLFETCH, borrowed. It is read when it is copied.
public struct FetchedStructureView: ~Escapable {
  /// The value as on the wire, parentheses included.
  public let raw: ByteView
  private let nesting: Int

  @_lifetime(copy value)
  init(_ value: Span<UInt8>, nesting: Int) {
    raw = ByteView(value)
    self.nesting = nesting
  }

  /// An owned copy. Throws where the value makes no sense. Complexity: O(n).
  public func copy() throws(ParseError) -> BodyStructure { try BodyStructure(raw.bytes, nesting: nesting) }
}

/// One part of the extended form of URLFETCH, borrowed.
public enum FetchedURLPartView: ~Escapable {
  /// The part's structure.
  case structure(FetchedStructureView)
  /// The data with its transfer encoding.
  case body(StringView?)
  /// The data without its transfer encoding.
  case binary(StringView?)
  /// An item that the parser does not know, or cannot interpret.
  case unknown(name: ByteView, value: ByteView)

  @_lifetime(copy name, copy value)
  static func typed(_ name: ByteView, _ value: Span<UInt8>, nesting: Int) -> FetchedURLPartView {
    var cursor = Cursor(value)
    if name.equalsIgnoringCase("BODYPARTSTRUCTURE"), cursor.peek == UInt8(ascii: "(") {
      return .structure(FetchedStructureView(value, nesting: nesting))
    }
    let isBinary = name.equalsIgnoringCase("BINARY")
    if isBinary || name.equalsIgnoringCase("BODY") {
      if cursor.eatNIL() { return isBinary ? .binary(nil) : .body(nil) }
      if let token = try? cursor.string() {
        return isBinary ? .binary(StringView(value, token)) : .body(StringView(value, token))
      }
    }
    return .unknown(name: name, value: ByteView(value))
  }

  func copy() -> FetchedURL.Part {
    switch self {
    case .structure(let view):
      if let structure = try? view.copy() { return .structure(structure) }
      return .unknown(name: "BODYPARTSTRUCTURE", value: view.raw.copy())
    case .body(let view): return .body(Self.bytes(view))
    case .binary(let view): return .binary(Self.bytes(view))
    case .unknown(let name, let value):
      return .unknown(name: asciiUppercased(name.lossyString()), value: value.copy())
    }
  }

  private static func bytes(_ view: borrowing StringView?) -> [UInt8]? {
    switch copy view {
    case .some(let view): view.copy()
    case .none: nil
    }
  }
}

/// A COMPARATOR response (RFC 5255, section 4.8), borrowed.
public struct ComparatorView: ~Escapable {
  /// The comparator in use.
  public let active: StringView
  /// Those that matched what the client asked for.
  public let matching: StringListView

  /// Reads `active [(matching ...)]`.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) throws(ParseError) {
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    active = StringView(bytes, try cursor.astring())
    matching = StringListView(cursor.rest)
  }

  /// An owned copy.
  public func copy() -> Comparator {
    Comparator(active: active.lossyString(), matching: matching.strings())
  }
}
