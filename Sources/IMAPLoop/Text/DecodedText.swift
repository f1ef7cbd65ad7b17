import IMAPStateMachine

/// Decoded text with the charsets of the C library, see ``IMAPStateMachine/CharsetDecoder/system``.
extension Envelope {
  /// The subject as a person reads it: encoded words decoded (RFC 2047), UTF-8 as it is; nil where there is none.
  public var decodedSubject: String? { decodedSubject(charsets: .system) }
}

extension Address {
  /// The name as a person reads it: encoded words decoded (RFC 2047), UTF-8 as it is; nil where there is none.
  public var displayName: String? { displayName(charsets: .system) }

  /// The address as a header field shows it, decoded: `Ada Lovelace <ada@example.org>`.
  public var formatted: String { formatted(charsets: .system) }
}

extension AddressEntry {
  /// The entry as a header field shows it, decoded: `Ada <ada@example.org>`, or `friends: joe@example.org;`.
  public var formatted: String {
    switch self {
    case .address(let address): address.formatted
    case .group(let name, let members):
      "\(EncodedWord.decode(name, charsets: .system)): \(members.map(\.formatted).joined(separator: ", "));"
    }
  }
}
