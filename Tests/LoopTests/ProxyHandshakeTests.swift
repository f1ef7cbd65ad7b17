import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// What is said to proxies, at every split point of what they say.
@Suite struct ProxyHandshakeTests {
  /// Feeds `answers` one after the other, each cut at `cut`, and returns what was sent, how it ended, and what was left.
  private func run(
    _ proxy: Proxy, _ host: String, _ answers: [[UInt8]], cut: Int
  ) throws(ConnectionError) -> (sent: [[UInt8]], isDone: Bool, left: [UInt8]) {
    var handshake = try proxy.handshake(host: host, port: 993)
    var sent = [handshake.outbound]
    handshake.outbound = []
    var input: [UInt8] = []
    var isDone = false
    for answer in answers {
      for piece in [answer.prefix(cut), answer.dropFirst(cut)] where !isDone || !piece.isEmpty {
        input += piece
        if isDone { continue }
        isDone = try handshake.read(&input)
        if !handshake.outbound.isEmpty { sent.append(handshake.outbound) }
        handshake.outbound = []
      }
    }
    return (sent, isDone, input)
  }

  private func reason(_ proxy: Proxy, _ host: String = "mail.example", _ answers: [UInt8]...) -> String {
    let longest = answers.map(\.count).max() ?? 0
    var reasons: Set<String> = []
    for cut in 0...longest {
      do throws(ConnectionError) {
        let result = try run(proxy, host, answers, cut: cut)
        reasons.insert("no error, done: \(result.isDone)")
      } catch {
        #expect(error.transportOperation == .proxy)
        reasons.insert(error.transportMessage)
      }
    }
    return reasons.sorted().joined(separator: " | ")
  }

  private func ascii(_ text: String) -> [UInt8] { Array(text.utf8) }

  private let socks = Proxy.socks5(host: "p")
  private let greeting = Array("* OK ready\r\n".utf8)

  // MARK: SOCKS4

  @Test func socks4Connects() throws {
    let reply: [UInt8] = [0, 90, 0, 0, 0, 0, 0, 0] + greeting
    for cut in 0...reply.count {
      let named = try run(.socks4(host: "p", user: "joe"), "mail.example", [reply], cut: cut)
      #expect(
        named.sent == [[4, 1, 3, 0xe1, 0, 0, 0, 1] + ascii("joe") + [0] + ascii("mail.example") + [0]], "cut \(cut)")
      #expect(named.isDone && named.left == greeting)
      let numeric = try run(.socks4(host: "p"), "192.0.2.7", [reply], cut: cut)
      #expect(numeric.sent == [[4, 1, 3, 0xe1, 192, 0, 2, 7, 0]] && numeric.isDone && numeric.left == greeting)
    }
  }

  @Test func socks4Refuses() throws {
    let proxy = Proxy.socks4(host: "p")
    let start = "proxy socks4://p:1080: cannot connect: "
    #expect(reason(proxy, "mail.example", [0, 91, 0, 0, 0, 0, 0, 0]).hasSuffix(start + "refused, or failed"))
    #expect(reason(proxy, "mail.example", [0, 7, 0, 0, 0, 0, 0, 0]).hasSuffix(start + "reply 7"))
    #expect(reason(proxy, "mail.example", ascii("HTTP/1.1")).hasSuffix("does not speak SOCKS4"))
    #expect(reason(proxy, "2001:db8::1", []).hasSuffix("SOCKS4 has no IPv6 addresses"))
    #expect(reason(proxy, "a\0b", []).hasSuffix("the host name must have 1 to 255 bytes"))
    #expect(try Proxy(url: "socks4a://joe@p").description == "socks4://p:1080")
  }

  // MARK: SOCKS5

  /// Each kind of bound address in the reply.
  @Test(
    arguments: [
      [1, 0, 0, 0, 0, 0, 0], [3, 3, 97, 98, 99, 0, 1], [3, 0, 0, 0], [4] + [UInt8](repeating: 0, count: 18),
    ] as [[UInt8]])
  func socksConnects(bound: [UInt8]) throws {
    let reply = [5, 0, 0] + bound + greeting
    for cut in 0...reply.count {
      let result = try run(socks, "mail.example", [[5, 0], reply], cut: cut)
      #expect(result.sent == [[5, 1, 0], [5, 1, 0, 3, 12] + ascii("mail.example") + [3, 0xe1]], "cut \(cut)")
      #expect(result.isDone)
      #expect(result.left == greeting)
    }
  }

  @Test func socksLogsIn() throws {
    let proxy = Proxy.socks5(host: "p", user: "joe", password: Secret("pw"))
    for cut in 0...4 {
      let result = try run(proxy, "::1", [[5, 2], [1, 0], [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]], cut: cut)
      let address = [UInt8](repeating: 0, count: 15) + [1]
      #expect(
        result.sent == [
          [5, 2, 0, 2], [1, 3] + ascii("joe") + [2] + ascii("pw"), [5, 1, 0, 4] + address + [3, 0xe1],
        ])
      #expect(result.isDone && result.left.isEmpty)
    }
    let numeric = try run(socks, "192.0.2.7", [[5, 0]], cut: 1)
    #expect(numeric.sent.last == [5, 1, 0, 1, 192, 0, 2, 7, 3, 0xe1])
    #expect(!numeric.isDone)
  }

  @Test func socksSaysWhyNot() {
    #expect(reason(socks, "h", [5, 0xff]) == "proxy socks5://p:1080: wants a user and a password")
    #expect(reason(socks, "h", [5, 2]).hasSuffix("wants authentication method 2, which was not offered"))
    #expect(reason(socks, "h", [4, 0]).hasSuffix("does not speak SOCKS5"))
    #expect(reason(socks, "h", ascii("HTTP/1.1 400 Bad Request\r\n")).hasSuffix("does not speak SOCKS5"))
    let user = Proxy.socks5(host: "p", user: "joe", password: Secret("hidden"))
    #expect(reason(user, "h", [5, 2], [1, 1]).hasSuffix("refused user and password"))
    #expect(reason(user, "h", [5, 0xff]).hasSuffix("knows no way to log in that is known here"))
    #expect(!reason(user, "h", [5, 2], [1, 1]).contains("hidden"))
    for (code, text) in [(2, "not allowed"), (5, "connection refused"), (4, "host unreachable"), (99, "reply 99")] {
      #expect(reason(socks, "h", [5, 0], [5, UInt8(code), 0, 1, 0, 0, 0, 0, 0, 0]).contains(text))
    }
    #expect(reason(socks, "h", [5, 0], [5, 0, 0, 9, 0]).hasSuffix("address of unknown type 9"))
    #expect(reason(socks, String(repeating: "x", count: 256)).contains("1 to 255 bytes"))
    #expect(reason(.socks5(host: "p", user: String(repeating: "u", count: 256))).contains("1 to 255 bytes"))
  }

  // MARK: HTTP

  @Test func httpConnects() throws {
    let proxy = Proxy.httpConnect(host: "p", port: 3128, user: "joe", password: Secret("pass word"))
    let answer =
      ascii("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 Connection established\r\nVia: x\r\nContent-Length: 9\r\n\r\n")
      + greeting
    for cut in 0...answer.count {
      let result = try run(proxy, "mail.example", [answer], cut: cut)
      #expect(
        result.sent.map { String(decoding: $0, as: UTF8.self) } == [
          "CONNECT mail.example:993 HTTP/1.1\r\nHost: mail.example:993\r\n"
            + "Proxy-Authorization: Basic am9lOnBhc3Mgd29yZA==\r\n\r\n"
        ], "cut \(cut)")
      #expect(result.isDone)
      #expect(result.left == greeting)
    }
    let v6 = try run(.httpConnect(host: "p"), "::1", [], cut: 0)
    #expect(v6.sent == [ascii("CONNECT [::1]:993 HTTP/1.1\r\nHost: [::1]:993\r\n\r\n")])
  }

  @Test func httpSaysWhyNot() {
    let proxy = Proxy.httpConnect(host: "p")
    #expect(
      reason(proxy, "h", ascii("HTTP/1.1 407 Proxy Authentication Required\r\nA: b\r\n\r\nbody"))
        == "proxy http://p:80: cannot connect: HTTP/1.1 407 Proxy Authentication Required")
    #expect(reason(proxy, "h", ascii("HTTP/1.1\r\n\r\n")).hasSuffix("cannot connect: HTTP/1.1"))
    #expect(reason(proxy, "h", ascii("* OK IMAP ready\r\n")).hasSuffix("does not speak HTTP"))
    #expect(reason(proxy, "a b").hasSuffix("the host name cannot be sent"))
    #expect(reason(proxy, "a\r\nX: y").hasSuffix("the host name cannot be sent"))
    #expect(reason(.httpConnect(host: "p", user: "a:b")).contains("neither colons"))
    var endless = ascii("HTTP/1.1 200 OK\r\n")
    for _ in 0..<2000 { endless += ascii("X-Fill: y\r\n") }
    var input = endless
    #expect(throws: ConnectionError.self) {
      var handshake = try proxy.handshake(host: "h", port: 1)
      _ = try handshake.read(&input)
    }
  }

  @Test(arguments: [1, 2, 3] as [UInt64]) func anyBytesAreAnsweredByAnErrorOrNothing(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<2000 {
      let proxy = Bool.random(using: &random) ? socks : Proxy.httpConnect(host: "p")
      var bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      if Bool.random(using: &random) { bytes = [5, 0, 5, 0, 0] + bytes }
      var isDone = false
      do throws(ConnectionError) {
        isDone = try run(proxy, "mail.example", [bytes], cut: Int.random(in: 0...10, using: &random)).isDone
      } catch {
        #expect(error.transportOperation == .proxy, "seed \(seed)")
      }
      if isDone { #expect(bytes.starts(with: [5, 0, 5, 0]), "seed \(seed)") }
    }
  }

  // MARK: URLs

  @Test func urls() throws {
    #expect(try Proxy(url: "socks5://h") == .socks5(host: "h"))
    #expect(try Proxy(url: "SOCKS5H://h:9050/") == .socks5(host: "h", port: 9050))
    #expect(try Proxy(url: "http://[::1]:3128") == .httpConnect(host: "::1", port: 3128))
    #expect(
      try Proxy(url: "socks5://joe%40x:p%3aw@h:1")
        == .socks5(host: "h", port: 1, user: "joe@x", password: Secret("p:w")))
    #expect(try Proxy(url: "http://joe@h") == .httpConnect(host: "h", user: "joe"))
    #expect(try Proxy(url: "https://joe:p@h") == .httpsConnect(host: "h", user: "joe", password: Secret("p")))
    #expect(try Proxy(url: "socks5://joe:secret@h").description == "socks5://h:1080")
  }

  /// Whoever names a proxy never connects without it. The error says what to do, and nothing of a URL that may hold a password.
  @Test(
    arguments: [
      (.empty, [""]), (.scheme, ["h:1080", "ftp://joe:hidden@h", "htp://h", "socks6://h"]),
      (.authority, ["socks5://", "socks5://[::1", "socks5://[::1]x", "socks5://a b", "socks5://joe:hidden@"]),
      (.portNumber, ["socks5://h:0", "socks5://h:65536", "socks5://h:+1", "socks5://h:"]),
      (.path, ["https://h/path", "http://h/path", "http://h?x", "http://joe:hidden@h#x"]),
      (.percentEncoding, ["socks5://%4:x@h", "socks5://%ff@h", "http://joe:hidden%@h"]),
      (.noUser, ["socks5://:hidden@h", "http://@h"]), (.passwordOfSOCKS4, ["socks4://joe:hidden@p"]),
    ] as [(InvalidArgument.Rule, [String])])
  func wrongURLs(_ rule: InvalidArgument.Rule, _ urls: [String]) {
    for url in urls {
      let error = InvalidArgument(.proxyURL, rule)
      #expect(throws: error, "\(url)") { try Proxy(url: url) }
      #expect(error.description.hasPrefix("the proxy URL ") && !error.description.contains("hidden"))
    }
  }
}
