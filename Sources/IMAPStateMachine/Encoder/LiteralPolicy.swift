/// Which literals a client may send without waiting for the server (RFC 7888).
enum LiteralPolicy: Hashable, Sendable {
  /// None.
  case synchronizing
  /// Those of at most 4,096 bytes (LITERAL-).
  case upTo4096
  /// All (LITERAL+).
  case nonSynchronizing

  init(_ capabilities: [Capability]) {
    if capabilities.contains(.literalPlus) {
      self = .nonSynchronizing
    } else if capabilities.contains(.literalMinus) || capabilities.contains(.imap4rev2) {
      // RFC 9051, section 4.3: IMAP4rev2 includes LITERAL-.
      self = .upTo4096
    } else {
      self = .synchronizing
    }
  }

  /// Whether a literal of `count` bytes must wait for a continuation request.
  func mustWait(_ count: UInt64) -> Bool {
    switch self {
    case .synchronizing: true
    case .upTo4096: count > 4096
    case .nonSynchronizing: false
    }
  }
}
