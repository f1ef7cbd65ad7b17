/// What the texts of a search can be written in (RFC 9051, section 6.4.4), each able to hold what those before it can.
enum SearchCharset: Comparable {
  case ascii
  case latin1
  case utf8

  /// The charset of this name, by what IANA or servers call it; nil for one that nothing is written in.
  init?(named name: String) {
    switch asciiUppercased(name) {
    case "US-ASCII", "ASCII", "US", "ANSI_X3.4-1968", "ISO646-US": self = .ascii
    case "ISO-8859-1", "ISO_8859-1", "ISO_8859-1:1987", "ISO8859-1", "LATIN1", "L1": self = .latin1
    case "UTF-8", "UTF8": self = .utf8
    default: return nil
    }
  }

  /// The first that holds all texts of `key`.
  init(holding key: SearchKey) {
    self = .ascii
    // By an explicit stack: nesting is checked when the key is written.
    var pending = [key]
    while self < .utf8, let key = pending.popLast() {
      switch key {
      case .and(let keys): pending += keys
      case .or(let left, let right): pending += [left, right]
      case .not(let inner), .fuzzy(let inner): pending.append(inner)
      case .bcc(let text), .cc(let text), .from(let text), .to(let text), .subject(let text), .body(let text),
        .text(let text), .gmailRaw(let text):
        self = max(self, Self(holding: text))
      case .header(let name, let text): self = max(self, Self(holding: name), Self(holding: text))
      // These are bytes, and are written as they are.
      case .annotation(_, _, let value?): if value.contains(where: { $0 >= 0x80 }) { self = .utf8 }
      case .gmailLabel(let label): if label.bytes.contains(where: { $0 >= 0x80 }) { self = .utf8 }
      case .other(_, let arguments): if CommandArgument.list(arguments).contents.isOutsideASCII { self = .utf8 }
      default: break
      }
    }
  }

  private init(holding text: String) {
    self = .ascii
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return }
    self = text.unicodeScalars.allSatisfy { $0.value < 0x100 } ? .latin1 : .utf8
  }

  /// `text` in this charset; nil where it does not fit.
  func bytes(of text: String) -> [UInt8]? {
    if self == .utf8 { return Array(text.utf8) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    let end: UInt32 = self == .ascii ? 0x80 : 0x100
    for scalar in text.unicodeScalars {
      if scalar.value >= end { return nil }
      bytes.append(UInt8(truncatingIfNeeded: scalar.value))
    }
    return bytes
  }
}
