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
      list += mayLogIn ? offeredMechanisms.map { .auth($0) } : [.loginDisabled]
    }
    list += [.idle, .namespace, .unselect, .uidPlus, .move, .condStore, Capability("STATUS=SIZE")]
    if account != nil, !isCompressed { list.append(.compressDeflate) }
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
    case .compress: compress(id)
    default:
      guard let account else { return finish(id, Status(.bad, "Log in first")) }
      run(id, command, account)
    }
  }

  /// What the client says in an AUTHENTICATE.
  func authenticate(_ id: ServerCommandID, _ response: Span<UInt8>) {
    guard var exchange else { return finish(id, Status(.bad, "Nothing was asked")) }
    let step = exchange.step(response)
    self.exchange = exchange
    switch step {
    case .challenge(let challenge):
      perform { machine throws(ConnectionError) in try machine.challenge(id, challenge.span) }
    case .success(let user): enter(id, core.store.account(user))
    case .refused(let status):
      self.exchange = nil
      finish(id, status)
    }
  }

  /// Without TLS there is nothing to bind to, and nobody shows a certificate.
  private var offeredMechanisms: [String] {
    let isSecure = peer?.isSecure ?? false
    return core.mechanisms.filter {
      ServerExchange.mechanisms.contains($0) && (isSecure || !$0.hasSuffix("-PLUS"))
        && ($0 != "EXTERNAL" || peer?.peerCommonName != nil) && core.offers(.auth($0))
    }
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

  private func compress(_ id: ServerCommandID) {
    if !core.offers(.compressDeflate) { return refuse(id, "COMPRESS") }
    // RFC 4978, section 3.
    if isCompressed { return finish(id, Status(.no, code: .compressionActive, "COMPRESS is active already")) }
    finish(id, Status(.ok, "DEFLATE active"))
  }

  private func authenticate(_ id: ServerCommandID, _ exchange: SASLExchange) {
    guard offeredMechanisms.contains(exchange.mechanism) else {
      return finish(id, Status(.no, code: .cannot, "This mechanism is not offered"))
    }
    if !mayLogIn { return refuseWithoutTLS(id) }
    let (peer, store) = (peer, core.store)
    self.exchange = ServerExchange(
      exchange.mechanism, offersBinding: offeredMechanisms.contains { $0.hasSuffix("-PLUS") },
      binding: { [weak peer] in peer?.channelBinding($0) },
      external: exchange.mechanism == "EXTERNAL" ? peer?.peerCommonName : nil,
      password: { store.account($0)?.password })
    let challenge = self.exchange?.firstChallenge
    if let response = exchange.initialResponse {
      if !core.offers(.saslIR) { return refuse(id, "SASL-IR") }
      // RFC 4959, section 3.
      if challenge != nil { return finish(id, Status(.bad, "The server speaks first in this mechanism")) }
      return response.withBytes { authenticate(id, $0) }
    }
    // An empty challenge asks a client that speaks first.
    let first = challenge ?? []
    perform { machine throws(ConnectionError) in try machine.challenge(id, first.span) }
  }

  private func logIn(_ id: ServerCommandID, user: String, password: Secret) {
    if !mayLogIn { return refuseWithoutTLS(id) }
    enter(id, core.store.authenticate(user: user, password: password))
  }

  private func enter(_ id: ServerCommandID, _ account: MailAccount?) {
    exchange = nil
    guard let account else { return finish(id, ServerExchange.wrong) }
    self.account = account
    finish(id, Status(.ok, code: .capability(capabilities), "Logged in"))
  }

  private func refuseWithoutTLS(_ id: ServerCommandID) {
    finish(id, Status(.no, code: .privacyRequired, "Start TLS first"))
  }
}
