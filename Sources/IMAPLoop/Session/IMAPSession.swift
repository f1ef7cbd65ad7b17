import IMAPStateMachine
import Synchronization

/// A client that stays: connected to one account, with one mailbox open, watching it. It connects again when the connection is
/// lost, with growing waits, and says what happened in the meantime.
///
/// ```swift
/// let session = IMAPSession(.init(client: .init(host: "imap.example.org")) { .password(user: "joe", password: secret) }, on: loop)
/// for await event in await session.start() { print(event) }
/// ```
///
/// A program that stores what the events say stores ``resumePoint`` with it: its next process gives that to
/// ``Configuration/resumePoint``, and is told what has changed since instead of all messages.
///
/// It never repeats a command by itself: one whose answer was lost throws `.outcomeUnknown`, and only its caller knows whether it
/// may be done twice.
public actor IMAPSession {
  /// What a session does.
  public struct Configuration: Sendable {
    /// Where to connect, and how.
    public var client: IMAPClient.Configuration
    /// Who logs in. Asked at each connect: a token may have expired. What it throws counts as a failure to connect.
    public var credentials: @Sendable () async throws -> SignInCredentials
    /// The mailbox to watch.
    public var mailbox: MailboxName
    /// Whether the mailbox is opened for reading only.
    public var isReadOnly: Bool
    /// What is known of the mailbox from before, for the first connection; nil for nothing. With QRESYNC or CONDSTORE only changes are
    /// asked for: `.changes`; with neither all messages: `.current`. Where the mailbox has another UID validity value: `.fresh`.
    public var resumePoint: ResumePoint?
    /// What is asked for when the mailbox is opened.
    public var catchUp = CatchUp.all
    /// What is enabled at each connect, as far as the server has it, besides QRESYNC, which always is.
    public var enabling: [Capability] = []
    /// What the server is told of the client, where it has ID (RFC 2971); nil tells nothing.
    public var identification: [IDField]?
    /// How long to wait between attempts.
    public var backoff = Backoff()
    /// How often a server without IDLE is asked for news.
    public var pollInterval = Duration.seconds(120)
    /// What a server with NOTIFY (RFC 5465) shall tell by itself, instead of IDLE, once the mailbox is open: with it news of other
    /// mailboxes come as well. Nil for IDLE. A server that lacks it, or refuses this, is watched by IDLE.
    public var notify: NotifyRequest?
    /// How often a connection that waits for NOTIFY's news asks for them, so that it is not forgotten on the way.
    public var keepAlive = Duration.seconds(240)
    /// What limits how often all that share this log in to the host; nil for nothing.
    public var loginLimit: LoginLimit?
    /// What limits how many connections all that share this have to the host; nil for nothing. A session that finds no room
    /// waits for it.
    public var connectionLimit: ConnectionLimit?
    /// Where the provider of the host is looked for: its bounds hold, too.
    public var profiles = HostProfile.known

    /// Asked when the server has refused the credentials: whether there are others to be had now, as those were kept from before, a
    /// token for example. Then they are asked for once more. Nil, false, and the next refusal end the session, as trying again
    /// could lock the account.
    public var credentialsRefused: (@Sendable () async -> Bool)?

    /// A session that watches `mailbox`.
    public init(
      client: IMAPClient.Configuration, mailbox: MailboxName = .inbox, isReadOnly: Bool = false,
      identification: [IDField]? = nil, credentials: @escaping @Sendable () async throws -> SignInCredentials
    ) {
      self.client = client
      self.mailbox = mailbox
      self.isReadOnly = isReadOnly
      self.identification = identification
      self.credentials = credentials
    }
  }

  /// What a session asks for when it has opened its mailbox.
  public enum CatchUp: Hashable, Sendable {
    /// What has become of the messages since the last connection, and at the first one which there are.
    case all
    /// Nothing: for whoever only wants to hear what happens from now on. ``Resumption/notAsked`` comes with each connection, unless a
    /// server with QRESYNC tells the changes without being asked for more than SELECT.
    case none
  }

  /// What a session is doing.
  public enum State: Hashable, Sendable {
    /// Nothing: it was not started, or is over.
    case idle
    /// Connecting.
    case connecting
    /// Logging in.
    case loggingIn
    /// Opening the mailbox.
    case opening
    /// Watching the mailbox.
    case watching
    /// Waiting for the next attempt to connect.
    case waiting
  }

  private let loop: EventLoop
  private let configuration: Configuration
  private var backoff: Backoff
  /// Whoever takes the events has it.
  private weak var events: EventQueue<SessionEvent>?
  private var running: Task<Void, Never>?
  private var isStopping = false
  /// Whether other credentials were asked for since the last login.
  private var hasRenewed = false
  private var live: IMAPClient?
  /// What is known of the mailbox, to go on from there; nil before it was opened.
  private var known: Known?
  /// How many events were told, and how many of them were taken.
  private var eventCount = 0
  private let takenCount = TakenCount()
  private var resumePoints = ResumePoints()
  /// Whether events were lost because nobody took them.
  private var hasOverflown = false
  private var waiting = WaitList()
  private var sleeper: CheckedContinuation<Void, Never>?
  private var timer: LoopTimer?
  /// What comes while the mailbox is being opened; nil once it is.
  private var news: OpeningNews?
  /// What ``IMAPClient/selection`` is while the mailbox is open that is watched.
  private var selection: UInt64 = 0
  /// How many callers of ``withClient(_:)`` are at work, by their connection: one that was lost may still have some.
  private var users: [ObjectIdentifier: Int] = [:]
  /// Whether the server tells the news by itself.
  private var isNotified = false
  /// Whether the mailbox is being opened again because one of them has left it.
  private var isReopening = false
  /// The connection that there was last, or is.
  private var latest: IMAPClient?

  private struct Known {
    var uidValidity: UInt64?
    var modSeq: ModSeq?
    var uids: UIDSet?

    init(_ point: ResumePoint) { (uidValidity, modSeq, uids) = (point.uidValidity, point.modSeq, point.knownUIDs) }

    init(_ mailbox: SelectedMailbox) { (uidValidity, modSeq) = (mailbox.uidValidity, mailbox.highestModSeq) }
  }

  /// How many events were taken, which any thread may do.
  private final class TakenCount: Sendable {
    let count = Atomic(0)
  }

  /// What the session is doing now.
  public private(set) var state = State.idle

  /// The loop's thread.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

  /// A session on `loop`, which does nothing before ``start()``.
  public init(_ configuration: Configuration, on loop: EventLoop) {
    self.loop = loop
    var configuration = configuration
    if let profile = HostProfile.find(host: configuration.client.host, in: configuration.profiles) {
      configuration.client.apply(profile)
    }
    self.configuration = configuration
    backoff = configuration.backoff
    known = configuration.resumePoint.map { Known($0) }
  }

  /// Connects, and stays connected until ``stop()``. The stream has all that happens; it ends behind `.stopped`. Up to 100,000
  /// events, or 32 MiB of what the server has said, wait to be taken: where more come the session connects anew, and says what
  /// there is then. A second call returns a stream that has ended.
  public func start() -> AsyncStream<SessionEvent> {
    let queue = EventQueue<SessionEvent>(dropping: .newest, count: Self.mostEvents, bytes: Self.mostBytes)
    let stream = AsyncStream(unfolding: { [takenCount] in
      let event = try? await queue.next()
      if event != nil { takenCount.count.add(1, ordering: .relaxed) }
      return event
    })
    if running != nil || isStopping {
      queue.finish()
      return stream
    }
    events = queue
    running = Task { await run() }
    return stream
  }

  /// Logs out and ends the session. Returns when it is over. A connection that is not ready yet is given up at once.
  public func stop() async {
    isStopping = true
    wake()
    // Nobody waits for what the session itself has asked for.
    if let live { await live.logOut(isHurried: !hasUsers(live)) } else { running?.cancel() }
    await running?.value
  }

  /// From where another session can go on for whoever knows all that the events have said that were taken by now: ask for it when the
  /// work on an event is done, and store it with what that has changed. It may be somewhat older than that, never newer: then some
  /// changes are told again. What no event says counts as known: flags that a caller of ``withClient(_:)`` has asked for or
  /// stored silently (``SessionEvent``), and all that ``CatchUp/none`` does not ask for. Nil before the first `.connected`, and
  /// where the server names no UID validity value.
  public var resumePoint: ResumePoint? {
    resumePoints.point(behind: takenCount.count.load(ordering: .relaxed))
  }

  /// The connection that there is now.
  public var client: IMAPClient? { live }

  /// The last lines of the wire, where `client.recentLines` of the configuration asked for them: of the connection that there is, else
  /// of the last one.
  public var recentLines: [RecentLine] {
    get async { await latest?.recentLines ?? [] }
  }

  /// Runs `body` with the connection, waiting for one where there is none. While the session watches the mailbox its IDLE
  /// gives way to each command by itself. Throws what `body` throws; `.connection(.closedLocally)` where the session is over.
  ///
  /// `body` may open another mailbox. When nobody uses the connection any more the session opens its own again, and says what has
  /// become of it by another `.connected`; what happens in the other one is not told.
  public func withClient<Value: Sendable>(
    _ body: @Sendable (IMAPClient) async throws -> Value
  ) async throws -> Value {
    while live == nil || isReopening {
      if isStopping || running == nil { throw IMAPError.connection(.closedLocally) }
      let id = waiting.makeID()
      let isWoken = await withTaskCancellationHandler {
        await park(id)
      } onCancel: {
        Task { await self.giveUp(id) }
      }
      if !isWoken { throw IMAPError.cancelled(command: "connect") }
    }
    guard let live else { throw IMAPError.connection(.closedLocally) }
    users[ObjectIdentifier(live), default: 0] += 1
    do {
      let value = try await body(live)
      await userLeft(live)
      return value
    } catch {
      await userLeft(live)
      throw error
    }
  }

  // MARK: Staying

  private func run() async {
    var reason: IMAPError?
    while !isStopping {
      do throws(IMAPError) {
        try await connectAndWatch()
      } catch let failure {
        live = nil
        if isStopping { break }
        let error = Self.withoutDoubt(failure)
        let isRenewed = await hasOthers(error)
        if isRenewed {
          hasRenewed = true
          // A server that has taken them and refuses what comes behind is not asked again at once.
          if state == .loggingIn {
            yield(.disconnected(error, retryIn: .zero))
            continue
          }
        }
        // A transport that can be used once says so at the second attempt.
        if !isRenewed && Self.isFinal(error) || !configuration.client.transport.canReopen {
          reason = error
          break
        }
        let wait = backoff.failed(at: loop.now, retryAfter: error.retryAfter, chance: .random(in: 0 ... .max))
        state = .waiting
        yield(.disconnected(error, retryIn: wait))
        await sleep(wait)
      }
    }
    live = nil
    isStopping = true
    state = .idle
    release()
    yield(.stopped(reason))
    events?.finish()
  }

  /// Whether there are other credentials than those that were refused with `error`.
  private func hasOthers(_ error: IMAPError) async -> Bool {
    guard !hasRenewed, let credentialsRefused = configuration.credentialsRefused else { return false }
    switch error.reason {
    case .notAuthenticated, .expired: return await credentialsRefused() && !isStopping
    default: return false
    }
  }

  /// What the session asks for itself may be done twice: nobody's change is in doubt where its answer was lost.
  private static func withoutDoubt(_ error: IMAPError) -> IMAPError {
    if case .outcomeUnknown(_, let cause) = error { .connection(cause) } else { error }
  }

  /// Trying again would lock the account, or go wrong in the same way.
  private static func isFinal(_ error: IMAPError) -> Bool {
    if case .invalidArgument = error { return true }
    return switch error.reason {
    case .notAuthenticated, .expired, .privacyRequired, .accessDisabled, .applicationPasswordRequired,
      .webLoginRequired:
      true
    default: false
    }
  }

  private func connectAndWatch() async throws(IMAPError) {
    state = .connecting
    guard let limit = configuration.connectionLimit else { return try await connectOnce() }
    let host = configuration.client.host
    guard await limit.take(host) else { throw .cancelled(command: "connect") }
    var failure: IMAPError?
    do throws(IMAPError) { try await connectOnce() } catch { failure = error }
    await limit.give(host)
    if let failure { throw failure }
  }

  private func connectOnce() async throws(IMAPError) {
    try await configuration.loginLimit?.wait(for: configuration.client.host)
    let (client, profile) = try await apart { () async throws(IMAPError) -> (IMAPClient, HostProfile?) in
      try await self.connect()
    }
    do throws(IMAPError) {
      try await watch(client, profile)
      // Stopped before there was a connection that could be logged out of.
      if Task.isCancelled { await client.close() }
      await client.waitUntilClosed()
    } catch {
      live = nil
      await client.close()
      throw error
    }
  }

  /// A connection that is logged in, with the mailbox open, which is ``client`` from then on.
  private func connect() async throws(IMAPError) -> (IMAPClient, HostProfile?) {
    let client = try await IMAPClient.connect(configuration.client, on: loop)
    latest = client
    do throws(IMAPError) {
      let greeting = await client.greeting?.text ?? ""
      let profile = HostProfile.find(host: configuration.client.host, greeting: greeting, in: configuration.profiles)
      if let profile { await client.apply(profile) }
      state = .loggingIn
      try await logIn(client, profile)
      state = .opening
      isNotified = false
      try await open(client, profile)
      // In the turn in which it is told: whoever hears of it finds the connection.
      backoff.succeeded(at: loop.now)
      hasRenewed = false
      state = .watching
      live = client
      release()
      return (client, profile)
    } catch {
      await client.close()
      throw error
    }
  }

  /// Runs `body` in a task of its own. A task keeps what it has once allocated for nested calls until it ends: the one that watches
  /// would keep 20 KB for as long as the connection lives.
  private func apart<Value: Sendable>(
    _ body: @escaping @Sendable () async throws(IMAPError) -> Value
  ) async throws(IMAPError) -> Value {
    let result = await withTaskGroup(of: Result<Value, IMAPError>.self) { group in
      group.addTask {
        do throws(IMAPError) { return .success(try await body()) } catch { return .failure(error) }
      }
      return await group.next()
    }
    guard let result else { throw .connection(.closedLocally) }
    return try result.get()
  }

  private func logIn(_ client: IMAPClient, _ profile: HostProfile?) async throws(IMAPError) {
    // PREAUTH, or a tunnel that knows who it is for.
    if await client.phase != .authenticated {
      let credentials: SignInCredentials
      do { credentials = try await configuration.credentials() } catch {
        throw .source(command: "LOGIN", "no credentials: \(error)")
      }
      try await client.signIn(credentials)
    }
    let fields = configuration.identification ?? (profile?.needsID == true ? HostProfile.identification : nil)
    if let fields, try await client.supports(.id) { _ = try await client.id(fields) }
    if try await client.supports(.enable) {
      var wanted: [Capability] = []
      for capability in [.qResync] + configuration.enabling where !wanted.contains(capability) {
        if try await client.supports(capability) { wanted.append(capability) }
      }
      if !wanted.isEmpty { try await client.enable(wanted) }
    }
  }

  /// Opens the mailbox and tells what became of it.
  private func open(_ client: IMAPClient, _ profile: HostProfile?) async throws(IMAPError) {
    let hasQResync = await client.enabled.contains(.qResync)
    var parameters = SelectParameters()
    if !hasQResync {
      parameters.condStore = try await client.supports(.condStore)
    } else if let known, let validity = known.uidValidity, let modSeq = known.modSeq, validity > 0, modSeq.rawValue > 0
    {
      let uids = known.uids.flatMap { canBeSent($0, profile) ? Self.withLaterOnes($0) : nil }
      parameters.qResync = QResyncParameters(uidValidity: validity, modSeq: modSeq, knownUIDs: uids)
    }
    self.news = OpeningNews()
    await client.deliver { [weak self, weak client] event, bytes in
      self?.assumeIsolated { $0.take(event, bytes, client) }
    } opened: { [weak self] in
      self?.assumeIsolated { $0.news?.selected() }
    }
    let selection = await client.selection + 1
    var (mailbox, vanished, changed) = try await client.resynchronize(
      configuration.mailbox, isReadOnly: configuration.isReadOnly, parameters)
    let resumption = try await MailboxTie.run(client, at: selection) { () async throws(IMAPError) -> Resumption in
      if parameters.qResync != nil, mailbox.resynchronization == .resynchronized, isKnown(mailbox), !wentBack(mailbox) {
        return .changes(vanished: vanished, changed: changed.compactMap { MessageState($0) })
      }
      if configuration.catchUp == .none { return .notAsked }
      let isCounted = hasQResync || parameters.condStore
      return try await states(of: mailbox, client, isCounted: isCounted, batch: profile?.fetchBatch)
    }
    if self.news?.isOverfull == true { throw .connection(.closedLocally) }
    // Another one may have been opened already, or SELECT be another's.
    guard let selected = await client.selected(at: selection) else { throw .mailboxWasLeft }
    self.selection = selection
    hasOverflown = false
    known = Known(selected)
    let news = self.news ?? OpeningNews()
    self.news = nil
    mailbox.exists -= min(mailbox.exists, news.expungedCount)
    yield(.connected(mailbox, resumption))
    notePoint(ResumePoint(mailbox))
    for (index, held) in news.held.enumerated() where index >= news.answerCount || !Self.says(held.event, of: mailbox) {
      yield(.mailbox(held.event), held.bytes)
    }
  }

  /// Whether SELECT can name `uids`, without which it does as well. RFC 7162, section 3.2.5.2: no `*`.
  private func canBeSent(_ uids: UIDSet, _ profile: HostProfile?) -> Bool {
    let most = min(configuration.client.connection.maximumLineLength, profile?.lineLength ?? .max)
    return !uids.isEmpty && !uids.isSavedResult && uids.description.utf8.count < most / 2
      && uids.ranges.allSatisfy { $0.first.number != nil && $0.last.number != nil }
  }

  /// `uids` with all behind them, of which nothing is known: the server tells of no others than it is given, and new messages would
  /// go by (RFC 7162, section 3.2.5.1). Nil where there are none.
  private static func withLaterOnes(_ uids: UIDSet) -> UIDSet? {
    guard let last = uids.ranges.map({ $0.bounds(largest: .max).upperBound }).max(), last < .max else { return nil }
    return UIDSet(ranges: uids.ranges + [UIDSet.Range(last + 1, .max)])
  }

  /// Whether what was known of the mailbox is still good.
  private func isKnown(_ mailbox: SelectedMailbox) -> Bool {
    known != nil && !hasOverflown && known?.uidValidity == mailbox.uidValidity
  }

  /// Whether it is older than what is known of it: it was restored from somewhere, and nobody can tell what has changed.
  private func wentBack(_ mailbox: SelectedMailbox) -> Bool {
    guard let since = known?.modSeq, let last = mailbox.highestModSeq else { return false }
    return since > last
  }

  /// What is in the mailbox, where the answer to SELECT does not say it.
  private func states(
    of mailbox: SelectedMailbox, _ client: IMAPClient, isCounted: Bool, batch: UInt32?
  ) async throws(IMAPError) -> Resumption {
    let isSame = isKnown(mailbox)
    if isSame, let changes = try await changes(in: mailbox, client, batch: batch) { return changes }
    // Of all ways to ask this is the one in which nothing can be expunged before the answer is complete (RFC 9051, section
    // 7.5.1), so that sequence numbers of what comes later count from it.
    let items: [FetchItem] = mailbox.highestModSeq != nil && isCounted ? [.uid, .flags, .modSeq] : [.uid, .flags]
    let states = try await states(of: mailbox, items, batch: batch, client)
    return isSame ? .current(states) : .fresh(states)
  }

  /// What went and what changed since the last connection, on a server that counts changes and does not remember what was
  /// expunged (RFC 7162, section 3.1.4.1; RFC 4549, section 6.1); nil where that can't be told so.
  private func changes(
    in mailbox: SelectedMailbox, _ client: IMAPClient, batch: UInt32?
  ) async throws(IMAPError) -> Resumption? {
    guard mailbox.uidValidity != nil, let since = known?.modSeq, let last = mailbox.highestModSeq, !wentBack(mailbox),
      mailbox.exists > 0
    else { return nil }
    guard case .uids(let present)? = try await client.search(.all, returning: [.all]).all else { return nil }
    let exists = max(mailbox.exists, await client.selected?.exists ?? 0)
    // RFC 7162, section 3.1.2.1: each change of a message has a value of its own.
    var changed: [MessageState] = []
    if since < last {
      let items: [FetchItem] = [.uid, .flags, .modSeq]
      changed = try await states(of: mailbox, items, since: since, batch: batch, client)
    }
    // An expunge between the two answers, or an answer that lacks something: then everything is asked for.
    if news?.hasRemovals == true { return nil }
    let counted = present.count(largest: UID(rawValue: .max))
    if counted < UInt64(mailbox.exists) || counted > UInt64(exists) { return nil }
    return .changes(vanished: present.gaps(below: mailbox.uidNext ?? .max), changed: changed)
  }

  /// `client` is the connection that it came by.
  private func take(_ event: MailboxEvent, _ bytes: Int, _ client: IMAPClient?) {
    guard let hasRoom = news?.hold(event, bytes) else {
      // What happens in another mailbox is not of this one. What is yet to come of this one is told when it is open again.
      let isOpen = client?.assumeIsolated { [selection] in $0.selection == selection } ?? false
      if !isOpen, Self.isOfSelected(event) { return }
      return yield(.mailbox(event), bytes)
    }
    // More than can be kept. The next connection may have better luck.
    if !hasRoom { Task { await client?.close() } }
  }

  /// Whether the event, of the answer to SELECT, only says what `mailbox` does.
  private static func says(_ event: MailboxEvent, of mailbox: SelectedMailbox) -> Bool {
    switch event {
    case .exists(let count): count == mailbox.exists
    case .flags, .recent: true
    case .notice(let status): isOfSelect(status)
    default: false
    }
  }

  /// Whether the event is about the mailbox that is selected.
  private static func isOfSelected(_ event: MailboxEvent) -> Bool {
    switch event {
    case .exists, .recent, .expunged, .vanished, .changed, .flags, .searchUpdate: true
    case .notice(let status): isOfSelect(status)
    case .listing, .mailboxStatus, .metadata, .unknown: false
    }
  }

  /// Whether the status is a part of what SELECT is answered by.
  private static func isOfSelect(_ status: Status) -> Bool {
    switch status.code {
    case .permanentFlags, .uidValidity, .uidNext, .unseen, .highestModSeq, .noModSeq, .closed, .mailboxID: true
    default: false
    }
  }

  /// All messages, or those that changed since `since`, in batches of at most `batch`: those that there are when the last of them is
  /// complete. What was expunged by then is no news any more.
  private func states(
    of mailbox: SelectedMailbox, _ items: [FetchItem], since: ModSeq? = nil, batch: UInt32?, _ client: IMAPClient
  ) async throws(IMAPError) -> [MessageState] {
    // RFC 5465, section 5.3: where the server tells by itself what is expunged, messages are not named by numbers.
    let isNumbered = !isNotified
    let size = !isNumbered ? .max : batch.map { UInt64(max($0, 1)) } ?? .max
    var (done, exists) = (UInt64(0), UInt64(mailbox.exists))
    news?.begin()
    while done < exists {
      let isLast = exists - done <= size
      let last: MessageBound = isLast ? .star : MessageBound(UInt32(clamping: done + size))
      let set = SequenceSet(ranges: [SequenceSet.Range(MessageBound(UInt32(clamping: done + 1)), last)])
      let messages: MessageReference = isNumbered ? .sequence(set) : .uids(.all)
      try await client.fetchEach(.fetch(messages, items, changedSince: since)) { [weak self] response in
        self?.assumeIsolated { $0.news?.tell(response) }
      } end: { [weak self] in
        self?.assumeIsolated { $0.news?.complete() }
      }
      done = isLast ? exists : done + size
      try news?.reckon(&done, &exists)
    }
    return try news?.present().compactMap { MessageState($0) } ?? []
  }

  /// Waits for news until the connection ends.
  private func watch(_ client: IMAPClient, _ profile: HostProfile?) async throws(IMAPError) {
    isNotified = try await notify(client)
    var canIdle = try await client.has(.idle)
    while !isStopping {
      if hasOverflown { throw .connection(.closedLocally) }
      if await client.selection != selection {
        await waitForUsers(client)
        if !isStopping { try await reopen(client, profile) }
      } else if isNotified {
        await sleep(configuration.keepAlive, unlessClosed: client)
        if !isStopping { try await client.noop() }
      } else if canIdle {
        // What only the greeting told of the provider the connection does not know.
        let timer = profile?.idleLifetime.map { lifetime in
          loop.schedule(after: lifetime) { Task { await client.endIdle() } }
        }
        defer { timer?.cancel() }
        do throws(IMAPError) {
          try await client.idle()
        } catch {
          // Servers are known to announce IDLE and to refuse it: by BAD, and Courier by NO.
          switch error {
          case .refused, .rejected: canIdle = false
          default: throw error
          }
        }
      } else {
        await sleep(configuration.pollInterval, unlessClosed: client)
        if !isStopping { try await client.noop() }
      }
      if let selected = await client.selected(at: selection) {
        known = Known(selected)
        notePoint(ResumePoint(selected))
      }
    }
  }

  /// Another mailbox was opened, or none. What is known is from before that, so that what has happened since is told.
  private func reopen(_ client: IMAPClient, _ profile: HostProfile?) async throws(IMAPError) {
    isReopening = true
    state = .opening
    defer {
      isReopening = false
      state = .watching
      release()
    }
    // Left first: no server tells news of a mailbox that is not open, and not all say when SELECT leaves it.
    if case .selected = await client.phase { _ = try? await client.unselect() }
    do throws(IMAPError) {
      try await apart { () async throws(IMAPError) in try await self.open(client, profile) }
    } catch {
      if error != .mailboxWasLeft { throw error }
      // Somebody has ``client`` and was faster. It is tried again when he has done.
      let held = news?.held ?? []
      news = nil
      for (event, bytes) in held where !Self.isOfSelected(event) { yield(.mailbox(event), bytes) }
    }
  }

  /// A caller of ``withClient(_:)`` is done.
  private func userLeft(_ client: IMAPClient) async {
    let id = ObjectIdentifier(client)
    users[id] = users[id].flatMap { $0 > 1 ? $0 - 1 : nil }
    if hasUsers(client) { return }
    // Whoever watches looks what he has left open.
    let isLeft = await client.selection != selection
    if isLeft, live === client { wake() }
  }

  private func hasUsers(_ client: IMAPClient) -> Bool { users[ObjectIdentifier(client)] != nil }

  /// Returns when nobody uses the connection, when it is closed, or the session is stopped.
  private func waitForUsers(_ client: IMAPClient) async {
    let closing = Task {
      await client.waitUntilClosed()
      if !Task.isCancelled { wake() }
    }
    defer { closing.cancel() }
    while true {
      let phase = await client.phase
      if !hasUsers(client) || isStopping || phase == .closed { return }
      await withCheckedContinuation { sleeper = $0 }
    }
  }

  /// Whether the server tells the news by itself.
  private func notify(_ client: IMAPClient) async throws(IMAPError) -> Bool {
    guard let request = configuration.notify, try await client.supports(Capability("NOTIFY")) else { return false }
    do throws(IMAPError) {
      for status in try await client.notify(request).statuses { yield(.mailbox(.mailboxStatus(status))) }
      return true
    } catch {
      switch error {
      // RFC 5465, section 3.1: NO [BADEVENT] where it does not know one of the events.
      case .refused, .rejected: return false
      default: throw error
      }
    }
  }

  // MARK: Waiting

  private func yield(_ event: SessionEvent, _ bytes: Int = 0) {
    guard events?.add(event, bytes: bytes) == false else {
      eventCount += 1
      return
    }
    // What there is then is told anew: the reader has missed something.
    if hasOverflown { return }
    hasOverflown = true
    if let live { Task { await live.close() } }
  }

  /// `point` is that of whoever takes all events up to now. One who has missed some has to be told anew.
  private func notePoint(_ point: ResumePoint?) {
    if let point, !hasOverflown { resumePoints.add(point, behind: eventCount) }
  }

  private func release() { waiting.resumeAll() }

  private func park(_ id: WaitList.ID) async -> Bool {
    await withCheckedContinuation { continuation in
      if Task.isCancelled { continuation.resume(returning: false) } else { waiting.add(id, continuation) }
    }
  }

  private func giveUp(_ id: WaitList.ID) { waiting.cancel(id) }

  /// Returns after `duration`, or when the session is stopped.
  private func sleep(_ duration: Duration) async {
    if isStopping { return }
    timer = loop.schedule(after: duration) { [weak self] in self?.assumeIsolated { $0.wake() } }
    await withCheckedContinuation { sleeper = $0 }
  }

  /// As ``sleep(_:)``, no longer than the connection lives.
  private func sleep(_ duration: Duration, unlessClosed client: IMAPClient) async {
    let closing = Task {
      await client.waitUntilClosed()
      if !Task.isCancelled { wake() }
    }
    await sleep(duration)
    closing.cancel()
  }

  private func wake() {
    timer?.cancel()
    timer = nil
    sleeper?.resume()
    sleeper = nil
  }

  static let mostEvents = 100_000
  static let mostBytes = 32 << 20
}
