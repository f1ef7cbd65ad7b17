import IMAPLoop
import IMAPStateMachine

/// The server's side of one AUTHENTICATE.
struct ServerExchange {
  /// What comes next.
  enum Step {
    /// The client is asked this.
    case challenge([UInt8])
    /// The user is who he says.
    case success(user: String)
    /// It is over.
    case refused(Status)
  }

  /// The mechanisms that the server has.
  static let mechanisms: Set<String> = [
    "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS",
    "OAUTHBEARER", "XOAUTH2", "EXTERNAL",
  ]

  private enum State {
    case plain
    case login(user: String?)
    case cramMD5(challenge: [UInt8])
    case scram(SCRAMServer)
    case bearer(isXOAUTH2: Bool)
    case external(user: String?)
    /// Whatever the client answers, this is the end.
    case ending(Status)
  }

  /// The password of a user.
  let password: (String) -> Secret?
  private var state: State

  /// Nil where there is no such mechanism. `offersBinding` says whether the client may bind the exchange to the connection,
  /// whose data `binding` returns. `external` is whom the client's certificate says he is.
  init?(
    _ mechanism: String, offersBinding: Bool, binding: @escaping (ChannelBinding.Kind) -> ChannelBinding?,
    external: String? = nil, password: @escaping (String) -> Secret?
  ) {
    self.password = password
    switch mechanism {
    case "PLAIN": state = .plain
    case "LOGIN": state = .login(user: nil)
    case "CRAM-MD5":
      state = .cramMD5(challenge: Array("<\(UInt64.random(in: 0...(.max))).1@localhost>".utf8))
    case "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS":
      state = .scram(
        SCRAMServer(
          mechanism.hasPrefix("SCRAM-SHA-256") ? .sha256 : .sha1, isPlus: mechanism.hasSuffix("-PLUS"),
          offersBinding: offersBinding, binding: binding))
    case "OAUTHBEARER", "XOAUTH2": state = .bearer(isXOAUTH2: mechanism == "XOAUTH2")
    case "EXTERNAL": state = .external(user: external)
    default: return nil
    }
  }

  /// What the client is asked first; nil where it speaks first.
  var firstChallenge: [UInt8]? {
    switch state {
    case .login: Array("Username:".utf8)
    case .cramMD5(let challenge): challenge
    case .plain, .scram, .bearer, .external, .ending: nil
    }
  }

  /// Takes what the client says.
  mutating func step(_ response: Span<UInt8>) -> Step {
    switch state {
    case .plain: return plain(response)
    case .login(nil):
      guard let user = text(response) else { return malformed }
      state = .login(user: user)
      return .challenge(Array("Password:".utf8))
    case .login(let user?): return check(user, Secret(response.array(0..<response.count)))
    case .cramMD5(let challenge): return cramMD5(response, challenge)
    case .scram(var scram):
      let step = scram.step(response, password: password)
      state = .scram(scram)
      return step
    case .bearer(let isXOAUTH2): return bearer(response, isXOAUTH2)
    case .external(let user): return external(response, user)
    case .ending(let status): return .refused(status)
    }
  }

  static let wrong = Status(.no, code: .authenticationFailed, "User or password is wrong")

  private var malformed: Step { .refused(Status(.bad, "Not a message of this mechanism")) }

  private func text(_ bytes: Span<UInt8>) -> String? { String(validating: bytes.array(0..<bytes.count), as: UTF8.self) }

  private func check(_ user: String, _ password: Secret) -> Step {
    self.password(user) == password ? .success(user: user) : .refused(Self.wrong)
  }

  /// RFC 4616: authorisation identity, user and password with NUL between them.
  private func plain(_ message: Span<UInt8>) -> Step {
    var ends: [Int] = []
    for index in message.indices where message[index] == 0 { ends.append(index) }
    guard ends.count == 2, let user = String(validating: message.array(ends[0] + 1..<ends[1]), as: UTF8.self) else {
      return .refused(Status(.bad, "Not a message of PLAIN"))
    }
    if ends[0] > 0, !message.extracting(0..<ends[0]).matches(message.extracting(ends[0] + 1..<ends[1])) {
      return .refused(Status(.no, code: .authorizationFailed, "Users act for themselves only"))
    }
    return check(user, Secret(message.array(ends[1] + 1..<message.count)))
  }

  /// RFC 2195, section 2.
  private func cramMD5(_ response: Span<UInt8>, _ challenge: [UInt8]) -> Step {
    guard let text = text(response), let space = text.lastIndex(of: " ") else { return malformed }
    let user = String(text[..<space])
    guard let password = password(user),
      let digest = password.withBytes({ OpenSSLHashes().hmac(.md5, key: $0, challenge.span) })
    else { return .refused(Self.wrong) }
    let expected = digest.withBytes { bytes in
      bytes.indices.map { (bytes[$0] < 16 ? "0" : "") + String(bytes[$0], radix: 16) }.joined()
    }
    return text[text.index(after: space)...] == expected ? .success(user: user) : .refused(Self.wrong)
  }

  /// RFC 4422, appendix A: the client may say whom to act as.
  private func external(_ response: Span<UInt8>, _ user: String?) -> Step {
    guard let wanted = text(response) else { return malformed }
    guard let user, password(user) != nil else {
      return .refused(Status(.no, code: .authenticationFailed, "No certificate says who you are"))
    }
    if !wanted.isEmpty, wanted != user {
      return .refused(Status(.no, code: .authorizationFailed, "Users act for themselves only"))
    }
    return .success(user: user)
  }

  /// RFC 7628, section 3.1, and XOAUTH2. A user's token is his password.
  private mutating func bearer(_ response: Span<UInt8>, _ isXOAUTH2: Bool) -> Step {
    guard let text = text(response) else { return malformed }
    let fields = text.split(separator: "\u{1}", omittingEmptySubsequences: false)
    let token = fields.first { $0.hasPrefix("auth=Bearer ") }?.dropFirst(12)
    let user: Substring? =
      isXOAUTH2
      ? fields.first { $0.hasPrefix("user=") }?.dropFirst(5)
      : fields[0].split(separator: ",").first { $0.hasPrefix("a=") }?.dropFirst(2)
    guard let token, let user, fields.suffix(2) == ["", ""] else { return malformed }
    if !isXOAUTH2, !fields.contains(where: { $0.hasPrefix("host=") }) { return malformed }
    let name = SCRAMServer.unescaped(user)
    if password(name) == Secret(String(token)) { return .success(user: name) }
    state = .ending(Self.wrong)
    let status = isXOAUTH2 ? "400" : "invalid_token"
    return .challenge(Array(#"{"status":"\#(status)","schemes":"bearer","scope":"mail"}"#.utf8))
  }
}
