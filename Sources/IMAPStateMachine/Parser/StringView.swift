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
    raw = ByteView(bytes.slice(from: token.lowerBound, to: token.upperBound))
    mayHaveEscapes = token.mayHaveEscapes
  }

  /// An owned copy with backslashes resolved. Complexity: O(n), one allocation.
  public func copy() -> [UInt8] {
    if !hasEscapes { return raw.copy() }
    var output: [UInt8] = []
    output.reserveCapacity(raw.count)
    forEachByte { output.append($0) }
    return output
  }

  /// Whether the content with backslashes resolved is `text`, ASCII letters compared without case. Complexity: O(n).
  func equalsIgnoringCase(_ text: StaticString) -> Bool {
    if !hasEscapes { return raw.equalsIgnoringCase(text) }
    var index = 0
    var matched = 0
    while index < raw.count {
      if raw.bytes[index] == 0x5c, index + 1 < raw.count { index += 1 }
      guard matched < text.utf8CodeUnitCount else { return false }
      // Safe: `matched` is below the length of a static string, whose bytes never go away.
      let other = unsafe text.utf8Start[matched]
      if asciiUppercased(raw.bytes[index]) != asciiUppercased(other) { return false }
      index += 1
      matched += 1
    }
    return matched == text.utf8CodeUnitCount
  }

  /// The content as text: UTF-8 where valid, else ISO 8859-1.
  public func lossyString() -> String {
    if !hasEscapes { return raw.lossyString() }
    // What is UTF-8 with its backslashes is UTF-8 without them.
    guard (try? UTF8Span(validating: raw.bytes)) != nil else { return copy().span.lossyString() }
    var count = 0
    forEachByte { _ in count += 1 }
    return unsafe String(unsafeUninitializedCapacity: count) { target in
      var end = 0
      forEachByte { byte in
        // Safe: as many bytes as were counted.
        unsafe target.initializeElement(at: end, to: byte)
        end += 1
      }
      return end
    }
  }

  /// As ``lossyString()``, a to z made A to Z.
  func uppercasedString() -> String { hasEscapes ? asciiUppercased(lossyString()) : raw.uppercasedString() }

  /// The bytes with backslashes resolved.
  private func forEachByte(_ body: (UInt8) -> Void) {
    var index = 0
    while index < raw.count {
      if raw.bytes[index] == 0x5c, index + 1 < raw.count { index += 1 }
      body(raw.bytes[index])
      index += 1
    }
  }
}

extension Cursor {
  /// The content of `token`, borrowed.
  @_lifetime(copy self)
  func view(_ token: StringToken) -> StringView { StringView(bytes, token) }
}
