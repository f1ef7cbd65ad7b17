/// A string of the protocol, borrowed: the content of a quoted string or literal, or a bare token.
public struct StringView: ~Escapable {
  /// The content as on the wire: in a quoted string, backslashes are still there.
  public let raw: ByteView
  /// Whether ``raw`` may hold backslashes that stand for the byte behind them; false for literals and bare tokens.
  @usableFromInline let mayHaveEscapes: Bool

  /// Whether ``raw`` holds backslashes that stand for the byte behind them. Complexity: O(n).
  public var hasEscapes: Bool { mayHaveEscapes && raw.bytes.hasBackslash(from: 0, to: raw.count) }

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ token: StringToken) {
    raw = ByteView(bytes.extracting(token.range))
    mayHaveEscapes = token.hasEscapes
  }

  @_lifetime(copy bytes)
  @inlinable
  @inline(__always)
  init(_ bytes: Span<UInt8>, _ token: PackedToken) {
    raw = ByteView(bytes.slice(token.range))
    mayHaveEscapes = token.mayHaveEscapes
  }

  /// An owned copy with backslashes resolved. Complexity: O(n), one allocation.
  public func copy() -> [UInt8] {
    if !hasEscapes { return raw.copy() }
    var output: [UInt8] = []
    output.reserveCapacity(raw.count)
    var index = 0
    while index < raw.count {
      if raw.bytes[index] == 0x5c, index + 1 < raw.count { index += 1 }
      output.append(raw.bytes[index])
      index += 1
    }
    return output
  }

  /// The content as text: UTF-8 where valid, else ISO 8859-1.
  public func lossyString() -> String {
    hasEscapes ? copy().span.lossyString() : raw.lossyString()
  }
}

extension Cursor {
  /// The content of `token`, borrowed.
  @_lifetime(copy self)
  func view(_ token: StringToken) -> StringView { StringView(bytes, token) }
}
