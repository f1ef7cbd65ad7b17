import IMAPLoop

/// What a configuration file, or the environment, can say of an account. The names are those of IMAPClient's files, and a
/// few more.
enum AccountKey: String, CaseIterable {
  case host, port, username, password, ssl, starttls, compress, timeout, oauth2, stream, socket, proxy, mailbox
  case localAddress = "local_address"
  case proxyCAFile = "proxy_ca_file"
  case passwordCommand = "password_command"
  case sslCheckHostname = "ssl_check_hostname"
  case sslVerifyCert = "ssl_verify_cert"
  case sslCAFile = "ssl_ca_file"
  case sslCAPath = "ssl_ca_path"
  case sslPin = "ssl_pin"
  case sslClientCert = "ssl_client_cert"
  case sslClientKey = "ssl_client_key"
  case sslMinVersion = "ssl_min_version"
  case sslCRLFile = "ssl_crl_file"
  case sslKeyLog = "ssl_key_log"
  case oauth2ClientID = "oauth2_client_id"
  case oauth2ClientSecret = "oauth2_client_secret"
  case oauth2RefreshToken = "oauth2_refresh_token"
  case oauth2TokenURL = "oauth2_token_url"
  case oauth2Command = "oauth2_command"

  /// Variables of the environment that stand for it, the strongest first. The second is IMAPClient's.
  var variables: [String] { ["IMAP_" + JSON.upper(rawValue), "imapclient_" + rawValue] }

  /// Whether the value itself lets somebody log in.
  var isSecret: Bool {
    switch self {
    case .password, .oauth2ClientSecret, .oauth2RefreshToken: true
    default: false
    }
  }

  /// Whether it belongs to one user of one server.
  var isCredential: Bool {
    switch self {
    case .password, .passwordCommand, .oauth2ClientID, .oauth2ClientSecret, .oauth2RefreshToken, .oauth2Command,
      .sslClientCert, .sslClientKey:
      true
    default: false
    }
  }

  /// Whether it has to do with TLS once that is used.
  var isTLS: Bool { self != .ssl && rawValue.hasPrefix("ssl_") }

  /// Whether it says how far the certificate of one server is trusted.
  var isTrust: Bool { self == .sslVerifyCert || self == .sslCheckHostname || self == .sslPin }

  /// Why `value` is none of this key's; nil where it is one. Names the value where that `isShown`, and never that of a secret.
  func complaint(_ value: String, isShown: Bool = true) -> String? {
    func said(_ value: String) -> String { isShown ? "\(rawValue) = \(value)" : rawValue }
    if value.isEmpty { return "\(rawValue) has no value; give one or remove the line" }
    switch self {
    case .ssl, .starttls, .sslVerifyCert, .sslCheckHostname, .compress, .oauth2:
      return Self.boolean(value) == nil ? "\(said(value)): write 1, yes, true, on, 0, no, false or off" : nil
    case .sslPin:
      guard let wrong = Self.words(value).first(where: { TLSPin($0) == nil }) else { return nil }
      return "\(said(wrong)): write sha256/BASE64 of the public key, or the SHA-256 of the certificate in hex"
    case .sslMinVersion:
      return Self.version(value) == nil ? "\(said(value)): write 1.2 or 1.3" : nil
    case .port:
      return UInt16(value).map { $0 > 0 } == true ? nil : "\(said(value)): write a number from 1 to 65535"
    case .timeout:
      return Self.seconds(value) == nil ? "\(said(value)): write seconds, a number above 0 and below 1000000" : nil
    case .localAddress:
      let words = Self.words(value)
      if words.isEmpty { return "\(said(value)): write addresses of this machine, with commas between them" }
      guard let wrong = words.first(where: { SocketAddress(numeric: $0, port: 0) == nil }) else { return nil }
      return "\(said(wrong)): write addresses of this machine in numbers, as 192.0.2.1 or 2001:db8::1"
    case .oauth2TokenURL:
      return value.hasPrefix("https://") || value.hasPrefix("http://127.0.0.1:")
        ? nil : "\(said(value)): write a URL that starts with https://"
    case .proxy:
      // Not shown: it may hold a password.
      return (try? Proxy(url: value)) == nil
        ? "proxy: write a URL such as socks5://host:1080, socks4://host:1080, http://host:3128 or https://host:443, "
          + "with user:password@ before the host where it wants them (SOCKS4 knows no password)" : nil
    case .host, .stream, .socket, .mailbox, .username, .password, .passwordCommand, .proxyCAFile, .sslCAFile,
      .sslCAPath, .sslClientCert, .sslClientKey, .sslCRLFile, .sslKeyLog, .oauth2ClientID, .oauth2ClientSecret,
      .oauth2RefreshToken, .oauth2Command:
      return nil
    }
  }

  /// What takes the place of a wrong value so that nothing else is wrong because of that; nil where none does.
  var standIn: String? {
    switch self {
    case .host: "localhost"
    case .username, .stream, .socket, .password, .passwordCommand, .oauth2Command, .oauth2ClientID, .oauth2ClientSecret,
      .oauth2RefreshToken:
      "?"
    case .oauth2TokenURL: "https://localhost/"
    default: nil
    }
  }

  /// Nil where `text` is neither.
  static func boolean(_ text: String) -> Bool? {
    switch text.lowercased() {
    case "1", "yes", "true", "on": true
    case "0", "no", "false", "off": false
    default: nil
    }
  }

  /// Nil where `text` is no version of TLS that may be asked for.
  static func version(_ text: String) -> TLSContext.Version? {
    switch text {
    case "1.2": .tls12
    case "1.3": .tls13
    default: nil
    }
  }

  /// What stands between spaces and commas.
  static func words(_ text: String) -> [String] {
    text.split(whereSeparator: { $0 == " " || $0 == "," }).map { String($0) }
  }

  /// Nil where `text` is no time that can be waited for.
  static func seconds(_ text: String) -> Double? {
    guard let value = Double(text), value > 0, value < 1e6 else { return nil }
    return value
  }
}
