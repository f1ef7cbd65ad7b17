import IMAPStateMachine

/// Connections to one account that are shared by many tasks: each has one for itself while it needs it.
///
/// ```swift
/// let count = try await pool.withClient(in: "Archive") { client in try await client.search(.all).count }
/// ```
public actor IMAPPool {
  /// What a pool does.
  public struct Configuration: Sendable {
    /// Where to connect, and how.
    public var client: IMAPClient.Configuration
    /// Who logs in. Asked at each connect.
    public var credentials: @Sendable () async throws -> SignInCredentials
    /// How many connections there may be, those included whose holders idle.
    public var maximum = 4
    /// How many connections nobody uses are kept; the others log out when they come back.
    public var spare = 2
    /// A connection that nobody has used for so long is asked whether it is still there before it is handed out.
    public var probeAfter = Duration.seconds(30)
    /// What limits the connections of all pools to this host; nil for nothing.
    public var limit: ConnectionLimit?
    /// What limits how often all that share this log in to the host; nil for nothing.
    public var loginLimit: LoginLimit?
    /// Where the provider of the host is looked for: its bounds hold, too.
    public var profiles = HostProfile.known

    /// A pool of up to four connections.
    public init(
      client: IMAPClient.Configuration, credentials: @escaping @Sendable () async throws -> SignInCredentials
    ) {
      self.client = client
      self.credentials = credentials
    }
  }

  private struct Spare {
    let client: IMAPClient
    let mailbox: MailboxName?
    let since: MonotonicInstant
  }

  private let loop: EventLoop
  private let configuration: Configuration
  /// How many there may be. The greeting may say that it is less.
  private var maximum: Int
  /// Whether all is known that the greeting says; until then the first connection goes alone.
  private var isGreeted = true
  private var spares: [Spare] = []
  /// How many there are: spare, in use, and being connected.
  private var count = 0
  private var waiting = WaitList()
  private var isClosed = false

  /// The loop's thread.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

  /// A pool on `loop`, without connections.
  public init(_ configuration: Configuration, on loop: EventLoop) {
    self.loop = loop
    var configuration = configuration
    if let profile = HostProfile.find(host: configuration.client.host, in: configuration.profiles) {
      configuration.client.apply(profile)
      if let most = profile.connections { configuration.maximum = min(configuration.maximum, most) }
    }
    self.configuration = configuration
    let maximum = max(configuration.maximum, 1)
    self.maximum = maximum
    if HostProfile.find(host: configuration.client.host, in: configuration.profiles) == nil {
      isGreeted = !configuration.profiles.contains { profile in
        profile.greeting != nil && profile.connections.map { $0 < maximum } ?? false
      }
    }
  }

  /// How many connections there are: in use, spare, and being opened.
  public var connectionCount: Int { count }

  /// Runs `body` with a connection that nobody else uses meanwhile, with `mailbox` open where one is named: one that has it
  /// open already, else another that is spare, else a new one. Where there are as many as there may be it waits, in the
  /// order of the calls, and no longer than `timeout`. Throws what `body` throws, and what connecting, logging in and SELECT
  /// throw; `.connection(.timedOut(.turn))` where no connection came free in time.
  public func withClient<Value: Sendable>(
    in mailbox: MailboxName? = nil, timeout: Duration? = nil, _ body: @Sendable (IMAPClient) async throws -> Value
  ) async throws -> Value {
    let client = try await take(mailbox, until: timeout.map { loop.now.advanced(by: $0) })
    do {
      // One that somebody has opened for reading only is not what this caller expects.
      if let mailbox {
        let selected = await client.settledMailbox
        if selected?.name != mailbox || selected?.isReadOnly == true { try await client.select(mailbox) }
      }
      let value = try await body(client)
      await give(client)
      return value
    } catch {
      await give(client)
      throw error
    }
  }

  /// Logs out of all connections that nobody uses, and of the others as they come back. Calls that wait, and later ones, throw
  /// `.connection(.closedLocally)`.
  public func close() async {
    isClosed = true
    waiting.resumeAll()
    let old = spares
    spares = []
    for spare in old { await end(spare.client) }
    await configuration.limit?.leave(configuration.client.host, ObjectIdentifier(self))
  }

  private func take(_ mailbox: MailboxName?, until deadline: MonotonicInstant?) async throws -> IMAPClient {
    while true {
      if isClosed { throw IMAPError.connection(.closedLocally) }
      if Task.isCancelled {
        // It may be this task that was woken.
        wakeOne()
        throw IMAPError.cancelled(command: "connect")
      }
      if let index = spares.firstIndex(where: { $0.mailbox == mailbox }) ?? spares.indices.last {
        let spare = spares.remove(at: index)
        if await isThere(spare) { return spare.client }
        await end(spare.client)
      } else if count < (isGreeted ? maximum : 1), try await mayConnect(until: deadline) {
        do { return try await connect() } catch {
          await configuration.limit?.give(configuration.client.host)
          leave()
          throw error
        }
      } else if spares.isEmpty {
        try await wait(until: deadline)
      }
    }
  }

  /// Waits for a connection to come free.
  private func wait(until deadline: MonotonicInstant?) async throws {
    let id = waiting.makeID()
    let timer = deadline.map { deadline in
      loop.schedule(after: loop.now.duration(to: deadline)) { [weak self] in self?.assumeIsolated { $0.giveUp(id) } }
    }
    defer { timer?.cancel() }
    let isWoken = await withTaskCancellationHandler {
      await park(id)
    } onCancel: {
      Task { await self.giveUp(id) }
    }
    if !isWoken { throw Self.failure }
  }

  /// Why a wait ended without a connection.
  private static var failure: IMAPError {
    Task.isCancelled ? .cancelled(command: "connect") : .connection(.timedOut(.turn))
  }

  private func park(_ id: WaitList.ID) async -> Bool {
    await withCheckedContinuation { continuation in
      if Task.isCancelled { continuation.resume(returning: false) } else { waiting.add(id, continuation) }
    }
  }

  private func giveUp(_ id: WaitList.ID) { waiting.cancel(id) }

  private func isThere(_ spare: Spare) async -> Bool {
    if await spare.client.phase == .closed { return false }
    if spare.since.duration(to: loop.now) < configuration.probeAfter { return true }
    return (try? await spare.client.noop()) != nil
  }

  /// Whether another connection may be opened, which then counts. Where the host has as many as it may, one of this pool will
  /// come back; only a pool that has none waits for those of others.
  private func mayConnect(until deadline: MonotonicInstant?) async throws -> Bool {
    count += 1
    guard let limit = configuration.limit else { return true }
    let host = configuration.client.host
    await limit.join(host, ObjectIdentifier(self)) { [weak self] in await self?.endSpare() }
    if await limit.tryTake(host) { return true }
    if count > 1 {
      count -= 1
      return false
    }
    let taking = Task { await limit.take(host) }
    let timer = deadline.map { loop.schedule(after: loop.now.duration(to: $0)) { taking.cancel() } }
    defer { timer?.cancel() }
    let isTaken = await withTaskCancellationHandler {
      await taking.value
    } onCancel: {
      taking.cancel()
    }
    if isTaken { return true }
    leave()
    throw Self.failure
  }

  private func connect() async throws -> IMAPClient {
    try await configuration.loginLimit?.wait(for: configuration.client.host)
    let client = try await IMAPClient.connect(configuration.client, on: loop)
    do {
      let greeting = await client.greeting?.text ?? ""
      let profile = HostProfile.find(host: configuration.client.host, greeting: greeting, in: configuration.profiles)
      if let profile { await client.apply(profile) }
      await learn(profile)
      if await client.phase == .notAuthenticated { try await client.signIn(configuration.credentials()) }
      if profile?.needsID == true, try await client.supports(.id) {
        _ = try await client.id(HostProfile.identification)
      }
      return client
    } catch {
      await client.close()
      throw error
    }
  }

  /// The greeting came: what it tells of the provider holds from now on.
  private func learn(_ profile: HostProfile?) async {
    let wasGreeted = isGreeted
    isGreeted = true
    if let most = profile?.connections { maximum = min(maximum, max(most, 1)) }
    while count > maximum, let spare = spares.popLast() { await end(spare.client) }
    // They have waited for this, and no connection comes back for it.
    if !wasGreeted { for _ in 1..<max(maximum, 2) { wakeOne() } }
  }

  /// Somebody else needs a connection to the host.
  private func endSpare() async {
    if !spares.isEmpty { await end(spares.removeFirst().client) }
  }

  private func give(_ client: IMAPClient) async {
    let (phase, mailbox) = await client.standing
    // The next one wants a connection that somebody has logged in on.
    let isUsable =
      switch phase {
      case .authenticated, .selected: true
      default: false
      }
    let isTooMany = count > maximum || (waiting.isEmpty && spares.count >= configuration.spare)
    if !isUsable || isClosed || isTooMany { return await end(client) }
    // In the turn in which it was looked whether the pool is closed.
    spares.append(Spare(client: client, mailbox: mailbox, since: loop.now))
    wakeOne()
  }

  private func end(_ client: IMAPClient) async {
    await client.leave()
    await configuration.limit?.give(configuration.client.host)
    leave()
  }

  private func leave() {
    count -= 1
    wakeOne()
  }

  private func wakeOne() {
    waiting.resumeFirst()
  }
}
