import IMAPStateMachine

/// Where the password, or the token in its place, comes from.
enum CredentialSource {
  case password(Secret)
  /// The first line of a file.
  case passwordFile(String)
  /// The first line of standard input.
  case standardInput
  /// The first line of what a command prints.
  case passwordCommand(String)
  /// The same, an access token.
  case tokenCommand(String)
  case refreshToken(OAuth2Refresh)
  /// Nobody has said.
  case prompt

  init(_ layers: [Account.Layer], host: String, user: String, hint: String) throws(Failure) {
    func value(_ key: AccountKey) -> String? { layers.lazy.compactMap { $0.values[key] }.first }
    // What is said first counts: a password stands before a token of a layer below.
    var mayBeToken = true
    for layer in layers {
      if mayBeToken, let isOn = layer.values[.oauth2].flatMap({ AccountKey.boolean($0) }) {
        mayBeToken = false
        if isOn {
          self = try Self.token(value, host: host, hint: hint)
          return
        }
      }
      if mayBeToken, let command = layer.values[.oauth2Command] {
        self = .tokenCommand(command)
        return
      }
      if let command = layer.values[.passwordCommand] {
        self = .passwordCommand(command)
        return
      }
      if let password = layer.values[.password] {
        self = .password(Secret(password))
        return
      }
    }
    self = .prompt
  }

  private static func token(
    _ value: (AccountKey) -> String?, host: String, hint: String
  ) throws(Failure) -> CredentialSource {
    if let command = value(.oauth2Command) { return .tokenCommand(command) }
    let needed: [AccountKey] = [.oauth2ClientID, .oauth2ClientSecret, .oauth2RefreshToken]
    let missing = needed.filter { value($0) == nil }
    let url = value(.oauth2TokenURL) ?? OAuth2Refresh.urls[host.lowercased()]
    guard let id = value(.oauth2ClientID), let secret = value(.oauth2ClientSecret),
      let token = value(.oauth2RefreshToken), let url
    else {
      var lacks: [String] = []
      if !missing.isEmpty {
        lacks.append(
          "oauth2 is on for \(host), but \(missing.map(\.rawValue).joined(separator: ", ")) is missing; write it, or "
            + "oauth2_command, into \(hint)")
      }
      if url == nil {
        lacks.append("nobody knows where \(host) gives out tokens; write oauth2_token_url into \(hint)")
      }
      throw Failure(.configuration, lacks)
    }
    return .refreshToken(
      OAuth2Refresh(url: url, clientID: id, clientSecret: Secret(secret), refreshToken: Secret(token)))
  }

  /// Whether it can be asked again without anybody typing something.
  var isRepeatable: Bool {
    switch self {
    case .password, .passwordFile, .passwordCommand, .tokenCommand, .refreshToken: true
    case .standardInput, .prompt: false
    }
  }

  /// Whether it is an access token.
  var isToken: Bool {
    switch self {
    case .tokenCommand, .refreshToken: true
    case .password, .passwordFile, .standardInput, .passwordCommand, .prompt: false
    }
  }

  /// The server has refused what this gave. Returns whether it may give something better now.
  func refused() -> Bool {
    if case .refreshToken(let refresh) = self { refresh.dropToken() } else { false }
  }

  /// What to log in with.
  func credentials(of account: Account) throws(Failure) -> SignInCredentials {
    let user = account.user
    func helper(_ command: String, _ key: AccountKey) throws(Failure) -> [UInt8] {
      try Helper.secret(command, key, timeout: account.timeout)
    }
    switch self {
    case .password(let password): return .password(user: user, password: password)
    case .passwordFile(let path):
      return .password(user: user, password: Secret(Helper.firstLine(try InputBytes.all(path, "the password file"))))
    case .standardInput:
      guard let line = try InputBytes(nil).line() else {
        throw Failure(.file, "standard input has no line with a password")
      }
      return .password(user: user, password: Secret(line))
    case .passwordCommand(let command):
      return .password(user: user, password: Secret(try helper(command, .passwordCommand)))
    case .tokenCommand(let command):
      return .token(user: user, token: Secret(try helper(command, .oauth2Command)))
    case .refreshToken(let refresh): return .token(user: user, token: try refresh.accessToken())
    case .prompt:
      guard let password = try PasswordPrompt.read("Password of \(user) at \(account.host): ") else {
        throw Failure(
          .usage,
          "no password for \(user) at \(account.host); give --password-file FILE or --password-stdin, or write password_command "
            + "into the configuration file")
      }
      return .password(user: user, password: Secret(password))
    }
  }
}
