/// Who logs in, and by what.
public enum SignInCredentials: Sendable {
  /// A password. `authorizationID` is whom to act as; empty is `user`.
  case password(user: String, password: Secret, authorizationID: String = "")
  /// An OAuth 2.0 access token.
  case token(user: String, token: Secret)
  /// Something outside, like a TLS client certificate.
  case external(authorizationID: String = "")
  /// Nobody; `trace` is for the server's log.
  case anonymous(trace: String = "")
}

/// What a client does to log in, and what it does not.
public struct SignInPolicy: Hashable, Sendable {
  /// Whether passwords and tokens may be sent over a connection that nothing protects. Everybody on the way can read them.
  public var allowsPlaintext = false
  /// Whether a password is only used with SCRAM that is bound to the TLS connection. Without this a server may refuse the binding,
  /// and so may somebody in between whose certificate is trusted.
  public var requiresChannelBinding = false
  /// Channel bindings that may be used, the best first. Servers do not announce which they know. The defaults start with what
  /// servers must know (RFC 5802, section 6.1; RFC 9266, section 3): `tls-unique` below TLS 1.3, `tls-exporter` from there on.
  public var channelBindings: [ChannelBinding.Kind] = [.tlsUnique, .tlsExporter, .tlsServerEndPoint]
  /// Iterations of SCRAM that are accepted; see ``SASLSCRAM/defaultIterations``.
  public var iterations = SASLSCRAM.defaultIterations
  /// Ways that are never used.
  public var excluded: Set<SignInMethod> = []

  /// The defaults: nothing in the clear, and channel binding where both sides can.
  public init() {}
}

/// A way to log in.
public enum SignInMethod: String, Hashable, Sendable, CaseIterable, CustomStringConvertible {
  /// SCRAM, bound to the TLS connection (RFC 7677, RFC 5802).
  case scramSHA256Plus = "SCRAM-SHA-256-PLUS"
  /// SCRAM, bound to the TLS connection (RFC 5802).
  case scramSHA1Plus = "SCRAM-SHA-1-PLUS"
  /// SCRAM (RFC 7677).
  case scramSHA256 = "SCRAM-SHA-256"
  /// SCRAM (RFC 5802).
  case scramSHA1 = "SCRAM-SHA-1"
  /// A keyed hash of a challenge (RFC 2195).
  case cramMD5 = "CRAM-MD5"
  /// User name and password as they are (RFC 4616).
  case plain = "PLAIN"
  /// User name and password one after the other, as they are. No RFC has it.
  case login = "LOGIN"
  /// The command LOGIN (RFC 9051, section 6.2.3), which is no mechanism.
  case loginCommand = "LOGIN command"
  /// An access token (RFC 7628).
  case oauthBearer = "OAUTHBEARER"
  /// An access token, as Google and Microsoft have it.
  case xoauth2 = "XOAUTH2"
  /// Who the user is comes from below, for example from a client certificate (RFC 4422, appendix A).
  case external = "EXTERNAL"
  /// Anybody (RFC 4505).
  case anonymous = "ANONYMOUS"

  /// Whether who reads the connection learns something that lets him log in later.
  public var revealsSecret: Bool {
    switch self {
    case .plain, .login, .loginCommand, .oauthBearer, .xoauth2: true
    case .scramSHA256Plus, .scramSHA1Plus, .scramSHA256, .scramSHA1, .cramMD5, .external, .anonymous: false
    }
  }

  /// Whether it proves something of the TLS connection.
  public var bindsChannel: Bool { self == .scramSHA256Plus || self == .scramSHA1Plus }

  /// The name as the server announces it.
  public var description: String { rawValue }

  /// The strongest way that the server, these credentials and `policy` have in common.
  ///
  /// - Passwords: SCRAM with channel binding, SCRAM, then PLAIN, LOGIN, CRAM-MD5 and the command LOGIN. CRAM-MD5 comes
  ///   before PLAIN where nothing protects the connection. Below TLS it gains nothing, fails where a server does not keep
  ///   passwords as they are, and proves nothing of the server.
  /// - Tokens: OAUTHBEARER, then XOAUTH2.
  ///
  /// `isSecure` says whether TLS protects the connection, `canBind` whether it has data for channel binding. Throws
  /// `.plaintextRefused` where there were only ways that `policy` forbids because nothing protects the connection,
  /// `.channelBindingUnavailable` where `policy` wants a binding and there is none, else `.noMechanism`.
  public static func choose(
    for credentials: SignInCredentials, capabilities: [Capability], isSecure: Bool, canBind: Bool, policy: SignInPolicy
  ) throws(SASLError) -> SignInMethod {
    let loginDisabled = capabilities.contains(.loginDisabled)
    var isRefused = false
    var lacksBinding = false
    for method in order(for: credentials, isSecure: isSecure) where !policy.excluded.contains(method) {
      if method == .loginCommand {
        // It has no authorisation identity.
        if case .password(_, _, let identity) = credentials, !identity.isEmpty { continue }
        if loginDisabled { continue }
      } else if !capabilities.contains(.auth(method.rawValue)) {
        continue
      }
      if policy.requiresChannelBinding, case .password = credentials, !method.bindsChannel {
        lacksBinding = true
      } else if method.bindsChannel, !canBind || policy.channelBindings.isEmpty {
        lacksBinding = policy.requiresChannelBinding
      } else if method.revealsSecret, !isSecure, !policy.allowsPlaintext {
        isRefused = true
      } else {
        return method
      }
    }
    if lacksBinding { throw .channelBindingUnavailable }
    throw isRefused ? .plaintextRefused : .noMechanism(loginDisabled: loginDisabled)
  }

  /// What SCRAM must say of channel binding (RFC 5802, section 6), where `binding` is what the connection has.
  public func binding(_ binding: ChannelBinding?, capabilities: [Capability]) throws(SASLError) -> SASLSCRAM.Binding {
    if bindsChannel {
      guard let binding else { throw .channelBindingUnavailable }
      return .bound(binding)
    }
    // "y" tells the server that no -PLUS was seen. It must not be said where one was, and was passed over on purpose. Names
    // that are not known here count for nothing: somebody on the way could add them to get rid of the "y".
    let isOffered = [Self.scramSHA256Plus, .scramSHA1Plus].contains { capabilities.contains(.auth($0.rawValue)) }
    return binding == nil || isOffered ? .unsupported : .notOffered
  }

  private static func order(for credentials: SignInCredentials, isSecure: Bool) -> [SignInMethod] {
    switch credentials {
    case .password where isSecure:
      [.scramSHA256Plus, .scramSHA1Plus, .scramSHA256, .scramSHA1, .plain, .login, .cramMD5, .loginCommand]
    case .password:
      [.scramSHA256Plus, .scramSHA1Plus, .scramSHA256, .scramSHA1, .cramMD5, .plain, .login, .loginCommand]
    case .token: [.oauthBearer, .xoauth2]
    case .external: [.external]
    case .anonymous: [.anonymous]
    }
  }
}
