import Foundation
import IMAPStateMachine
import IMAPTestServer
import Logging
import MetricsTestKit
import Synchronization
import Testing

@testable import IMAPLoop

/// What a client logs, keeps and counts.
@Suite(.timeLimit(.minutes(2))) struct ObserverTests {
  /// Keeps what is logged.
  private struct Capture: LogHandler {
    struct Entry: Sendable {
      var level: Logger.Level
      var message: String
      var metadata: Logger.Metadata
    }

    final class Store: Sendable {
      private let list = Mutex<[Entry]>([])
      var entries: [Entry] { list.withLock { $0 } }
      func add(_ entry: Entry) { list.withLock { $0.append(entry) } }
      /// Everything, as a log file would have it.
      var text: String { entries.map { "\($0.level) \($0.message) \($0.metadata)" }.joined(separator: "\n") }
      func entries(_ message: String) -> [Entry] { entries.filter { $0.message == message } }
    }

    let store: Store
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let all = metadata.merging(event.metadata ?? [:]) { $1 }
      store.add(Entry(level: event.level, message: "\(event.message)", metadata: all))
    }
  }

  private func logger(_ store: Capture.Store, _ level: Logger.Level) -> Logger {
    Logger(label: "test", factory: { _ in Capture(store: store, logLevel: level) })
  }

  private func configuration(
    _ server: IMAPTestServer, _ security: IMAPClient.Configuration.Security = .implicitTLS
  ) -> IMAPClient.Configuration {
    IMAPClient.Configuration(
      host: "127.0.0.1", port: security == .implicitTLS ? server.tlsPort : server.plainPort, security: security,
      trust: .pem(server.certificatePEM))
  }

  /// `secret` in the forms in which it may go over the wire: itself, and in base64 at each offset.
  private func forms(_ secret: String) -> [String] {
    var forms = [secret]
    for offset in 0..<3 {
      let encoded = Data(Array(repeating: 0, count: offset) + Array(secret.utf8)).base64EncodedString()
      // Only what is made of the secret's bytes alone.
      let core = encoded.drop { $0 == "=" }.dropFirst(offset == 0 ? 0 : 4).dropLast(4)
      if core.count >= 8 { forms.append(String(core)) }
    }
    return forms
  }

  @Test(arguments: [
    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN", "",
    "OAUTHBEARER", "XOAUTH2",
  ])
  func noSecretIsLogged(_ mechanism: String) async throws {
    let secret = "correct-horse-battery"
    for withheld in [[], [Capability.saslIR]] as [Set<Capability>] {
      for password in [secret, secret + "-wrong"] {
        var server = IMAPTestServer.Configuration(users: [.init("joe-with-a-name", password: secret)])
        server.mechanisms = mechanism.isEmpty ? [] : [mechanism]
        server.withheldCapabilities = withheld
        let store = Capture.Store()
        var errors: [String] = []
        try await withTestServer(server) { server in
          var configuration = configuration(server)
          configuration.logger = logger(store, .trace)
          configuration.recentLines = 1000
          let client = try await IMAPClient.connect(configuration, on: server.loop)
          let credentials: SignInCredentials =
            mechanism.hasSuffix("AUTH2") || mechanism == "OAUTHBEARER"
            ? .token(user: "joe-with-a-name", token: Secret(password))
            : .password(user: "joe-with-a-name", password: Secret(password))
          do {
            try await client.signIn(credentials)
            #expect(password == secret)
          } catch {
            errors.append("\(error)")
          }
          errors += await client.recentLines.map(\.description)
          await client.logout()
        }
        let everything = store.text + "\n" + errors.joined(separator: "\n")
        #expect(store.entries.contains { $0.level == .trace })
        #expect(
          everything.contains(mechanism.isEmpty ? " LOGIN <redacted>" : " AUTHENTICATE \(mechanism)"), "\(everything)")
        for form in forms(secret) + forms("joe-with-a-name") {
          #expect(!everything.contains(form), "\(form) in \(everything)")
        }
        // Nor anything of the exchange: not a word of base64 as long as a nonce, but in the greeting of the capabilities.
        for line in everything.split(separator: "\n") where line.contains("C: ") || line.contains("S: +") {
          #expect(line.firstMatch(of: /[A-Za-z0-9+\/=]{24,}/) == nil, "\(line)")
        }
      }
    }
  }

  /// What went before says who is to blame.
  @Test func theLastLinesOfACommandThatIsNotUnderstood() async throws {
    let store = Capture.Store()
    try await withTestServer { server in
      var configuration = configuration(server)
      configuration.logger = logger(store, .notice)
      configuration.recentLines = 2
      let client = try await IMAPClient.connect(configuration, on: server.loop)
      try await client.login(user: "user", password: Secret("password"))
      await #expect { try await client.run(GenericCommand("XNONSENSE", [.atom("x")])) } throws: {
        if case .rejected = $0 as? IMAPError { true } else { false }
      }
      await client.logout()
    }
    let entry = try #require(store.entries("command not understood").first)
    guard case .array(let lines)? = entry.metadata["recent"] else {
      Issue.record("\(entry)")
      return
    }
    #expect(lines.count == 2)
    #expect(lines.first?.description.hasSuffix(" XNONSENSE <redacted>") == true, "\(lines)")
    #expect(lines.last?.description.contains(" BAD ") == true, "\(lines)")
  }

  @Test func commandsTheirEndsAndTheWire() async throws {
    let store = Capture.Store()
    try await withTestServer { server in
      var configuration = configuration(server)
      configuration.logger = logger(store, .debug)
      let client = try await IMAPClient.connect(configuration, on: server.loop)
      try await client.login(user: "user", password: Secret("password"))
      try await client.select(.inbox)
      await #expect(throws: IMAPError.self) { try await client.select("Nowhere") }
      await client.logout()
    }
    #expect(!store.entries.contains { $0.level == .trace })
    #expect(store.entries.allSatisfy { $0.metadata["host"] == "127.0.0.1" && $0.metadata["connection"] != nil })
    #expect(store.entries("TLS established").first?.metadata["version"] == "TLSv1.3")
    let began = store.entries("command").compactMap { $0.metadata["command"]?.description }
    #expect(began == ["LOGIN", "SELECT", "SELECT", "LOGOUT"])
    let ended = store.entries("completed")
    #expect(ended.compactMap { $0.metadata["command"]?.description } == began)
    #expect(ended.compactMap { $0.metadata["tag"]?.description } == ["A1", "A2", "A3", "A4"])
    #expect(ended.compactMap { $0.metadata["status"]?.description } == ["OK", "OK", "NO", "OK"])
    #expect(ended.allSatisfy { $0.metadata["duration"]?.description.hasSuffix(" ms") ?? false })
    #expect(store.entries("connection closed").count == 1)
    #expect(!store.text.contains("password"))
  }

  @Test func aLostConnectionTellsItsLastLines() async throws {
    for count in [0, 3, 20] {
      let store = Capture.Store()
      try await withTestServer(.init(users: [.init("user", password: "hunter2")])) { server in
        var configuration = configuration(server)
        configuration.logger = logger(store, .warning)
        configuration.recentLines = count
        let client = try await IMAPClient.connect(configuration, on: server.loop)
        await #expect(throws: IMAPError.self) {
          try await client.login(user: "user", password: Secret("hunter3"))
        }
        try await client.login(user: "user", password: Secret("hunter2"))
        try await client.noop()
        await server.disconnectClients()
        await client.waitUntilClosed()
        let lines = await client.recentLines
        #expect(lines.count == min(count, 7) || lines.count == min(count, 8), "\(lines)")
        if count > 0 {
          let texts = lines.map(\.line.description)
          #expect(texts.contains { $0.hasPrefix("C: A3 NOOP") } && !texts.joined().contains("hunter"), "\(texts)")
          #expect(lines.allSatisfy { $0.elapsed >= .zero })
        }
        let lost = try #require(store.entries("connection lost").first)
        #expect(lost.level == .warning && lost.metadata["reason"] != nil)
        if case .array(let logged)? = lost.metadata["recent"] {
          #expect(logged.map { "\($0)" } == lines.map(\.description))
        } else {
          #expect(count == 0)
        }
      }
    }
  }

  @Test func nothingIsKeptUnlessAskedFor() async throws {
    try await withTestServer { server in
      let client = try await IMAPClient.connect(configuration(server), on: server.loop)
      try await client.noop()
      #expect(await client.recentLines.isEmpty)
      await client.logout()
    }
  }

  @Test func aConnectionThatNeverCameAbout() async throws {
    let store = Capture.Store()
    let factory = TestMetrics()
    try await withTestServer { server in
      let metrics = IMAPMetrics(factory: factory)
      var configuration = configuration(server)
      // Nobody vouches for the certificate.
      configuration.trust = .system
      configuration.logger = logger(store, .debug)
      configuration.metrics = metrics
      await #expect(throws: IMAPError.self) { try await IMAPClient.connect(configuration, on: server.loop) }
    }
    #expect(store.entries("connection failed").count == 1)
    #expect(try factory.expectCounter("imap_connections_failed", [("reason", "certificate")]).totalValue == 1)
    #expect(factory.counterTotal(label: "imap_connections_failed") == 1)
    #expect(factory.counterTotal(label: "imap_connections_opened") == 0)
    #expect(try factory.expectMeter("imap_connections_open").values.isEmpty)
  }

  @Test(arguments: ConnectionError.TransportFailure.Operation.allCases)
  func eachKindOfFailureIsCounted(_ operation: ConnectionError.TransportFailure.Operation) {
    let factory = TestMetrics()
    let metrics = IMAPMetrics(factory: factory)
    metrics.failed(.error(.transport(.init(operation, message: "x"))))
    metrics.lost(.error(.transport(.init(operation, message: "x"))))
    #expect(factory.counterTotal(label: "imap_connections_failed") == 1)
    #expect(factory.counterTotal(label: "imap_connections_lost") == 1)
  }

  @Test func metricsCountExactly() async throws {
    let factory = TestMetrics()
    try await withTestServer { server in
      let metrics = IMAPMetrics(factory: factory, dimensions: [("host", "test")])
      let instruments = factory.counters.count
      var configuration = configuration(server, .startTLS)
      configuration.metrics = metrics
      for _ in 0..<2 {
        let client = try await IMAPClient.connect(configuration, on: server.loop)
        await #expect(throws: IMAPError.self) { try await client.login(user: "user", password: Secret("wrong")) }
        try await client.login(user: "user", password: Secret("password"))
        for _ in 0..<5 { try await client.noop() }
        _ = try? await client.run(GenericCommand("XSOMETHING"))
        try await client.select(.inbox)
        try await client.idle { Task { await client.endIdle() } }
        await client.logout()
      }
      // Four for each command, whatever its name: STARTTLS, LOGIN, NOOP, OTHER, SELECT, IDLE, LOGOUT and what else there was.
      let commands = Set(
        factory.counters(label: "imap_commands").compactMap { $0.dimensions.first { $0.0 == "command" }?.1 })
      #expect(commands.isSuperset(of: ["STARTTLS", "LOGIN", "NOOP", "OTHER", "SELECT", "IDLE", "LOGOUT"]))
      #expect(!commands.contains("XSOMETHING"))
      #expect(factory.counters.count == instruments + 4 * commands.count)

      let lost = try await IMAPClient.connect(configuration, on: server.loop)
      await server.disconnectClients()
      await lost.waitUntilClosed()
    }
    func total(_ command: String, _ outcome: String) throws -> Int64 {
      let labels = [("host", "test"), ("command", command), ("outcome", outcome)]
      return try factory.expectCounter("imap_commands", labels).totalValue
    }
    let host = [("host", "test")]
    #expect(try total("LOGIN", "ok") == 2)
    #expect(try total("LOGIN", "no") == 2)
    #expect(try total("NOOP", "ok") == 10)
    #expect(try total("OTHER", "bad") == 2)
    #expect(try total("STARTTLS", "ok") == 3)
    #expect(try total("IDLE", "ok") == 2)
    #expect(try factory.expectTimer("imap_command_duration", host + [("command", "NOOP")]).values.count == 10)
    #expect(try factory.expectTimer("imap_connect_duration", host).values.count == 3)
    #expect(try factory.expectTimer("imap_tls_duration", host).values.count == 3)
    #expect(try factory.expectCounter("imap_connections_opened", host).totalValue == 3)
    #expect(factory.counterTotal(label: "imap_connections_lost") == 1)
    #expect(factory.counterTotal(label: "imap_connections_failed") == 0)
    #expect(try factory.expectMeter("imap_connections_open", host).lastValue == 0)
    #expect(try factory.expectMeter("imap_connections_idle", host).values == [1, 0, 1, 0])
    #expect(factory.counterTotal(label: "imap_bytes_received") > 500)
    #expect(factory.counterTotal(label: "imap_bytes_sent") > 200)
  }

  @Test func bytesAreThoseOfTheWire() async throws {
    let factory = TestMetrics()
    let seen = Mutex<(sent: Int, received: Int)>((0, 0))
    try await withTestServer { server in
      var configuration = configuration(server)
      configuration.metrics = IMAPMetrics(factory: factory)
      configuration.connection.wireObserver = { line in
        // Nothing here is redacted, cut or a literal, so that the length is that of the line.
        seen.withLock { seen in
          let count = line.text.utf8.count + (line.endsLine ? 2 : 0)
          if line.direction == .sent { seen.sent += count } else { seen.received += count }
        }
      }
      let client = try await IMAPClient.connect(configuration, on: server.loop)
      try await client.noop()
      _ = try await client.capability()
      await client.logout()
    }
    let (sent, received) = seen.withLock { $0 }
    #expect(sent > 0 && received > 0)
    #expect(factory.counterTotal(label: "imap_bytes_sent") == Int64(sent))
    #expect(factory.counterTotal(label: "imap_bytes_received") == Int64(received))
  }
}
