/// What the addresses of an ENVELOPE say to a person.
extension Address {
  /// The name as a person reads it: encoded words decoded (RFC 2047), UTF-8 as it is; nil where there is none.
  public func displayName(charsets: CharsetDecoder) -> String? {
    name.map { EncodedWord.decode($0, charsets: charsets) }
  }

  /// The address as mail is sent to it, `mailbox@host`, the mailbox in quotes where it needs them (RFC 5322, section 3.4.1).
  /// Nil where one of the two is missing, as in what starts and ends a group.
  public var email: String? {
    guard let mailbox, let host else { return nil }
    let local = EncodedWord.withoutControls(CharsetDecoder.unlabelled(mailbox))
    let domain = EncodedWord.withoutControls(CharsetDecoder.unlabelled(host))
    return "\(Self.isDotAtom(mailbox) ? local : quotedString(local))@\(domain)"
  }

  /// The address as a header field shows it, decoded: `Ada Lovelace <ada@example.org>`.
  public func formatted(charsets: CharsetDecoder) -> String {
    let email = email ?? mailbox.map { EncodedWord.withoutControls(CharsetDecoder.unlabelled($0)) } ?? ""
    guard let name = displayName(charsets: charsets), !name.isEmpty else { return email }
    // RFC 5322, section 3.2.3: what these stand in is quoted.
    let isQuoted = name.contains { "()<>[]:;@\\,.\"".contains($0) }
    return "\(isQuoted ? quotedString(name) : name) <\(email)>"
  }

  private static func isDotAtom(_ bytes: [UInt8]) -> Bool {
    let dot = UInt8(ascii: ".")
    guard !bytes.isEmpty, bytes.first != dot, bytes.last != dot else { return false }
    var previous: UInt8 = 0
    for byte in bytes {
      if byte == dot, previous == dot { return false }
      previous = byte
      switch byte {
      case 0...0x20, 0x7f: return false
      case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "["),
        UInt8(ascii: "]"), UInt8(ascii: ":"), UInt8(ascii: ";"), UInt8(ascii: "@"), UInt8(ascii: "\\"),
        UInt8(ascii: ","), UInt8(ascii: "\""):
        return false
      default: break
      }
    }
    return true
  }
}

/// An address, or a group of them (RFC 5322, section 3.4).
public enum AddressEntry: Hashable, Sendable {
  /// One address.
  case address(Address)
  /// A group, which may be empty, with its name as it was written.
  case group(name: [UInt8], [Address])

  /// The addresses of the entry.
  public var addresses: [Address] {
    switch self {
    case .address(let address): [address]
    case .group(_, let members): members
    }
  }
}

extension [Address] {
  /// The list with its groups (RFC 9051, section 7.5.2: an address without a host starts a group that has the name of its
  /// mailbox; one without either ends it). A group that nothing ends goes on to the next or to the end. Complexity: O(n).
  public var entries: [AddressEntry] {
    var entries: [AddressEntry] = []
    var group: (name: [UInt8], members: [Address])?
    func close() {
      if let open = group { entries.append(.group(name: open.name, open.members)) }
      group = nil
    }
    for address in self {
      if address.host != nil {
        if group == nil { entries.append(.address(address)) } else { group?.members.append(address) }
      } else {
        close()
        if let name = address.mailbox { group = (name, []) }
      }
    }
    close()
    return entries
  }
}

extension Envelope {
  /// The subject as a person reads it: encoded words decoded (RFC 2047), UTF-8 as it is; nil where there is none.
  public func decodedSubject(charsets: CharsetDecoder) -> String? {
    subject.map { EncodedWord.decode($0, charsets: charsets) }
  }
}
