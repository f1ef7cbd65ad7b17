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
    /// How long the answer to that may take. A connection that gives none is closed, without LOGOUT.
    public var probeTimeout = Duration.seconds(5)
    /// What limits the connections of all pools to this host; nil for nothing. Where there are as many as there may be a call waits
    /// for one of its own pool and for room at the host, whichever comes first; pools that keep one which nobody uses close it.
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
  /// Those of them whom only a spare connection helps, and not that there may be one more.
  private var spareSeekers: Set<WaitList.ID> = []
  /// Those of them for whom there is room at the host.
  private var admitted: Set<WaitList.ID> = []
  /// What those have that were woken for a connection that came free, until they go on.
  private var handed: [WaitList.ID: Spare] = [:]
  /// Those that were woken as there may be one more, until they go on.
  private var promised: Set<WaitList.ID> = []
  /// How often one that waits was woken.
  private(set) var wakeCount = 0
  private var isClosed = false
  /// What the limit knows it by. Its own address may be another one's when it is gone.
  private let member = Member()

  private final class Member: Sendable {}

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

  /// As ``close()``. Whoever calls it keeps it, so all connections that there are by now are spare ones.
  deinit {
    if isClosed { return }
    let (clients, limit) = (spares.map(\.client), configuration.limit)
    Task { [member, host = configuration.client.host] in
      await limit?.leave(host, ObjectIdentifier(member))
      for client in clients {
        await client.leave()
        await limit?.give(host)
      }
    }
  }

  /// How many connections there are: in use, spare, and being opened, those included that wait for room at the host before that.
  public var connectionCount: Int { count }

  /// Runs `body` with a connection that nobody else uses meanwhile, with `mailbox` open where one is named: one that has it
  /// open already, else another that is spare, else a new one. Where there are as many as there may be it waits, in the
  /// order of the calls. Throws what `body` throws, and what connecting, logging in and SELECT throw.
  ///
  /// Where there is no connection to be had within `timeout` it throws `.connection(.timedOut(.turn))`. In that time falls all that
  /// comes before: the wait for one that comes free, for room at the host and for ``Configuration/loginLimit``, the question whether
  /// one is still there, connecting and logging in. SELECT does not, nor `body`.
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
    let old = spares + handed.values
    (spares, handed) = ([], [:])
    for spare in old { await end(spare.client) }
    await configuration.limit?.leave(configuration.client.host, ObjectIdentifier(member))
  }

  private func take(_ mailbox: MailboxName?, until deadline: MonotonicInstant?) async throws -> IMAPClient {
    // One for all its waits: it keeps its place in the line.
    let id = waiting.makeID()
    var mayLogIn = true
    while true {
      if isClosed { throw IMAPError.connection(.closedLocally) }
      if Task.isCancelled {
        // It may be this task that was woken.
        if let spare = handed.removeValue(forKey: id) { await pass(spare) } else { wakeOne() }
        throw IMAPError.cancelled(command: "connect")
      }
      if let spare = handed.removeValue(forKey: id) ?? takeSpare(mailbox) {
        if let client = try await usable(spare, orMore: mayLogIn, until: deadline) { return client }
      } else if mayLogIn, mayBeMore {
        switch try await roomOrSpare(mailbox, id, until: deadline) {
        case .room:
          if let client = try await connectInRoom(until: deadline) { return client }
          // It may not log in that soon. One that is there already may come free.
          mayLogIn = false
        case .spare(let spare):
          if let client = try await usable(spare, orMore: true, until: deadline) { return client }
        case .neither: break
        }
      } else {
        if !mayLogIn { spareSeekers.insert(id) }
        defer { spareSeekers.remove(id) }
        if await !isWoken(id, until: deadline) { throw Self.failure }
      }
    }
  }

  /// The spare connection that is taken next: one that has `mailbox` open, if there is one.
  private func takeSpare(_ mailbox: MailboxName?) -> Spare? {
    let index = spares.firstIndex { $0.mailbox == mailbox } ?? spares.indices.last
    return index.map { spares.remove(at: $0) }
  }

  /// Waits for a connection to come free, or for whatever else resumes `id`. False where the time was over first, or the task was
  /// cancelled.
  private func isWoken(_ id: WaitList.ID, until deadline: MonotonicInstant?) async -> Bool {
    let timer = deadline.map { deadline in
      loop.schedule(after: left(until: deadline)) { [weak self] in self?.assumeIsolated { $0.giveUp(id) } }
    }
    defer { timer?.cancel() }
    let isWoken = await withTaskCancellationHandler {
      await park(id)
    } onCancel: {
      Task { await self.giveUp(id) }
    }
    promised.remove(id)
    if isWoken { wakeCount += 1 }
    return isWoken
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

  private func left(until deadline: MonotonicInstant) -> Duration { max(loop.now.duration(to: deadline), .zero) }

  /// Its client, where it can still be used; else it is ended, and its place is the caller's, where he may open one more: it was his
  /// turn. Throws where it has taken all the time that there was.
  private func usable(
    _ spare: Spare, orMore mayOpen: Bool, until deadline: MonotonicInstant?
  ) async throws -> IMAPClient? {
    if await isThere(spare, until: deadline) { return spare.client }
    await leaveHost(spare.client)
    count -= 1
    let isLate = deadline.map { loop.now >= $0 } ?? false
    if isLate || !mayOpen { wakeOne() }
    if isLate { throw Self.failure }
    return nil
  }

  private func isThere(_ spare: Spare, until deadline: MonotonicInstant?) async -> Bool {
    let client = spare.client
    if await client.phase == .closed { return false }
    if spare.since.duration(to: loop.now) < configuration.probeAfter { return true }
    let patience = deadline.map { min(left(until: $0), configuration.probeTimeout) } ?? configuration.probeTimeout
    let timer = loop.schedule(after: patience) {
      // Where nobody hears NOOP nobody hears LOGOUT.
      client.assumeIsolated { $0.channel.close() }
    }
    defer { timer.cancel() }
    return (try? await client.noop()) != nil
  }

  // MARK: Connecting

  /// What a call goes on with that has found no connection.
  private enum Found {
    /// It may open another one, which counts already, here and at the host.
    case room
    /// It has one that came free meanwhile.
    case spare(Spare)
    /// It has to look again.
    case neither
  }

  /// Waits for what comes first: room at the host for another connection, or one of this pool that comes free.
  private func roomOrSpare(
    _ mailbox: MailboxName?, _ id: WaitList.ID, until deadline: MonotonicInstant?
  ) async throws -> Found {
    count += 1
    guard let limit = configuration.limit else { return .room }
    let host = configuration.client.host
    await limit.join(host, ObjectIdentifier(member)) { [weak self] in await self?.endSpare() }
    let hasRoom = await limit.tryTake(host)
    if isClosed {
      if hasRoom { await limit.give(host) }
      await limit.leave(host, ObjectIdentifier(member))
      leave()
      return .neither
    }
    if hasRoom { return .room }
    if let spare = takeSpare(mailbox) {
      leave()
      return .spare(spare)
    }
    spareSeekers.insert(id)
    let taking = Task { if await limit.take(host, for: ObjectIdentifier(member)) { admit(id) } }
    let isWoken = await self.isWoken(id, until: deadline)
    // Not later: `close` ends what nobody has taken.
    let spare = handed.removeValue(forKey: id)
    taking.cancel()
    await taking.value
    spareSeekers.remove(id)
    let isAdmitted = admitted.remove(id) != nil
    if isAdmitted, isWoken, spare == nil, !Task.isCancelled, !isClosed { return .room }
    if isAdmitted { await limit.give(host) }
    leave()
    if let spare {
      if !Task.isCancelled, !isClosed { return .spare(spare) }
      await pass(spare)
    }
    if !isWoken || Task.isCancelled { throw Self.failure }
    return .neither
  }

  private func admit(_ id: WaitList.ID) {
    admitted.insert(id)
    _ = waiting.resume(id)
  }

  /// Opens a connection for which there is room. Nil where it may not log in before `deadline`.
  private func connectInRoom(until deadline: MonotonicInstant?) async throws -> IMAPClient? {
    do {
      if let client = try await connect(until: deadline) { return client }
    } catch {
      await configuration.limit?.give(configuration.client.host)
      leave()
      throw error
    }
    await configuration.limit?.give(configuration.client.host)
    leave()
    return nil
  }

  private func connect(until deadline: MonotonicInstant?) async throws -> IMAPClient? {
    let host = configuration.client.host
    guard let deadline else {
      try await configuration.loginLimit?.wait(for: host)
      return try await connect()
    }
    if try await configuration.loginLimit?.wait(for: host, within: left(until: deadline)) == false { return nil }
    let connecting = Task { try await connect() }
    let timer = loop.schedule(after: left(until: deadline)) { connecting.cancel() }
    defer { timer.cancel() }
    do {
      return try await withTaskCancellationHandler {
        try await connecting.value
      } onCancel: {
        connecting.cancel()
      }
    } catch {
      guard !Task.isCancelled, loop.now >= deadline else { throw error }
      switch error {
      case IMAPError.cancelled, is CancellationError: throw Self.failure
      default: throw error
      }
    }
  }

  private func connect() async throws -> IMAPClient {
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
    if waiting.isEmpty, !spares.isEmpty { await end(spares.removeFirst().client) }
  }

  private func give(_ client: IMAPClient) async {
    let (phase, mailbox) = await client.standing
    // The next one wants a connection that somebody has logged in on.
    let isUsable =
      switch phase {
      case .authenticated, .selected: true
      default: false
      }
    if !isUsable { return await end(client) }
    await pass(Spare(client: client, mailbox: mailbox, since: loop.now))
  }

  /// Hands it to whoever has waited longest, keeps it where nobody waits, and ends it where there are enough.
  private func pass(_ spare: Spare) async {
    let isTooMany = count > maximum || (waiting.isEmpty && spares.count >= configuration.spare)
    if isClosed || isTooMany { return await end(spare.client) }
    var first: WaitList.ID?
    waiting.resumeFirst { id in
      first = id
      return true
    }
    if let first {
      handed[first] = spare
      return
    }
    // In the turn in which it was looked whether the pool is closed.
    spares.append(spare)
    // Others may have asked for it while it was in use.
    if let limit = configuration.limit, await limit.isWanted(configuration.client.host) { await endSpare() }
  }

  private func end(_ client: IMAPClient) async {
    await leaveHost(client)
    leave()
  }

  private func leaveHost(_ client: IMAPClient) async {
    await client.leave()
    await configuration.limit?.give(configuration.client.host)
  }

  private func leave() {
    count -= 1
    wakeOne()
  }

  /// Whether there may be one more, beside those that somebody was woken for.
  private var mayBeMore: Bool { count + promised.count < (isGreeted ? maximum : 1) }

  /// Wakes whoever has waited longest for there being one more, where there may be. While there are spare ones nobody waits.
  private func wakeOne() {
    if !mayBeMore { return }
    waiting.resumeFirst { id in
      let isMeant = !spareSeekers.contains(id)
      if isMeant { promised.insert(id) }
      return isMeant
    }
  }
}
