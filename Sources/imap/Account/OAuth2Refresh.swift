import Foundation
import IMAPStateMachine
import Synchronization

/// Gets an access token for a refresh token (RFC 6749, section 6). `curl` speaks HTTPS; what is secret goes to its standard
/// input, as everybody can read its arguments.
struct OAuth2Refresh {
  var url: String
  var clientID: String
  var clientSecret: Secret
  var refreshToken: Secret
  /// What copies of this value have in common.
  private let cache = TokenCache()

  /// Who gives out tokens for whom.
  static let urls = [
    "imap.gmail.com": "https://oauth2.googleapis.com/token",
    "imap.mail.yahoo.com": "https://api.login.yahoo.com/oauth2/get_token",
    "outlook.office365.com": "https://login.microsoftonline.com/common/oauth2/v2.0/token",
  ]

  /// One that was given out before, as long as it is good; else a new one.
  func accessToken(at now: ContinuousClock.Instant = .now) throws(Failure) -> Secret {
    if let token = cache.token(at: now) { return token }
    let answer = try post(form)
    guard let fields = (try? JSONSerialization.jsonObject(with: answer)) as? [String: Any] else {
      throw Failure(.protocolError, "\(url) sent no JSON; check oauth2_token_url")
    }
    if let text = fields["access_token"] as? String, !text.isEmpty {
      let token = Secret(text)
      // Some write the number as a string.
      let lifetime = fields["expires_in"] as? Double ?? (fields["expires_in"] as? String).flatMap { Double($0) }
      cache.keep(token, lifetime: lifetime ?? 0, from: now)
      return token
    }
    let reason = [fields["error"], fields["error_description"]].compactMap { $0 as? String }.joined(separator: ": ")
    throw Failure(
      .credentials,
      "\(url) gave no access token (\(reason.isEmpty ? "no reason" : reason)); get a new oauth2_refresh_token")
  }

  /// Forgets the token, which a server has refused. Returns whether it was one that had been kept, so that a new one may do.
  func dropToken() -> Bool { cache.drop() }

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
    let arguments = ["--silent", "--show-error", "--max-time", "30", "--data-binary", "@-", url]
    // Its own limit is over first, and it says why.
    let curl = Helper(program: "curl", arguments: arguments, name: "program curl", timeout: 60, input: form)
    do throws(Failure) {
      let (output, status) = try curl.run()
      if status == 0 { return Data(output) }
    } catch {
      if error.status != .system { throw error }
      throw Failure(
        .unavailable, "cannot run curl, which gets the access token; install it, or use oauth2_command")
    }
    throw Failure(.unavailable, "cannot get an access token from \(url); curl says why")
  }
}

/// The last access token. It is never written anywhere.
final class TokenCache: Sendable {
  private struct Entry {
    var token: Secret
    var end: ContinuousClock.Instant
    /// Whether it was given out again.
    var isReused = false
  }

  private let entry = Mutex<Entry?>(nil)

  func token(at now: ContinuousClock.Instant) -> Secret? {
    entry.withLock { entry in
      guard let kept = entry else { return nil }
      if now >= kept.end {
        entry = nil
        return nil
      }
      entry?.isReused = true
      return kept.token
    }
  }

  /// `lifetime` are the seconds that the token is good for from now on, as RFC 6749, section 5.1 has them; what is nearly over is
  /// not kept.
  func keep(_ token: Secret, lifetime: Double, from now: ContinuousClock.Instant) {
    let seconds = min(lifetime, Self.longest) - Self.margin
    entry.withLock { $0 = seconds > 0 ? Entry(token: token, end: now.advanced(by: .seconds(seconds))) : nil }
  }

  /// Returns whether there was one that was given out more than once.
  func drop() -> Bool {
    entry.withLock { entry in
      defer { entry = nil }
      return entry?.isReused ?? false
    }
  }

  /// Seconds: by then a login that begins with it is over.
  private static let margin = 60.0
  /// Seconds: whatever the server says.
  private static let longest = 86_400.0
}
