import Foundation
import IMAPStateMachine

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

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
    guard let id = value(.oauth2ClientID), let secret = value(.oauth2ClientSecret),
      let token = value(.oauth2RefreshToken)
    else {
      throw Failure(
        .configuration,
        "oauth2 is on for \(host), but \(missing.map(\.rawValue).joined(separator: ", ")) is missing; write it, or "
          + "oauth2_command, into \(hint)")
    }
    guard let url = value(.oauth2TokenURL) ?? OAuth2Refresh.urls[host.lowercased()] else {
      throw Failure(
        .configuration, "nobody knows where \(host) gives out tokens; write oauth2_token_url into \(hint)")
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

  /// The server has refused what this gave. Returns whether it may give something better now.
  func refused() -> Bool {
    if case .refreshToken(let refresh) = self { refresh.dropToken() } else { false }
  }

  /// What to log in with.
  func credentials(of account: Account) throws(Failure) -> SignInCredentials {
    let user = account.user
    switch self {
    case .password(let password): return .password(user: user, password: password)
    case .passwordFile(let path):
      guard let data = FileManager.default.contents(atPath: path) else {
        throw Failure(.file, "cannot read the password file \(path)")
      }
      return .password(user: user, password: Secret(Self.firstLine(data)))
    case .standardInput:
      guard let line = readLine(strippingNewline: true) else {
        throw Failure(.file, "standard input has no line with a password")
      }
      return .password(user: user, password: Secret(line))
    case .passwordCommand(let command):
      return .password(user: user, password: Secret(try Self.run(command, "password_command")))
    case .tokenCommand(let command):
      return .token(user: user, token: Secret(try Self.run(command, "oauth2_command")))
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

  /// The first line that a helper prints. It runs in this program's process group, so that it may ask on the terminal.
  private static func run(_ command: String, _ key: String) throws(Failure) -> [UInt8] {
    // What comes on standard input is not for it.
    let text = isatty(STDIN_FILENO) == 1 ? command : "exec </dev/null\n" + command
    // It would inherit that this program ignores it.
    signal(SIGPIPE, SIG_DFL)
    defer { signal(SIGPIPE, SIG_IGN) }
    guard let pipe = unsafe popen(text, "r") else { throw Failure(.file, "cannot run the \(key)") }
    var output: [UInt8] = []
    while output.count <= mostBytes {
      let byte = unsafe getc(pipe)
      if byte < 0 { break }
      output.append(UInt8(truncatingIfNeeded: byte))
    }
    let status = unsafe pclose(pipe)
    if status != 0 {
      let code = status & 0x7f == 0 ? "exit status \(status >> 8 & 0xff)" : "signal \(status & 0x7f)"
      throw Failure(.credentials, "the \(key) ended with \(code); run it in a shell to see why")
    }
    let line = firstLine(Data(output))
    if line.isEmpty { throw Failure(.credentials, "the \(key) printed nothing; its first line has to be the secret") }
    return line
  }

  private static func firstLine(_ data: Data) -> [UInt8] {
    var line = Array(data.prefix { $0 != 0x0a })
    if line.last == 0x0d { line.removeLast() }
    return line
  }

  private static let mostBytes = 64 * 1024
}
