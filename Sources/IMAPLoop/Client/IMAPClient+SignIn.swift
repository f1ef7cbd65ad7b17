import IMAPStateMachine

/// Logging in.
extension IMAPClient {
  /// Logs in with a password by the strongest way that the server offers; see ``signIn(_:policy:)``.
  @discardableResult
  public func signIn(user: String, password: Secret) async throws(IMAPError) -> SignInMethod {
    try await signIn(.password(user: user, password: password))
  }

  /// Logs in by the strongest way that the server offers for these credentials, and returns which that was: SCRAM before
  /// what sends a password, channel binding where both sides can. A way that fails is not followed by a weaker one.
  ///
  /// `policy` is used instead of ``Configuration/signIn``. Throws `.authentication` where there is no way that it allows,
  /// where the server has not proved who it is, and where the server gave a reason for refusing; else as every command does.
  @discardableResult
  public func signIn(
    _ credentials: SignInCredentials, policy: SignInPolicy? = nil
  ) async throws(IMAPError) -> SignInMethod {
    let policy = policy ?? configuration.signIn
    let capabilities: [Capability]
    if let announced = channel.capabilities {
      capabilities = announced
    } else {
      capabilities = try await capability()
    }
    let binding = policy.channelBindings.lazy.compactMap { self.channel.channelBinding($0) }.first
    let method: SignInMethod
    let mechanism: (any SASLMechanism)?
    do throws(SASLError) {
      method = try .choose(
        for: credentials, capabilities: capabilities, isSecure: channel.isSecure, canBind: binding != nil,
        policy: policy
      )
      let scramBinding = try method.binding(binding, capabilities: capabilities)
      mechanism = try self.mechanism(method, credentials, scramBinding, policy)
    } catch {
      throw .authentication(error, nil)
    }
    if let mechanism {
      try await authenticate(mechanism, policy)
    } else if case .password(let user, let password, _) = credentials {
      try await login(user: user, password: password)
    }
    return method
  }

  /// AUTHENTICATE (RFC 9051, section 6.2.2) with any mechanism; `SASLCustom` makes one of a function. Its steps are taken
  /// on another thread than the loop's, as they may take long.
  ///
  /// Throws `.authentication` with `.plaintextRefused` where the mechanism reveals a secret, nothing protects the connection
  /// and ``Configuration/signIn`` does not allow that; where the mechanism has given up; and where the server said OK but the
  /// mechanism does not take its word: then the connection is closed. Else as every command does.
  public func authenticate(_ mechanism: some SASLMechanism) async throws(IMAPError) {
    try await authenticate(mechanism, configuration.signIn)
  }

  private func authenticate(_ mechanism: some SASLMechanism, _ policy: SignInPolicy) async throws(IMAPError) {
    if mechanism.revealsSecret, !channel.isSecure, !policy.allowsPlaintext {
      throw .authentication(.plaintextRefused, nil)
    }
    let conversation: SASLConversation
    do throws(SASLError) { conversation = try SASLConversation(mechanism) } catch { throw .authentication(error, nil) }
    try await run("AUTHENTICATE", .authenticate(conversation.exchange)) { waiter in
      let id = waiter.id
      waiter.conversation = .idle(conversation)
      waiter.onChallenge = { challenge in Task { await self.answer(id, challenge) } }
    }
  }

  /// Answers a challenge of the AUTHENTICATE `id`.
  private func answer(_ id: CommandID, _ challenge: [UInt8]?) async {
    guard case .idle(let conversation)? = session.waiter(of: id)?.conversation else { return }
    session.waiter(of: id)?.conversation = .computing
    let (next, answer) = await Self.compute(conversation, challenge)
    // Meanwhile the server may have ended it.
    guard let waiter = session.waiter(of: id) else { return }
    waiter.conversation = .idle(next)
    if let answer {
      // Refused only where the command is over, which completes it anyway.
      answer.withBytes { try? channel.answer(id, challenge: $0) }
    } else {
      try? channel.cancelAuthentication(id)
    }
  }

  /// A million iterations take half a second: the loop has other connections to serve.
  @concurrent
  private static func compute(
    _ conversation: SASLConversation, _ challenge: [UInt8]?
  ) async -> (SASLConversation, Secret?) {
    var conversation = conversation
    let answer = conversation.answer(challenge)
    return (conversation, answer)
  }

  /// Nil is the command LOGIN.
  private func mechanism(
    _ method: SignInMethod, _ credentials: SignInCredentials, _ binding: SASLSCRAM.Binding, _ policy: SignInPolicy
  ) throws(SASLError) -> (any SASLMechanism)? {
    switch credentials {
    case .password(let user, let password, let identity):
      switch method {
      case .scramSHA256Plus, .scramSHA256, .scramSHA1Plus, .scramSHA1:
        guard let nonce = OpenSSLHashes.random(Self.nonceSize) else { throw .credential(.nonce, .empty) }
        return try SASLSCRAM(
          method == .scramSHA256Plus || method == .scramSHA256 ? .sha256 : .sha1, authorizationID: identity, user: user,
          password: password, nonce: nonce, binding: binding, iterations: policy.iterations, hashes: OpenSSLHashes())
      case .cramMD5: return try SASLCRAMMD5(user: user, password: password, hashes: OpenSSLHashes())
      case .login: return try SASLLogin(user: user, password: password)
      case .loginCommand: return nil
      case .plain, .oauthBearer, .xoauth2, .external, .anonymous:
        return try SASLPlain(authorizationID: identity, user: user, password: password)
      }
    case .token(let user, let token):
      if method == .xoauth2 { return try SASLXOAuth2(user: user, token: token) }
      return try SASLOAuthBearer(user: user, token: token, host: configuration.host, port: configuration.effectivePort)
    case .external(let identity): return try SASLExternal(authorizationID: identity)
    case .anonymous(let trace): return try SASLAnonymous(trace: trace)
    }
  }

  /// Bytes of randomness in a nonce: no two are ever the same.
  private static let nonceSize = 24
}
