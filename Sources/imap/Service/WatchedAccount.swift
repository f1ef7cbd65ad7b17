import Foundation
import IMAPLoop
import IMAPStateMachine

/// One account of a service: its session, and the lines that tell of it. It lives on its session's loop, so that waiting for
/// room in the output holds that.
actor WatchedAccount {
  /// Why an account is watched no longer.
  enum Cause: String {
    /// Its section went.
    case removed
    /// Its section says something else now.
    case changed
    /// The service ends.
    case shutdown
    /// The session gave up: trying again could lock the account.
    case failed
  }

  /// What all accounts share.
  struct Surroundings: Sendable {
    let output: EventOutput
    let metrics: ServiceMetrics?
    let pacer: StartPacer
    let loginLimit: LoginLimit
    let connectionLimit: ConnectionLimit?
  }

  nonisolated let name: String
  nonisolated let loop: EventLoop
  private let mailbox: MailboxName
  private let session: IMAPSession
  private let surroundings: Surroundings
  private var hasStarted = false
  private var isOver = false
  private var hasToldEnd = false
  private var cause: Cause?
  /// The wait for its turn.
  private var pacing: Task<Void, Never>?
  /// Messages there are.
  private var exists: UInt32 = 0
  /// Messages from this UID on are new.
  private var nextUID: UInt32 = 1

  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

  init(_ entry: AccountsFile.Entry, on loop: EventLoop, _ surroundings: Surroundings) {
    name = entry.name
    mailbox = entry.mailbox
    self.loop = loop
    self.surroundings = surroundings
    let connector = entry.connector
    var client = connector.configuration
    client.metrics = surroundings.metrics?.connections
    var configuration = IMAPSession.Configuration(client: client, mailbox: entry.mailbox, isReadOnly: true) {
      try await ServiceCredentials.credentials(of: connector.account)
    }
    configuration.credentialsRefused = { connector.account.credentials.refused() }
    configuration.loginLimit = surroundings.loginLimit
    configuration.connectionLimit = surroundings.connectionLimit
    session = IMAPSession(configuration, on: loop)
  }

  /// What it is doing, for metrics. Call it on the loop's thread.
  var state: ServiceMetrics.State {
    if isOver { return .stopped }
    if !hasStarted { return .starting }
    return switch session.assumeIsolated({ $0.state }) {
    case .idle, .connecting: .connecting
    case .loggingIn: .loggingIn
    case .opening: .opening
    case .watching: .watching
    case .waiting: .waiting
    }
  }

  /// Watches until ``stop(_:)``, or until the session gives up. Begins behind `predecessor`: no account has two connections.
  func run(after predecessor: Task<Void, Never>?) async {
    await predecessor?.value
    if cause == nil {
      let turn = Task { [pacer = surroundings.pacer] in _ = try? await pacer.turn() }
      pacing = turn
      await turn.value
      pacing = nil
    }
    if cause == nil {
      hasStarted = true
      for await event in await session.start() { await take(event) }
    }
    isOver = true
    if !hasToldEnd { tellEnd(nil) }
  }

  /// Logs out. Returns when the session is over, which ``run(after:)`` then is, too.
  func stop(_ cause: Cause) async {
    if self.cause == nil, !isOver { self.cause = cause }
    pacing?.cancel()
    if hasStarted { await session.stop() }
  }

  private func take(_ event: SessionEvent) async {
    switch event {
    case .connected(let mailbox, let resumption):
      note(mailbox, resumption)
      tell(JSON.connected(mailbox, resumption))
    case .mailbox(let event): await take(event)
    case .disconnected(let error, let wait):
      surroundings.metrics?.waits(wait)
      tell(JSON.disconnected(error, retryIn: wait))
    case .stopped(let error):
      if let error { Console.error("imap: account \(name) is given up: \(error)") }
      tellEnd(error)
    }
  }

  private func tellEnd(_ error: IMAPError?) {
    hasToldEnd = true
    tell([
      ("event", .string("stopped")), ("cause", .string((error == nil ? cause ?? .shutdown : .failed).rawValue)),
      ("error", .optional(error?.description)),
    ])
  }

  private func note(_ mailbox: SelectedMailbox, _ resumption: Resumption) {
    exists = mailbox.exists
    var last: UInt32 = 0
    switch resumption {
    case .fresh(let states), .current(let states), .changes(_, let states):
      for state in states { last = max(last, state.uid.rawValue) }
    case .notAsked: break
    }
    nextUID = max(mailbox.uidNext ?? 1, last == .max ? last : last + 1)
  }

  private func take(_ event: MailboxEvent) async {
    switch event {
    // The answer to our own LOGOUT is no news.
    case .notice(let status) where status.condition == .bye && cause != nil: return
    default: tell(WatchCommand.json(event))
    }
    switch event {
    case .exists(let count):
      let isMore = count > exists
      exists = count
      if isMore { await tellNew() }
    case .expunged: exists -= min(exists, 1)
    case .vanished(let uids):
      for range in uids.ranges {
        guard let first = range.first.number, let last = range.last.number else { continue }
        exists -= min(exists, last &- first &+ 1)
      }
    default: break
    }
  }

  /// Asks for the UIDs of messages that came. UIDs stay what they are whatever else happens meanwhile, as sequence numbers do
  /// not. Where the connection is lost in between, the next one says what there is.
  private func tellNew() async {
    guard let client = await session.client else { return }
    let set = UIDSet(ranges: [UIDSet.Range(MessageBound(nextUID), .star)])
    guard let found = try? await client.fetch(.uids(set), [.uid, .flags]) else { return }
    var messages: [(uid: UID, flags: [MessageFlag])] = []
    for response in found {
      // The set names the last message even where its number is lower.
      guard let uid = response.uid, uid.rawValue >= nextUID else { continue }
      messages.append((uid, response.flags ?? []))
    }
    guard let last = messages.map({ $0.uid.rawValue }).max() else { return }
    nextUID = last == .max ? last : last + 1
    tell([("event", .string("new"))] + JSON.messages(messages))
  }

  private func tell(_ members: [JSON.Member]) {
    if case .string(let kind)? = members.first?.value { surroundings.metrics?.event(kind) }
    surroundings.output.add(JSON.serviceEvent(account: name, mailbox: mailbox, members))
  }
}

/// What accounts log in with.
enum ServiceCredentials {
  struct Unavailable: Error, CustomStringConvertible {
    var description: String
  }

  /// Commands are run one after the other, on a thread that may wait for them.
  static func credentials(of account: Account) async throws -> SignInCredentials {
    do {
      if case .password = account.credentials { return try account.credentials.credentials(of: account) }
      return try await withCheckedThrowingContinuation {
        (continuation: CheckedContinuation<SignInCredentials, any Error>) in
        queue.async {
          do throws(Failure) {
            continuation.resume(returning: try account.credentials.credentials(of: account))
          } catch {
            continuation.resume(throwing: error)
          }
        }
      }
    } catch {
      throw Unavailable(description: (error as? Failure)?.message ?? "\(error)")
    }
  }

  private static let queue = DispatchQueue(label: "imap.credentials")
}
