/// A URLFETCH response (RFC 4467, section 7; RFC 5524, section 3), borrowed. Iterate a copy for the URLs.
public struct FetchedURLListView: ElementView, ~Escapable {
  private var cursor: Cursor
  private let nesting: Int

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, nesting: Int) throws(ParseError) {
    cursor = Cursor(bytes)
    self.nesting = nesting
    var check = self
    while check.next() != nil {}
    try check.cursor.expectListEnd()
  }

  /// The next URL with what the server has for it, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> FetchedURLView? {
    cursor.skipSpaces()
    let first = cursor.index
    do throws(ParseError) {
      let url = try cursor.astring()
      cursor.skipSpaces()
      let start = cursor.index
      if cursor.peek == UInt8(ascii: "(") {
        while cursor.peek == UInt8(ascii: "(") {
          _ = try cursor.value()
          cursor.skipSpaces()
        }
        return FetchedURLView(cursor.bytes, url, nil, start..<cursor.index, nesting: nesting)
      }
      let data: StringToken? = try cursor.nastring()
      return FetchedURLView(cursor.bytes, url, data, start..<start, nesting: nesting)
    } catch {
      cursor.index = first
      return nil
    }
  }

  mutating func skip() -> Bool { next() != nil }

  /// Owned URLs, in order.
  public func copy() -> [FetchedURL] {
    var list: [FetchedURL] = []
    var iterator = self
    while let url = iterator.next() { list.append(url.copy(), room: iterator.remaining) }
    return list
  }
}

/// One URL of a URLFETCH response, borrowed. Iterate a copy for its parts.
public struct FetchedURLView: ElementView, ~Escapable {
  /// The URL.
  public let url: StringView
  /// The data; nil where the URL was refused, or was asked for in the extended form.
  public let data: StringView?
  /// Whether the parts are what counts, not ``data``.
  public let isExtended: Bool
  private var parts: Cursor
  /// What is left of the parentheses that ``next()`` is in.
  private var group = 0..<0
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
    if group.isEmpty {
      parts.skipSpaces()
      guard let range = try? parts.value() else { return nil }
      // Each was seen to be in parentheses.
      group = range.lowerBound + 1..<max(range.lowerBound + 1, range.upperBound - 1)
    }
    let items = group
    group = items.upperBound..<items.upperBound
    var inner = Cursor(parts.bytes.extracting(items))
    inner.skipSpaces()
    guard let name = try? inner.run(of: .token) else {
      let part = parts.bytes.extracting(items.lowerBound - 1..<items.upperBound + 1)
      return .invalid(name: ByteView(part.extracting(0..<0)), value: ByteView(part), inner.unexpected.shifted(by: 1))
    }
    inner.skipSpaces()
    let start = inner.index
    let end = FetchedURLPartView.end(of: name, in: &inner)
    if end < items.count { group = items.lowerBound + end..<items.upperBound }
    return FetchedURLPartView.typed(
      ByteView(inner.bytes.extracting(name)), inner.bytes.extracting(start..<end), nesting: nesting)
  }

  mutating func skip() -> Bool { next() != nil }

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
    while let part = iterator.next() { list.append(part.copy(), room: iterator.remaining) }
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
  /// An item that the parser does not know.
  case unknown(name: ByteView, value: ByteView)
  /// An item that it knows and cannot interpret, or bytes that are no item: their name is empty. The offset of the error
  /// counts from the value's first byte.
  case invalid(name: ByteView, value: ByteView, ParseError)

  @_lifetime(copy name, copy value)
  static func typed(_ name: ByteView, _ value: Span<UInt8>, nesting: Int) -> FetchedURLPartView {
    var cursor = Cursor(value)
    let isBinary = name.equalsIgnoringCase("BINARY")
    do throws(ParseError) {
      if name.equalsIgnoringCase("BODYPARTSTRUCTURE") {
        if cursor.peek != UInt8(ascii: "(") { throw cursor.unexpected }
        return .structure(FetchedStructureView(value, nesting: nesting))
      }
      guard isBinary || name.equalsIgnoringCase("BODY") else { return .unknown(name: name, value: ByteView(value)) }
      let token: StringToken? = try cursor.nstring()
      try cursor.expectListEnd()
      guard let token else { return isBinary ? .binary(nil) : .body(nil) }
      return isBinary ? .binary(StringView(value, token)) : .body(StringView(value, token))
    } catch {
      return .invalid(name: name, value: ByteView(value), error)
    }
  }

  /// Where the item `name` ends, whose value `cursor` is at. RFC 5524, section 3, has a pair of parentheses for each item; Dovecot
  /// has one for all, so that behind the value of a known one another known one may begin.
  static func end(of name: Range<Int>, in cursor: inout Cursor) -> Int {
    let all = cursor.bytes.count
    guard isKnown(ByteView(cursor.bytes.extracting(name))), (try? cursor.value()) != nil else { return all }
    let end = cursor.index
    cursor.skipSpaces()
    guard cursor.index > end, let next = try? cursor.run(of: .token) else { return all }
    return isKnown(ByteView(cursor.bytes.extracting(next))) ? end : all
  }

  private static func isKnown(_ name: ByteView) -> Bool {
    name.equalsIgnoringCase("BODYPARTSTRUCTURE") || name.equalsIgnoringCase("BODY") || name.equalsIgnoringCase("BINARY")
  }

  func copy() -> FetchedURL.Part {
    switch self {
    case .structure(let view):
      do throws(ParseError) {
        return .structure(try view.copy())
      } catch {
        return .invalid(InvalidItem(name: Array("BODYPARTSTRUCTURE".utf8), value: view.raw.copy(), reason: error))
      }
    case .body(let view): return .body(Self.bytes(view))
    case .binary(let view): return .binary(Self.bytes(view))
    case .unknown(let name, let value):
      return .unknown(name: name.uppercasedString(), value: value.copy())
    case .invalid(let name, let value, let error):
      return .invalid(InvalidItem(name: name.copy(), value: value.copy(), reason: error))
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
    do throws(ParseError) { try matching.expectEnd() } catch { throw error.shifted(by: cursor.index) }
  }

  /// An owned copy.
  public func copy() -> Comparator {
    Comparator(active: active.lossyString(), matching: matching.strings())
  }
}
