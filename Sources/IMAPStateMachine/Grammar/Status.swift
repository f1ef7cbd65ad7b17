/// A status response: condition, response code and text (RFC 9051, section 7.1).
public struct Status: Hashable, Sendable, CustomStringConvertible {
  /// How it went.
  public enum Condition: String, Hashable, Sendable {
    /// Success, or information where untagged.
    case ok = "OK"
    /// Failure, or a warning where untagged.
    case no = "NO"
    /// The command was not understood or not allowed.
    case bad = "BAD"
    /// The server closes the connection.
    case bye = "BYE"
    /// Greeting of a connection that is authenticated already.
    case preauth = "PREAUTH"
  }

  /// How it went.
  public var condition: Condition
  /// The machine-readable part in brackets.
  public var code: ResponseCode?
  /// The text for people; empty where the server sent none.
  public var text: String

  /// A status.
  public init(_ condition: Condition, code: ResponseCode? = nil, _ text: String) {
    self.condition = condition
    self.code = code
    self.text = text
  }

  /// As on the wire, but in one line whatever the text holds: control characters are escaped.
  public var description: String {
    let code = code.map { " [\($0)]" } ?? ""
    return WireLine.escaped("\(condition.rawValue)\(code)\(text.isEmpty ? "" : " ")\(text)")
  }

  /// Whether a FETCH was refused only because some of the messages that it named are gone; of the others the server has told what it was
  /// asked for (RFC 2180, section 4.1.2; RFC 5530, section 3: EXPUNGEISSUED).
  package var saysSomeAreGone: Bool {
    if code == .atom("EXPUNGEISSUED") { return true }
    let words = "no longer exist".utf8
    var rest = Array(text.lowercased().utf8)[...]
    while rest.count >= words.count {
      if rest.starts(with: words) { return true }
      rest.removeFirst()
    }
    return false
  }
}
