import IMAPStateMachine

/// Commands about the connection and who uses it.
extension TestServerSession {
  /// Greets the client. The capabilities are those that hold before anybody has logged in.
  func greet() {
    perform { machine throws(ConnectionError) in
      machine.greet(Status(.ok, code: .capability(capabilities), "Test server ready"))
    }
  }

  /// What the server offers on this connection now (RFC 9051, section 7.2.2). All of it is served.
  var capabilities: [Capability] {
    var list: [Capability] = [.imap4rev1, .literalPlus, .saslIR, .id, .enable]
    if account == nil {
      let isSecure = peer?.isSecure ?? false
      if core.offersStartTLS, !isSecure { list.append(.startTLS) }
      list.append(mayLogIn ? .auth("PLAIN") : .loginDisabled)
    }
    list += [.idle, .namespace, .unselect, .uidPlus, .move, .condStore, Capability("STATUS=SIZE")]
    return list.filter { core.offers($0) }
  }

  /// Handles a whole command.
  func run(_ id: ServerCommandID, _ command: Command) {
    switch command {
    case .capability: finish(id, Status(.ok, "Capability completed"), sending: [.capability(capabilities)])
    case .noop: finish(id, Status(.ok, "NOOP completed"))
    case .logout: finish(id, Status(.ok, "Logout completed"))
    case .id: identify(id)
    case .startTLS: startTLS(id)
    case .login(let user, let password): logIn(id, user: user, password: password)
    case .authenticate(let exchange): authenticate(id, exchange)
    case .enable(let list): enable(id, list)
    default:
      guard let account else { return finish(id, Status(.bad, "Log in first")) }
      run(id, command, account)
    }
  }

  /// The client's answer to the challenge of AUTHENTICATE PLAIN (RFC 4616): authorisation identity, user and password with
  /// NUL between them.
  func authenticate(_ id: ServerCommandID, plain message: Span<UInt8>) {
    var ends: [Int] = []
    for index in message.indices where message[index] == 0 { ends.append(index) }
    guard ends.count == 2, let user = String(validating: message.array(ends[0] + 1..<ends[1]), as: UTF8.self) else {
      return finish(id, Status(.bad, "Not a message of PLAIN"))
    }
    if ends[0] > 0, !message.extracting(0..<ends[0]).matches(message.extracting(ends[0] + 1..<ends[1])) {
      return finish(id, Status(.no, code: .atom("AUTHORIZATIONFAILED"), "Users act for themselves only"))
    }
    logIn(id, user: user, password: Secret(message.array(ends[1] + 1..<message.count)))
  }

  private var mayLogIn: Bool { !core.requiresTLS || peer?.isSecure == true }

  private func identify(_ id: ServerCommandID) {
    if !core.offers(.id) { return refuse(id, "ID") }
    finish(id, Status(.ok, "ID completed"), sending: [.id([IDField("name", "swift-imap-engine test server")])])
  }

  private func startTLS(_ id: ServerCommandID) {
    if !core.offersStartTLS || !core.offers(.startTLS) { return refuse(id, "STARTTLS") }
    finish(id, Status(.ok, "Begin TLS negotiation now"))
  }

  private func enable(_ id: ServerCommandID, _ list: [Capability]) {
    if !core.offers(.enable) { return refuse(id, "ENABLE") }
    let enabled = list.contains(.condStore) && core.offers(.condStore) ? [Capability.condStore] : []
    if !enabled.isEmpty { usesCondStore = true }
    finish(id, Status(.ok, "ENABLE completed"), sending: [.enabled(enabled)])
  }

  private func authenticate(_ id: ServerCommandID, _ exchange: SASLExchange) {
    if exchange.mechanism != "PLAIN" || !core.offers(.auth("PLAIN")) {
      return finish(id, Status(.no, code: .cannot, "Only PLAIN is offered"))
    }
    if !mayLogIn { return refuseWithoutTLS(id) }
    if let response = exchange.initialResponse {
      if !core.offers(.saslIR) { return refuse(id, "SASL-IR") }
      return response.withBytes { authenticate(id, plain: $0) }
    }
    // RFC 4616 has no challenge: an empty one asks for the message.
    let nothing: [UInt8] = []
    perform { machine throws(ConnectionError) in try machine.challenge(id, nothing.span) }
  }

  private func logIn(_ id: ServerCommandID, user: String, password: Secret) {
    if !mayLogIn { return refuseWithoutTLS(id) }
    guard let account = core.store.authenticate(user: user, password: password) else {
      return finish(id, Status(.no, code: .authenticationFailed, "User or password is wrong"))
    }
    self.account = account
    finish(id, Status(.ok, code: .capability(capabilities), "Logged in"))
  }

  private func refuseWithoutTLS(_ id: ServerCommandID) {
    finish(id, Status(.no, code: .atom("PRIVACYREQUIRED"), "Start TLS first"))
  }
}
