import Foundation
import IMAPStateMachine

/// Gets an access token for a refresh token (RFC 6749, section 6). `curl` speaks HTTPS; what is secret goes to its standard
/// input, as everybody can read its arguments.
struct OAuth2Refresh {
  var url: String
  var clientID: String
  var clientSecret: Secret
  var refreshToken: Secret

  /// Who gives out tokens for whom.
  static let urls = [
    "imap.gmail.com": "https://oauth2.googleapis.com/token",
    "imap.mail.yahoo.com": "https://api.login.yahoo.com/oauth2/get_token",
    "outlook.office365.com": "https://login.microsoftonline.com/common/oauth2/v2.0/token",
  ]

  func accessToken() throws(Failure) -> Secret {
    let answer = try post(form)
    guard let fields = (try? JSONSerialization.jsonObject(with: answer)) as? [String: Any] else {
      throw Failure(.protocolError, "\(url) sent no JSON; check oauth2_token_url")
    }
    if let token = fields["access_token"] as? String, !token.isEmpty { return Secret(token) }
    let reason = [fields["error"], fields["error_description"]].compactMap { $0 as? String }.joined(separator: ": ")
    throw Failure(
      .credentials,
      "\(url) gave no access token (\(reason.isEmpty ? "no reason" : reason)); get a new oauth2_refresh_token")
  }

  private var form: [UInt8] {
    let fields: [(String, Secret)] = [
      ("grant_type", Secret("refresh_token")), ("client_id", Secret(clientID)), ("client_secret", clientSecret),
      ("refresh_token", refreshToken),
    ]
    var output: [UInt8] = []
    for (name, value) in fields {
      if !output.isEmpty { output.append(UInt8(ascii: "&")) }
      output += name.utf8
      output.append(UInt8(ascii: "="))
      value.withBytes { bytes in
        for index in bytes.indices { output += Self.escaped(bytes[index]) }
      }
    }
    return output
  }

  private static func escaped(_ byte: UInt8) -> [UInt8] {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
      return [byte]
    default:
      let digits = Array("0123456789ABCDEF".utf8)
      return [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
  }

  private func post(_ form: [UInt8]) throws(Failure) -> Data {
    let curl = Process()
    curl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    curl.arguments = ["curl", "--silent", "--show-error", "--max-time", "30", "--data-binary", "@-", url]
    let (input, output) = (Pipe(), Pipe())
    curl.standardInput = input
    curl.standardOutput = output
    do {
      try curl.run()
      // Less than a pipe holds, so this does not wait.
      try? input.fileHandleForWriting.write(contentsOf: Data(form))
      try? input.fileHandleForWriting.close()
      let answer = try output.fileHandleForReading.readToEnd() ?? Data()
      curl.waitUntilExit()
      if curl.terminationStatus == 0 { return answer }
    } catch {
      throw Failure(.unavailable, "cannot run curl, which gets the access token; install it, or use oauth2_command")
    }
    if curl.terminationStatus == 127 {
      throw Failure(
        .unavailable, "curl is not installed, which gets the access token; install it, or use oauth2_command")
    }
    throw Failure(.unavailable, "cannot get an access token from \(url); curl says why")
  }
}
