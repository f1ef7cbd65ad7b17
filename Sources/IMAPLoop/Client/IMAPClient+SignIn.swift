import IMAPStateMachine

/// Logging in.
extension IMAPClient {
  /// Logs in with a password by the strongest way that the server offers; see ``signIn(_:policy:)``.
  @discardableResult
  public func signIn(user: String, password: Secret) async throws(IMAPError) -> SignInMethod {
    try await signIn(.password(user: user, password: password))
  }

  /// Logs in by the strongest way that the server offers for these credentials, and returns which that was: SCRAM before
  /// what sends a password, channel binding where both sides can. A way that fails is not followed by a weaker one, but for
  /// one case: servers do not say which kinds of channel binding they know, and refuse one that they do not know before they
  /// have asked for anything. Then the next kind of `SignInPolicy.channelBindings` is tried, and at last the strongest way
  /// without a binding, if the policy does not require one and TLS has verified that the server is the one that is meant.
  /// Cyrus and others that use its SASL library ask for the proof first. Where they say then that it was the binding, the
  /// only other way that is tried is SCRAM without one, on the same terms; not where the binding was `tls-unique`, which
  /// they do know.
  ///
  /// `policy` is used instead of ``Configuration/signIn``. Throws `.authentication` where there is no way that it allows,
  /// where the server has not proved who it is, and where the server gave a reason for refusing; else as every command does.
  @discardableResult
  public func signIn(
    _ credentials: SignInCredentials, policy: SignInPolicy? = nil
  ) async throws(IMAPError) -> SignInMethod {
    var policy = policy ?? configuration.signIn
    let capabilities: [Capability]
    if let announced = channel.capabilities {
      capabilities = announced
    } else {
      capabilities = try await capability()
    }
    var refusal: IMAPError?
    while true {
      let binding = binding(policy)
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
        // Nothing is left to try: what the server has said tells more than that.
        throw refusal ?? .authentication(error, nil)
      }
      guard let mechanism else {
        if case .password(let user, let password, _) = credentials { try await login(user: user, password: password) }
        return method
      }
      var challenges = 0
      do throws(IMAPError) {
        try await authenticate(mechanism, policy) { challenges += 1 }
        return method
      } catch {
        guard method.bindsChannel, let kind = binding?.kind else { throw error }
        if error.refusesBinding(challenges: challenges) {
          policy.channelBindings.removeAll { $0 == kind }
        } else if error.refusesBindingLate(kind, challenges: challenges) {
          // Each attempt counts as a login that has failed: no other kind is tried. The password stays here.
          policy.channelBindings = []
          policy.excluded.formUnion(Set(SignInMethod.allCases).subtracting([.scramSHA256, .scramSHA1]))
        } else {
          throw error
        }
        let isLast = self.binding(policy) == nil
        if isLast, policy.requiresChannelBinding || !provesServer { throw error }
        refusal = error
      }
    }
  }

  /// The first kind of the policy that the connection has.
  private func binding(_ policy: SignInPolicy) -> ChannelBinding? {
    policy.channelBindings.lazy.compactMap { self.channel.channelBinding($0) }.first
  }

  /// Whether TLS has verified that the server is the one that is meant.
  private var provesServer: Bool {
    channel.isSecure && (try? configuration.tlsContext())?.provesServer == true
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

  /// `whenChallenged` is called at each challenge.
  private func authenticate(
    _ mechanism: some SASLMechanism, _ policy: SignInPolicy, whenChallenged: @escaping () -> Void = {}
  ) async throws(IMAPError) {
    if mechanism.revealsSecret, !channel.isSecure, !policy.allowsPlaintext {
      throw .authentication(.plaintextRefused, nil)
    }
    let conversation: SASLConversation
    do throws(SASLError) { conversation = try SASLConversation(mechanism) } catch { throw .authentication(error, nil) }
    try await run("AUTHENTICATE", .authenticate(conversation.exchange)) { waiter in
      let id = waiter.id
      waiter.conversation = .idle(conversation)
      waiter.onChallenge = { challenge in
        whenChallenged()
        Task { await self.answer(id, challenge) }
      }
    }
    try await compressIfWanted()
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

extension IMAPError {
  /// Whether the server has refused AUTHENTICATE before anything was proved to it, and not for a reason that other mechanisms
  /// would meet, too. Behind a proof it is a wrong password: another attempt would count towards the account's lock.
  fileprivate func refusesBinding(challenges: Int) -> Bool {
    switch self {
    case .refused("AUTHENTICATE", _), .rejected("AUTHENTICATE", _):
      challenges == 0 && (reason == .notAuthenticated || reason == .unspecified)
    // RFC 5802, section 7: the way to say so, in the place of a challenge.
    case .authentication(.server("unsupported-channel-binding-type"), _?),
      .authentication(.server("channel-binding-not-supported"), _?):
      challenges == 1
    default: false
    }
  }

  /// Whether the server has refused AUTHENTICATE behind the proof, for the binding `kind` and not for the password. Cyrus SASL
  /// looks at the binding when it looks at the proof, before it, and gives this reason also where the data differ: that
  /// is all it can be for the one kind that every server knows (RFC 5802, section 6.1).
  fileprivate func refusesBindingLate(_ kind: ChannelBinding.Kind, challenges: Int) -> Bool {
    guard case .refused("AUTHENTICATE", let status) = self, challenges == 1, kind != .tlsUnique else { return false }
    // SASL_BADPROT. A wrong password is `authentication failure`.
    return status.text.contains("bad protocol / cancel")
  }
}
