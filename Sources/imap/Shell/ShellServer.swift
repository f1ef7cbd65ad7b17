import IMAPLoop
import IMAPStateMachine
import Synchronization

/// The one connection of a shell. It is opened again when it was lost, with the mailbox that was open.
final class ShellServer: MailServer {
  let connector: Connector
  private let loop: EventLoop
  private let wire = WireSwitch()
  private let state: Mutex<State>

  private struct State {
    /// Nil where the server may know who asks.
    var credentials: SignInCredentials?
    var client: IMAPClient?
    /// The mailbox that the shell is in.
    var mailbox: MailboxName?
    var isReadOnly = true
    /// What `-` stands for.
    var found: (mailbox: MailboxName, uidValidity: UInt64?, uids: [UID])?
    /// How many messages the mailbox had when the last command began.
    var count: (mailbox: MailboxName, uidValidity: UInt64?, count: UInt32)?
    /// Whether the server has refused IDLE, which was told.
    var refusesIdle = false
    /// The names that Tab completes; nil until they are asked for.
    var names: [String]?
  }

  /// Connects, and shows the lines of the wire where that is wanted from the start.
  init(_ connector: Connector, showsWire: Bool) async throws {
    var connector = connector
    connector.wireObserver = { [wire] in wire.show($0) }
    if showsWire {
      wire.set { Console.error($0) }
      // Each line is shown once, and not where `wire off` was said.
      connector.logger?.logLevel = .debug
    }
    self.connector = connector
    let credentials = try connector.credentials()
    loop = try EventLoop.start()
    state = Mutex(State(credentials: credentials))
    do {
      let client = try await connector.connect(credentials, on: loop)
      state.withLock { $0.client = client }
    } catch {
      await loop.shutdown()
      throw error
    }
  }

  /// Logs out.
  func end() async {
    let client = state.withLock { state in
      defer { state.client = nil }
      return state.client
    }
    await client?.logout()
    await loop.shutdown()
  }

  /// The mailbox that the shell is in; nil where it is in none.
  var mailbox: MailboxName? { state.withLock(\.mailbox) }

  /// The connection, if there is one.
  var client: IMAPClient? { state.withLock(\.client) }

  let ownsInput = true

  var openMailbox: MailboxName? { mailbox }

  let openingAdvice = "open one by `select`, or name one by --mailbox"

  // MARK: Commands

  func withServer(_ body: (_ client: IMAPClient, _ host: String) async throws -> Void) async throws {
    try await talking { client in
      try await reopen(client)
      try await body(client, connector.name)
    }
  }

  func withMailbox(
    _ mailbox: String?, changing: Bool, _ body: (IMAPClient, SelectedMailbox) async throws -> Void
  ) async throws {
    guard let name = mailbox.map({ MailboxName($0) }) ?? self.mailbox else {
      throw Failure(.usage, "no mailbox is open; \(openingAdvice)")
    }
    try await talking { client in
      if let selected = await client.selected, selected.name == name, !changing || !selected.isReadOnly {
        return try await body(client, selected)
      }
      let selected = try await MailboxError.naming(name) { try await open(name, changing: changing, client) }
      state.withLock { state in
        if state.mailbox == name { state.isReadOnly = !changing }
      }
      try await body(client, selected)
    }
  }

  func listedUIDs() throws(Failure) -> NamedMessages {
    guard let found = state.withLock(\.found) else {
      throw Failure(.usage, "- stands for what the last search has found, and there was none")
    }
    return NamedMessages(found.uids, of: found.mailbox, uidValidity: found.uidValidity)
  }

  /// The connection stays: the shell cancels the task, and sees to it that the next command has one that answers.
  func ending(_ client: IMAPClient, _ consequence: String, _ work: () async throws -> Void) async throws {
    do { try await work() } catch {
      throw Task.isCancelled ? Failure(.interrupted, "interrupted; \(consequence)") : error
    }
  }

  func found(_ uids: [UID], in mailbox: SelectedMailbox) {
    state.withLock { $0.found = (mailbox.name, mailbox.uidValidity, uids) }
  }

  /// The shell is now in the mailbox that the last command has opened.
  func stay() async {
    guard let selected = await client?.selected else { return }
    state.withLock { state in
      state.mailbox = selected.name
      state.count = nil
      state.isReadOnly = selected.isReadOnly
    }
  }

  // MARK: The connection

  /// Ends the connection and opens another one.
  func reconnect() async throws {
    await drop()
    try await withClient { _ in }
  }

  /// Ends the connection, at once and without a word. The next command opens another one.
  func drop() async {
    let client = state.withLock { state in
      defer { state.client = nil }
      return state.client
    }
    await client?.close()
  }

  /// Whether the server is done within `duration` with what it was told so far.
  func answers(within duration: Duration) async -> Bool {
    guard let client else { return true }
    return await withTaskGroup(of: Bool.self) { group in
      group.addTask { (try? await client.noop()) != nil }
      group.addTask {
        try? await Task.sleep(for: duration)
        return false
      }
      defer { group.cancelAll() }
      return await group.next() ?? false
    }
  }

  /// Runs `body` with a connection, and forgets that where it has ended.
  private func talking(_ body: (IMAPClient) async throws -> Void) async throws {
    let client = try await connected()
    do {
      try await body(client)
    } catch {
      await forget(client)
      if Task.isCancelled { throw Failure(interrupted: error) }
      throw Failure(serverError: error, host: connector.name) ?? error
    }
    await forget(client)
  }

  private func connected() async throws -> IMAPClient {
    if let client {
      await forget(client)
      if let client = self.client { return client }
    }
    if connector.account.credentials.isRepeatable {
      // Tokens live for an hour.
      let credentials = try connector.credentials()
      state.withLock { $0.credentials = credentials }
    }
    let client = try await connector.connect(state.withLock(\.credentials), on: loop)
    state.withLock { $0.client = client }
    return client
  }

  /// Opens the mailbox that the shell is in where another one, or none, is open.
  private func reopen(_ client: IMAPClient) async throws {
    let (name, isReadOnly) = state.withLock { ($0.mailbox, $0.isReadOnly) }
    guard let name, await client.selected?.name != name else { return }
    do { _ = try await open(name, changing: !isReadOnly, client) } catch {
      // It has gone, or may not be opened any more: the shell is in none, so that the next command works.
      if await client.phase != .closed { state.withLock { $0.mailbox = nil } }
      throw error
    }
  }

  /// Forgets `client` where it has ended. Returns whether it has.
  @discardableResult
  private func forget(_ client: IMAPClient) async -> Bool {
    switch await client.phase {
    case .closed, .loggingOut: break
    default: return false
    }
    state.withLock { state in
      if state.client === client { state.client = nil }
    }
    return true
  }

  /// Whether the lines of the wire are shown.
  var showsWire: Bool { wire.isOn }

  /// Hands each line of the wire, without secrets, to `show`, or no longer.
  func showWire(_ isOn: Bool, _ show: @escaping @Sendable (String) -> Void) { wire.set(isOn ? show : nil) }

  // MARK: Between commands

  /// Keeps the connection alive until the task is cancelled, and hands what happens to `announce`.
  func keep(announce: @escaping @Sendable ([String]) -> Void) async {
    guard let client else { return }
    do {
      try await reopen(client)
      let (events, mailbox) = await client.news()
      tellGrowth(mailbox, announce)
      let gatherer = NewsGatherer(mailbox)
      defer { state.withLock { $0.count = mailbox.map { ($0.name, $0.uidValidity, gatherer.count) } } }
      let telling = Task { await Self.tell(events, gatherer, announce) }
      defer { telling.cancel() }
      var idles = try await client.supports(.idle) && !state.withLock(\.refusesIdle)
      while !Task.isCancelled {
        if idles {
          do throws(IMAPError) { try await client.idle() } catch {
            // Some servers announce IDLE and refuse it. That is told once, and not above each line.
            guard let status = error.refusal else { throw error }
            idles = false
            state.withLock { $0.refusesIdle = true }
            announce(["* \(WatchCommand.idleRefusal(status)); it is asked every 30 seconds"])
          }
        } else {
          try await client.noop()
          try? await Task.sleep(for: Self.pollInterval)
        }
      }
    } catch {
      guard var error = error as? IMAPError else { return }
      if case .cancelled = error { return }
      // Whether IDLE was done is nobody's concern.
      if case .outcomeUnknown(_, let cause) = error { error = .connection(cause) }
      let message = Failure(error, host: connector.name).message
      announce([await forget(client) ? "* \(message); the next command connects again" : "* \(message)"])
    }
  }

  /// Tells of messages that came while a command ran.
  private func tellGrowth(_ mailbox: SelectedMailbox?, _ announce: ([String]) -> Void) {
    let known = state.withLock(\.count)
    guard let mailbox, let known, known.mailbox == mailbox.name, known.uidValidity == mailbox.uidValidity else {
      return
    }
    var news = ShellNews(mailbox, count: known.count)
    if news.take(.exists(mailbox.exists)) { announce(news.lines()) }
  }

  /// Tells of `events`, those that come together at once.
  private static func tell(
    _ events: AsyncStream<MailboxEvent>, _ gatherer: NewsGatherer, _ announce: @escaping @Sendable ([String]) -> Void
  ) async {
    for await event in events where gatherer.take(event) {
      // Not a child of the task that waits for news: what came before that was cancelled is told all the same.
      Task {
        try? await Task.sleep(for: gathering)
        announce(gatherer.lines())
      }
    }
  }

  /// The mailboxes for Tab. Asked for once, and again when a command has changed them.
  func mailboxNames() async -> [String] {
    if let names = state.withLock(\.names) { return names }
    guard let client, let listings = try? await client.list() else { return [] }
    let names = listings.filter { !$0.attributes.contains("\\NonExistent") }.map(\.name.description)
    state.withLock { $0.names = names }
    return names
  }

  /// A command may have changed which mailboxes there are.
  func forgetNames() { state.withLock { $0.names = nil } }

  /// Events that come within this time are told of together.
  private static let gathering = Duration.milliseconds(100)
  /// How often a server without IDLE is asked.
  private static let pollInterval = Duration.seconds(30)
}

/// Shows the lines of the wire while it is on.
private final class WireSwitch: Sendable {
  private let output = Mutex<(@Sendable (String) -> Void)?>(nil)

  func set(_ output: (@Sendable (String) -> Void)?) { self.output.withLock { $0 = output } }

  var isOn: Bool { output.withLock { $0 != nil } }

  func show(_ line: WireLine) {
    let output = output.withLock { $0 }
    output?("\(line)")
  }
}
