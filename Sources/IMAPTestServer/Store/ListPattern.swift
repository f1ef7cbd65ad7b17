/// A LIST pattern: `*` matches anything, `%` anything but the hierarchy delimiter (RFC 9051, section 6.3.9).
struct ListPattern {
  private enum Element: Equatable {
    case byte(UInt8)
    case any
    case level
  }

  private let elements: [Element]
  private let delimiter: UInt8

  /// The pattern `bytes`, as on the wire.
  init(_ bytes: [UInt8], delimiter: UInt8) {
    var elements: [Element] = []
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "*"):
        // Of neighbouring wildcards with a `*` among them only that counts.
        while elements.last == .level { elements.removeLast() }
        if elements.last != .any { elements.append(.any) }
      case UInt8(ascii: "%"): if elements.last != .level, elements.last != .any { elements.append(.level) }
      default: elements.append(.byte(byte))
      }
    }
    self.elements = elements
    self.delimiter = delimiter
  }

  /// Whether the pattern matches all of `name`. With `ignoringCase` ASCII letters compare without case, for INBOX.
  /// Complexity: O(name x pattern), without recursion.
  func matches(_ name: [UInt8], ignoringCase: Bool = false) -> Bool {
    // reached[i]: the elements before i match the bytes so far.
    var reached = [Bool](repeating: false, count: elements.count + 1)
    reached[0] = true
    skipWildcards(&reached)
    for byte in name {
      var next = [Bool](repeating: false, count: elements.count + 1)
      var isAlive = false
      for index in elements.indices where reached[index] {
        switch elements[index] {
        case .byte(let wanted):
          if wanted == byte || (ignoringCase && wanted.lowercasedASCII == byte.lowercasedASCII) {
            next[index + 1] = true
            isAlive = true
          }
        case .any:
          next[index] = true
          isAlive = true
        case .level:
          if byte != delimiter {
            next[index] = true
            isAlive = true
          }
        }
      }
      if !isAlive { return false }
      skipWildcards(&next)
      reached = next
    }
    return reached[elements.count]
  }

  /// A wildcard may match nothing.
  private func skipWildcards(_ reached: inout [Bool]) {
    for index in elements.indices where reached[index] && (elements[index] == .any || elements[index] == .level) {
      reached[index + 1] = true
    }
  }
}
