/// Borrowed bytes of an event: valid while the buffer that they came from is not mutated, which the compiler checks.
public struct ByteView: ~Escapable {
  /// The bytes as they were on the wire.
  public let bytes: Span<UInt8>

  /// Wraps `bytes`. Complexity: O(1).
  @_lifetime(copy bytes)
  @inlinable
  @inline(__always)
  public init(_ bytes: Span<UInt8>) { self.bytes = bytes }

  /// How many bytes there are.
  @inlinable public var count: Int { bytes.count }

  /// Whether there are none.
  @inlinable public var isEmpty: Bool { bytes.isEmpty }

  /// An owned copy. Complexity: O(n), one allocation.
  public func copy() -> [UInt8] { bytes.copy() }

  /// The bytes as text where they are valid UTF-8, else nil. Complexity: O(n).
  public func string() -> String? { bytes.utf8String() }

  /// The bytes as text: UTF-8 where valid, else ISO 8859-1, which maps every byte. Complexity: O(n).
  public func lossyString() -> String { bytes.lossyString() }

  /// As ``lossyString()``, a to z made A to Z.
  func uppercasedString() -> String { bytes.uppercasedString() }

  /// Whether the bytes are `text`, ASCII letters compared without case (RFC 3501, section 9, note 1).
  public func equalsIgnoringCase(_ text: StaticString) -> Bool { bytes.equalsIgnoringCase(text) }

  @_lifetime(copy self)
  func slice(_ range: Range<Int>) -> ByteView { ByteView(bytes.extracting(range)) }
}

extension Span where Element == UInt8 {
  /// The bytes from `start` to `end`; none where those do not lie inside.
  @_lifetime(copy self)
  @inlinable
  @inline(__always)
  func slice(from start: Int, to end: Int) -> Span<UInt8> {
    let length = end &- start
    if start < 0 || length <= 0 || end > count { return Span() }
    // Not by `extracting(unchecked:)`, which looks whether there is a base each time.
    // Safe: `0 <= start < end <= count`, so that there is one.
    let first = unsafe withUnsafeBufferPointer { unsafe $0.baseAddress.unsafelyUnwrapped + start }
    return unsafe _overrideLifetime(Span(_unsafeStart: first, count: length), copying: self)
  }

  /// An owned copy. Complexity: O(n), one allocation.
  func copy() -> [UInt8] {
    // Not by `init(unsafeUninitializedCapacity:)`, which is not specialised and looks up metadata each time.
    unsafe withUnsafeBufferPointer { unsafe Array($0) }
  }

  /// The bytes as text where they are valid UTF-8.
  func utf8String() -> String? {
    guard let text = try? UTF8Span(validating: self) else { return nil }
    return String(copying: text)
  }

  /// UTF-8 where valid, else ISO 8859-1. Servers send 8-bit text in places where the grammar allows none.
  func lossyString() -> String {
    if let text = utf8String() { return text }
    var size = count
    for index in indices where self[index] >= 0x80 { size += 1 }
    return unsafe String(unsafeUninitializedCapacity: size) { target in
      var end = 0
      for index in indices {
        // Safe: one byte for each of ASCII and two for each other, as counted.
        let byte = self[index]
        if byte >= 0x80 {
          unsafe target.initializeElement(at: end, to: 0xc0 | byte >> 6)
          end += 1
        }
        unsafe target.initializeElement(at: end, to: byte < 0x80 ? byte : 0x80 | byte & 0x3f)
        end += 1
      }
      return end
    }
  }

  /// As ``lossyString()``, a to z made A to Z. One allocation for what is ASCII.
  func uppercasedString() -> String {
    for index in indices where self[index] >= 0x80 { return asciiUppercased(lossyString()) }
    return unsafe String(unsafeUninitializedCapacity: count) { target in
      // Safe: there is room for as many bytes as there are.
      for index in indices { unsafe target.initializeElement(at: index, to: asciiUppercased(self[index])) }
      return count
    }
  }

  func equalsIgnoringCase(_ text: StaticString) -> Bool {
    if count != text.utf8CodeUnitCount { return false }
    for index in indices {
      // Safe: `index` is below the length of a static string, whose bytes never go away.
      let other = unsafe text.utf8Start[index]
      if asciiUppercased(self[index]) != asciiUppercased(other) { return false }
    }
    return true
  }

  func startsIgnoringCase(_ text: StaticString) -> Bool {
    count >= text.utf8CodeUnitCount && extracting(first: text.utf8CodeUnitCount).equalsIgnoringCase(text)
  }

  func equals(_ other: [UInt8]) -> Bool {
    if count != other.count { return false }
    let other = other.span
    var index = 0
    while index < count {
      if paddedWord(at: index) != other.paddedWord(at: index) { return false }
      index &+= 8
    }
    return true
  }
}

/// `byte` with a to z made A to Z. No locale takes part: RFC 3501 means ASCII.
@inline(__always)
func asciiUppercased(_ byte: UInt8) -> UInt8 { byte &- 0x61 < 26 ? byte &- 0x20 : byte }
