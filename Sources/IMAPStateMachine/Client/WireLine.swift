/// A line that went over the wire, or a piece of one, as it may be shown to people: without secrets, without the bytes of
/// literals, and cut. ``ClientConnection/Configuration/wireObserver`` gets these.
///
/// What is left out stands as `<redacted>`: the arguments of LOGIN, AUTHENTICATE, URLFETCH and XAPPLEPUSHSERVICE, of APPEND and
/// REPLACE where they name URLs, and of commands that the library does not know; both sides of a SASL exchange, and every
/// continuation request that nothing known asked for; the URLs of GENURLAUTH and URLFETCH responses and of the code BADURL;
/// the text of a BAD that answers LOGIN or AUTHENTICATE; mailbox data meanwhile; and what cannot be read while a command with a
/// secret is in flight.
public struct WireLine: Hashable, Sendable, CustomStringConvertible {
  /// Who sent it.
  public enum Direction: Hashable, Sendable {
    /// The client.
    case sent
    /// The server.
    case received
  }

  /// Who sent it.
  public var direction: Direction
  /// The text without its line end. A literal is `{1234 bytes}`, a control character `\x1b`, and `…` at the end stands for what
  /// was cut.
  public var text: String
  /// Whether the line ends here. A FETCH response comes in pieces, as it is read; the lines that are sent come whole.
  public var endsLine: Bool

  /// Bytes of the wire that one piece shows at the most.
  public static var maximumByteCount: Int { 1000 }

  /// A line or piece.
  public init(_ direction: Direction, _ text: String, endsLine: Bool = true) {
    self.direction = direction
    self.text = text
    self.endsLine = endsLine
  }

  /// `C: ` or `S: ` and the text.
  public var description: String { (direction == .sent ? "C: " : "S: ") + text }
}

extension WireLine {
  /// What stands for a secret.
  static var redacted: String { "<redacted>" }

  /// The text of `bytes`, of which the first `shown` are here. Inside them a line end follows the header of a literal, whose
  /// bytes come next unless one of `holes` is there.
  static func text(
    _ bytes: Span<UInt8>, of count: Int, endsInLiteral: Bool = false, holes: [CommandEncoder.Hole] = [], base: Int = 0
  ) -> String {
    var shown: [UInt8] = []
    var index = 0
    var isCut = bytes.count < count
    while index < bytes.count {
      if shown.count >= maximumByteCount {
        isCut = true
        break
      }
      let feed = bytes.firstLF(from: index)
      var end = min(feed, bytes.count)
      if feed < bytes.count, end > index, bytes[end &- 1] == 0x0d { end &-= 1 }
      let next = min(feed, bytes.count - 1) + 1
      // Only a line end can stand behind a header.
      let isInner = feed < bytes.count && (next < count || endsInLiteral)
      guard isInner, let header = LiteralHeader.atEnd(of: bytes, from: index, to: next) else {
        append(bytes.extracting(index..<end), to: &shown, &isCut)
        if isInner, next < bytes.count { shown.append(0x0a) }
        index = next
        continue
      }
      let brace = index + LiteralHeader.brace(bytes.extracting(index..<end), before: end - index)
      append(bytes.extracting(index..<max(index, brace)), to: &shown, &isCut)
      shown.append(contentsOf: "{\(header.byteCount) bytes}".utf8)
      let isHole = holes.contains { $0.position == base + next }
      if isHole || next >= count {
        index = next
      } else {
        let left = UInt64(count - next)
        index = next + Int(min(header.byteCount, left))
        if index > bytes.count { isCut = true }
      }
    }
    return escaped(shown) + (isCut ? "…" : "")
  }

  private static func append(_ bytes: Span<UInt8>, to shown: inout [UInt8], _ isCut: inout Bool) {
    let count = min(bytes.count, max(0, maximumByteCount - shown.count))
    if count < bytes.count { isCut = true }
    for index in 0..<count { shown.append(bytes[index]) }
  }

  /// UTF-8 as it is, but for control characters: nothing that a terminal or a log obeys.
  package static func escaped(_ bytes: [UInt8]) -> String { escaped(String(decoding: bytes, as: UTF8.self)) }

  /// The same of text. What is escaped already stays as it is.
  package static func escaped(_ text: String) -> String {
    func isControl(_ scalar: Unicode.Scalar) -> Bool {
      scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || scalar.value == 0x2028 || scalar.value == 0x2029
    }
    if !text.unicodeScalars.contains(where: isControl) { return text }
    var output = ""
    for scalar in text.unicodeScalars {
      if isControl(scalar) {
        let digits = String(scalar.value, radix: 16)
        output += scalar.value < 0x10 ? "\\x0\(digits)" : "\\x\(digits)"
      } else {
        output.unicodeScalars.append(scalar)
      }
    }
    return output
  }
}
