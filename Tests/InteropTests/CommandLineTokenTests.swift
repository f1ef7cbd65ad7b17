import Foundation
import IMAPStateMachine
import Synchronization
import Testing

@testable import imap

/// Access tokens that the tool gets for a refresh token, and keeps as long as they are good.
@Suite(.serialized, .timeLimit(.minutes(2))) struct CommandLineTokenTests {
  /// Gives out `tok1`, `tok2` and so on, over HTTP, and takes them in XOAUTH2.
  private final class Servers: Sendable {
    let web: FunctionServer
    let mail: FunctionServer
    private let state: State

    /// What happened.
    private final class State: Sendable {
      struct Values {
        var given = 0
        var refused: Set<String> = []
        var logins: [String] = []
        var idles = 0
      }

      let values = Mutex(Values())
    }

    var given: Int { state.values.withLock(\.given) }
    var logins: [String] { state.values.withLock(\.logins) }

    /// `losses` is how many connections end in their IDLE. The first token is refused from the login `refusing` on,
    /// counted from 1.
    init(losses: Int = 0, refusing: Int = .max) throws {
      let state = State()
      self.state = state
      web = try FunctionServer { request in
        guard request.hasSuffix("refresh_token=r") else { return nil }
        let number = state.values.withLock { values in
          values.given += 1
          return values.given
        }
        let answer = #"{"access_token":"tok\#(number)","token_type":"Bearer","expires_in":3600}"#
        return "HTTP/1.1 200 OK\r\nContent-Length: \(answer.utf8.count)\r\nConnection: close\r\n\r\n\(answer)"
      }
      mail = try FunctionServer(greeting: "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2 IDLE] hi\r\n") { heard in
        guard heard.hasSuffix("\r\n") else { return nil }
        return heard.split(separator: "\r\n").map { line in
          let words = line.split(separator: " ").map { String($0) }
          return Self.answer(words, state, losses: losses, refusing: refusing)
        }.joined()
      }
    }

    func end() {
      web.end()
      mail.end()
    }

    func environment() -> [String: String] {
      [
        "IMAP_HOST": "127.0.0.1", "IMAP_PORT": "\(mail.port)", "IMAP_SSL": "no", "IMAP_USERNAME": "joe",
        "IMAP_OAUTH2": "yes", "IMAP_OAUTH2_CLIENT_ID": "id", "IMAP_OAUTH2_CLIENT_SECRET": "s",
        "IMAP_OAUTH2_REFRESH_TOKEN": "r", "IMAP_OAUTH2_TOKEN_URL": "http://127.0.0.1:\(web.port)/token",
      ]
    }

    private static func answer(_ words: [String], _ state: State, losses: Int, refusing: Int) -> String {
      let tag = words[0]
      switch words.dropFirst().first {
      case "AUTHENTICATE":
        let message = Data(base64Encoded: words.last ?? "").map { String(decoding: $0, as: UTF8.self) } ?? ""
        let token = String(message.split(separator: " ").last?.prefix { $0 != "\u{1}" } ?? "")
        let isRight = state.values.withLock { values in
          values.logins.append(token)
          if values.logins.count >= refusing { values.refused.insert("tok1") }
          return message.hasPrefix("user=joe\u{1}auth=Bearer tok") && !values.refused.contains(token)
        }
        return "\(tag) \(isRight ? "OK in" : "NO [AUTHENTICATIONFAILED] no")\r\n"
      case "CAPABILITY": return "* CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2 IDLE\r\n\(tag) OK done\r\n"
      case "SELECT", "EXAMINE":
        return "* 0 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 1] x\r\n\(tag) OK [READ-ONLY] done\r\n"
      case "STATUS": return "* STATUS INBOX (MESSAGES 3)\r\n\(tag) OK done\r\n"
      case "IDLE":
        let isLost = state.values.withLock { values in
          values.idles += 1
          return values.idles <= losses
        }
        return isLost ? "* BYE away\r\n" : "+ idling\r\n"
      case "LOGOUT": return "* BYE\r\n\(tag) OK done\r\n"
      case nil: return "A0 OK done\r\n"
      default: return "\(tag) OK done\r\n"
      }
    }
  }

  @Test func aTokenLogsIn() async throws {
    let servers = try Servers()
    let result = try await Tool.run(["status", "--json"], environment: servers.environment())
    servers.end()
    #expect(result.status == 0, "\(result.error)")
    #expect(result.output.contains("3"), "\(result.output)")
    #expect(servers.logins == ["tok1"])
    #expect(servers.given == 1)
  }

  /// One token for several connections, and another one as soon as it is refused.
  @Test func aTokenIsKeptUntilItIsRefused() async throws {
    let servers = try Servers(losses: 2, refusing: 3)
    let folder = try TemporaryFolder()
    let file = try folder.write(
      "accounts",
      """
      [a]
      host = 127.0.0.1
      port = \(servers.mail.port)
      ssl = no
      username = joe
      oauth2 = yes
      oauth2_client_id = id
      oauth2_client_secret = s
      oauth2_refresh_token = r
      oauth2_token_url = http://127.0.0.1:\(servers.web.port)/token
      timeout = 20
      """)
    let tool = try Tool.Running(["watch", "--accounts", file])
    var connected = 0
    while connected < 3, let line = await tool.line() {
      if line.contains(#""event":"connected""#) { connected += 1 }
      if line.contains(#""event":"stopped""#) { break }
    }
    tool.send(SIGTERM)
    let result = await tool.result()
    servers.end()
    #expect(connected == 3, "\(result.error)")
    #expect(result.status == 0, "\(result.error)")
    #expect(servers.logins == ["tok1", "tok1", "tok1", "tok2"])
    #expect(servers.given == 2)
  }

  /// What is refused at once is not asked for again: the account would be locked.
  @Test func aNewTokenIsTriedOnce() async throws {
    let servers = try Servers(refusing: 1)
    let result = try await Tool.run(["status"], environment: servers.environment())
    servers.end()
    #expect(result.status == 77, "\(result.error)")
    #expect(servers.logins == ["tok1"])
    #expect(servers.given == 1)
  }

  @Test func howLongItIsKept() {
    let now = ContinuousClock.now
    func later(_ seconds: Double) -> ContinuousClock.Instant { now.advanced(by: .seconds(seconds)) }
    let cache = TokenCache()
    #expect(cache.token(at: now) == nil)
    #expect(!cache.drop())
    cache.keep(Secret("a"), lifetime: 100, from: now)
    #expect(!cache.drop())
    cache.keep(Secret("a"), lifetime: 100, from: now)
    // A minute before its end it is good no longer.
    #expect(cache.token(at: later(39)) == Secret("a"))
    #expect(cache.token(at: later(41)) == nil)
    #expect(cache.token(at: now) == nil)
    for lifetime in [60, 0, -1, -Double.infinity, Double.nan] {
      cache.keep(Secret("b"), lifetime: lifetime, from: now)
      #expect(cache.token(at: now) == nil, "\(lifetime)")
    }
    for lifetime in [1e308, Double.infinity] {
      cache.keep(Secret("c"), lifetime: lifetime, from: now)
      #expect(cache.token(at: later(86_000)) == Secret("c"))
      #expect(cache.token(at: later(87_000)) == nil)
    }
    cache.keep(Secret("d"), lifetime: 3600, from: now)
    #expect(cache.token(at: now) == Secret("d"))
    #expect(cache.drop())
    #expect(cache.token(at: now) == nil)
  }
}
