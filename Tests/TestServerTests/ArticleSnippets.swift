import Foundation
import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Logging
import Synchronization
import Testing

// The code of the articles in the documentation catalogues. `ArticleTests` finds every block of theirs here or in
// `ReadmeTests.swift`, line by line: change both.

private func countUnseen(_ configuration: IMAPClient.Configuration, password: Secret) async throws -> Int {
  try await IMAPClient.withClient(configuration) { client in
    try await client.signIn(user: "joe", password: password)
    try await client.select(.inbox)
    return try await client.search(.unseen).count
  }
}

private func pinned(_ host: String, to pin: TLSPin, authority: String) throws -> IMAPClient.Configuration {
  var options = TLSContext.ClientOptions(trust: .file(authority))
  options.pins = [pin]
  options.minimumVersion = .tls13
  options.applicationProtocols = ["imap"]
  var configuration = IMAPClient.Configuration(host: host)
  configuration.tls = try TLSContext.client(options)
  return configuration
}

private func subjects(_ client: IMAPClient) async throws -> [String] {
  var subjects: [String] = []
  for message in try await client.fetch(.uids(.all), [.uid, .flags, .envelope]) {
    subjects.append(message.envelope?.decodedSubject ?? "(none)")
  }
  return subjects
}

private func archive(_ client: IMAPClient, _ messages: UIDSet) async throws {
  do {
    try await client.move(.uids(messages), to: "Archive")
  } catch let error where error.reason == .noSuchMailbox {
    try await client.create("Archive")
    try await client.move(.uids(messages), to: "Archive")
  }
}

private func save(_ client: IMAPClient, _ uid: UID, to path: String) async throws {
  try await client.download(uid, to: path) { count in print("\(count) bytes") }
}

private func untilSomethingComes(_ client: IMAPClient) async throws -> UInt32? {
  for try await event in client.watch() {
    if case .exists(let count) = event { return count }
  }
  return nil
}

private func observed(_ host: String, _ metrics: IMAPMetrics) -> IMAPClient.Configuration {
  var configuration = IMAPClient.Configuration(host: host)
  // Commands with `debug`, the lines of the wire with `trace`; no secret in either.
  configuration.logger = Logger(label: "mail")
  // Read them by `client.recentLines`; they are logged when the connection is lost.
  configuration.recentLines = 20
  // Made once, and shared by all clients.
  configuration.metrics = metrics
  return configuration
}

private func checkRoom(for connections: Int) throws {
  try DescriptorLimit.current?.check(connections: connections)
}

private func spread(_ configuration: inout IMAPClient.Configuration, over addresses: [String]) {
  configuration.socket.localAddresses = addresses.compactMap { SocketAddress(numeric: $0, port: 0) }
}

/// Keeps an eye on one INBOX. All of it runs on the loop's thread.
private final class Watcher: ClientChannelDelegate {
  private let password: Secret
  private let onMail: (UInt32) -> Void

  init(_ password: Secret, onMail: @escaping (UInt32) -> Void) {
    self.password = password
    self.onMail = onMail
  }

  func channelConnected(_ channel: ClientChannel) {
    // They go one after the other as the protocol allows, the first behind the greeting.
    _ = try? channel.send(.login(user: "joe", password: password))
    _ = try? channel.send(.select(.inbox))
    _ = try? channel.send(.idle)
  }

  func channel(_ channel: ClientChannel, received event: borrowing ClientEvent) {
    switch copy event {
    case .response(.untagged(.exists(let count))): onMail(count)
    case .failed: channel.close()
    default: break
    }
  }

  func channelClosed(_ channel: ClientChannel, reason: CloseReason) {}
}

private func watch(
  _ group: LoopGroup, _ host: String, _ port: UInt16, _ security: TransportSecurity, _ password: Secret,
  onMail: @escaping @Sendable (UInt32) -> Void
) {
  let loop = group.next()
  loop.submit {
    _ = ClientChannel(
      loop: loop, host: host, port: port, security: security, delegate: Watcher(password, onMail: onMail))
  }
}

private func busiest(_ pool: IMAPPool, _ names: [MailboxName]) async throws -> MailboxName? {
  try await withThrowingTaskGroup(of: (MailboxName, Int).self) { group in
    for name in names {
      group.addTask { (name, try await pool.withClient(in: name) { try await $0.search(.unseen).count }) }
    }
    return try await group.reduce(nil as (MailboxName, Int)?) { ($0?.1 ?? -1) < $1.1 ? $1 : $0 }?.0
  }
}

/// What a program stores.
private actor MailArchive {
  private(set) var resumePoint: ResumePoint?
  private(set) var events: [SessionEvent] = []

  func take(_ event: SessionEvent) { events.append(event) }

  func keep(_ point: ResumePoint?) { resumePoint = point }
}

private func follow(_ configuration: IMAPSession.Configuration, _ store: MailArchive, on loop: EventLoop) async {
  var configuration = configuration
  configuration.resumePoint = await store.resumePoint
  let session = IMAPSession(configuration, on: loop)
  for await event in await session.start() {
    await store.take(event)
    // Not before: what the point holds is known to the store by now.
    await store.keep(session.resumePoint)
  }
}

private func careful(_ show: @escaping @Sendable (String) -> Void) -> ClientConnection.Configuration {
  var configuration = ClientConnection.Configuration()
  configuration.limits.line = 1 << 20
  configuration.limits.bufferedLiteral = 64 << 10
  configuration.requiresTLS = true
  configuration.wireObserver = { line in show("\(line)") }
  return configuration
}

@Suite(.timeLimit(.minutes(1))) struct ArticleSnippetTests {
  @Test func newMailIsHeardOf() async throws {
    let server = try await IMAPTestServer.start(.init(users: [.init("joe", password: "secret")]))
    var configuration = IMAPClient.Configuration(
      host: "127.0.0.1", port: server.tlsPort, trust: .pem(server.certificatePEM))
    configuration.connection.commandTimeout = .seconds(10)
    try await IMAPClient.withClient(configuration) { client in
      try await client.signIn(user: "joe", password: Secret("secret"))
      let inbox = try await client.select(.inbox)
      #expect(inbox.exists == 0)
      // What others do is done behind the client's back.
      _ = try await server.append(user: "joe", message: .init("Subject: lunch\n\nNoon?\n"))
      try await client.noop()
      #expect(await client.selected?.exists == 1)
    }
    await server.shutdown()
  }

  @Test func gettingStarted() async throws {
    let mail = [IMAPTestServer.Configuration.Message("Subject: =?utf-8?q?gr=C3=BCn?=\n\ntext\n")]
    let user = IMAPTestServer.Configuration.User(
      "joe", password: "secret", mailboxes: [.init(.inbox, messages: mail), .init("Lists", messages: mail + mail)])
    try await withTestServer(.init(users: [user])) { server in
      let configuration = IMAPClient.Configuration(
        host: "127.0.0.1", port: server.tlsPort, trust: .pem(server.certificatePEM))
      #expect(try await countUnseen(configuration, password: Secret("secret")) == 1)
      try await IMAPClient.withClient(configuration, on: server.loop) { client in
        try await client.signIn(user: "joe", password: Secret("secret"))
        try await client.select(.inbox)
        #expect(try await subjects(client) == ["grün"])
        let path = FileManager.default.temporaryDirectory.path + "/imap-article-\(UInt64.random(in: 0 ... .max)).eml"
        try await save(client, 1, to: path)
        #expect(try String(contentsOfFile: path, encoding: .utf8).contains("text"))
        try FileManager.default.removeItem(atPath: path)
        try await archive(client, [1])
        #expect(try await client.status("Archive", [.messages])?.messages == 1)
        _ = try await server.append(user: "joe", message: .init("Subject: news\n\ntext\n"))
        #expect(try await untilSomethingComes(client) == 1)
      }
      let pool = IMAPPool(
        .init(client: configuration) { .password(user: "joe", password: Secret("secret")) }, on: server.loop)
      #expect(try await busiest(pool, [.inbox, "Lists", "Archive"]) == "Lists")
      await pool.close()
    }
  }

  @Test func watching() async throws {
    try await withTestServer(.init(users: [.init("joe", password: "secret")])) { server in
      let group = try LoopGroup(threads: 2)
      let (counts, continuation) = AsyncStream.makeStream(of: UInt32.self)
      let port = try #require(server.tlsPort)
      let trusted = TransportSecurity.tls(try TLSContext.client(trust: .pem(server.certificatePEM)))
      watch(group, "127.0.0.1", port, trusted, Secret("secret")) { continuation.yield($0) }
      var seen = counts.makeAsyncIterator()
      #expect(await seen.next() == 0)
      _ = try await server.append(user: "joe", message: .numbered(1))
      #expect(await seen.next() == 1)
      await group.shutdown()
    }
  }

  @Test func whatIsSeen() async throws {
    let configuration = observed("imap.example.org", IMAPMetrics())
    #expect(configuration.recentLines == 20 && configuration.logger?.label == "mail")
    let lines = Mutex<[String]>([])
    let machine = careful { line in lines.withLock { $0.append(line) } }
    machine.wireObserver?(WireLine(.sent, "A1 NOOP"))
    #expect(lines.withLock { $0 } == ["C: A1 NOOP"])
    #expect(machine.limits.line == 1 << 20 && machine.requiresTLS)
  }
}

/// The articles of the documentation.
@Suite struct ArticleTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// The code of every article stands in a file that is built, and most of it in a test that runs.
  @Test func everyBlockIsBuilt() throws {
    let sources = try ["TestServerTests/ArticleSnippets.swift", "StateMachineTests/ReadmeTests.swift"].map { path in
      Self.flat(try String(contentsOf: Self.root.appendingPathComponent("Tests/\(path)"), encoding: .utf8))
    }
    var count = 0
    for module in ["IMAPStateMachine", "IMAPLoop", "IMAPTestServer"] {
      let folder = Self.root.appendingPathComponent("Sources/\(module)/\(module).docc")
      for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) where name.hasSuffix(".md") {
        let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
        for block in text.components(separatedBy: "```swift\n").dropFirst() {
          let code = Self.flat(block.components(separatedBy: "```")[0])
          #expect(sources.contains { $0.contains(code) }, "\(name): \(code)")
          count += 1
        }
      }
    }
    #expect(count >= 8)
  }

  /// Lines without their indentation, blank ones left out; what is private there is not in the article.
  private static func flat(_ text: String) -> String {
    text.split(separator: "\n").map { line in
      let line = line.drop { $0 == " " }
      return line.hasPrefix("private ") ? line.dropFirst("private ".count) : line
    }
    .filter { !$0.isEmpty }.joined(separator: "\n")
  }
}
