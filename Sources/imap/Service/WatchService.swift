import Foundation
import IMAPLoop
import IMAPStateMachine
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Watches all accounts of a file until it is told to end.
actor WatchService {
  /// An account that is watched, or was given up.
  private struct Watched {
    var entry: AccountsFile.Entry
    var account: WatchedAccount
    var running: Task<Void, Never>
  }

  /// An account that logs out.
  private struct Leaving {
    /// Those that it has until then. None where another account waits to take its place.
    var descriptors: Int
    var ending: Task<Void, Never>
  }

  private let path: String
  private let mailbox: String
  private let group: LoopGroup
  private let surroundings: WatchedAccount.Surroundings
  private let descriptors: Int?
  private var watched: [String: Watched] = [:]
  /// Those that are logging out.
  private var leaving: [ObjectIdentifier: Leaving] = [:]

  private init(
    _ path: String, mailbox: String, _ group: LoopGroup, _ surroundings: WatchedAccount.Surroundings, descriptors: Int?
  ) {
    self.path = path
    self.mailbox = mailbox
    self.group = group
    self.surroundings = surroundings
    self.descriptors = descriptors
  }

  /// Runs the service until SIGTERM or SIGINT.
  static func run(_ path: String, mailbox: String, _ options: ServiceOptions) async throws {
    // In this order no SIGHUP is an interruption.
    let hangUps = HangUps()
    let interruption = Interruption()
    let file = try AccountsFile.read(path, mailbox: mailbox)
    let descriptors = DescriptorLimit.raise()
    try check(file, descriptors, threads: options.threads ?? 1)
    for crowd in file.crowds { Console.error("imap: \(crowd)") }
    // Look-ups that hang hold up others: libuv lets half of its threads, four by default, wait for name servers.
    unsafe setenv("UV_THREADPOOL_SIZE", "16", 0)
    let group = try LoopGroup(threads: options.threads ?? 1)
    let output = EventOutput { interruption.come() }
    let rate = options.startRate ?? 100
    let metrics = options.metrics == nil ? nil : ServiceMetrics(output: output, loops: group.loops)
    let surroundings = WatchedAccount.Surroundings(
      output: output, metrics: metrics, pacer: StartPacer(rate: rate),
      loginLimit: LoginLimit(perHost: rate, in: .seconds(1)),
      connectionLimit: options.connectionsPerHost.map { ConnectionLimit(perHost: $0) })
    if let metrics, let address = options.metricsAddress {
      let listener = try MetricsListener(address) { metrics.text }
      Console.error("imap: metrics at http://\(listener.address.description)/metrics")
    }
    let service = WatchService(path, mailbox: mailbox, group, surroundings, descriptors: descriptors)
    await service.apply(file)
    Console.error("imap: watching \(Human.count(file.entries.count, "account")) of \(path)")
    let reloading = Task { for await _ in hangUps.signals { await service.reload() } }

    await interruption.wait()
    let end = ContinuousClock.now + .seconds(options.drainTime ?? 10)
    hangUps.end()
    reloading.cancel()
    let left = await service.drain(until: end)
    if left > 0 { Console.error("imap: \(Human.count(left, "account")) did not log out in time") }
    let unwritten = await output.finish(by: end)
    if let failure = output.failure { throw failure }
    // Threads that still wait for a server, a name or a reader end with the process.
    var isClosed = false
    if left == 0, unwritten == 0 { isClosed = await bounded(by: end) { _ = await group.shutdown() } }
    withExtendedLifetime((interruption, hangUps)) {}
    if unwritten > 0 {
      Console.error("imap: nobody has read the last \(Human.count(unwritten, "line"))")
      _exit(ExitStatus.file.rawValue)
    }
    if !isClosed { _exit(0) }
  }

  /// What is open besides the connections to accounts and the loops: standard streams, metrics, files and commands for passwords,
  /// and second sockets to hosts that have two addresses.
  static let reservedDescriptors = 100
  /// What a loop has for itself: one to wait with, one to be woken by, and two for signals.
  static let loopDescriptors = 4

  /// Throws where not all accounts of `file` can be connected at once, on so many loops, beside those that are `leaving`.
  static func check(
    _ file: AccountsFile, _ limit: Int?, threads: Int, leaving: Int = 0
  ) throws(Failure) {
    let loops = threads * loopDescriptors
    let needed = file.descriptors + leaving + loops + reservedDescriptors
    guard let limit, needed > limit else { return }
    let others = leaving > 0 ? ", \(leaving) for accounts that are logging out" : ""
    throw Failure(
      .system,
      "\(Human.count(file.entries.count, "account")) \(file.entries.count == 1 ? "needs" : "need") \(needed) file descriptors, "
        + "\(loops) of them for threads\(others) and \(reservedDescriptors) in reserve, and the limit is \(limit): "
        + "\(needed - limit) are missing; raise it by ulimit -n, or LimitNOFILE of systemd")
  }

  /// How many descriptors accounts have, until they have logged out, for which there is no place in `file`.
  private func leavingDescriptors(_ file: AccountsFile) -> Int {
    let names = Set(file.entries.map(\.name))
    let removed = watched.values.filter { !names.contains($0.entry.name) }
    return leaving.values.reduce(0) { $0 + $1.descriptors } + removed.reduce(0) { $0 + $1.entry.descriptors }
  }

  // MARK: The file

  /// Reads the file again. What is wrong with it is said, and everything stays as it is.
  private func reload() {
    do throws(Failure) {
      let file = try AccountsFile.read(path, mailbox: mailbox)
      try Self.check(file, descriptors, threads: group.loops.count, leaving: leavingDescriptors(file))
      for crowd in file.crowds { Console.error("imap: \(crowd)") }
      let (added, removed, changed) = apply(file)
      let kept = watched.count - added - changed
      Console.error("imap: \(path): \(added) added, \(removed) removed, \(changed) changed, \(kept) kept")
      surroundings.metrics?.reloaded(isGood: true)
    } catch {
      for line in [error.message] + error.others { Console.error("imap: \(line)") }
      let kept = watched.count == 1 ? "1 account stays as it is" : "\(watched.count) accounts stay as they are"
      Console.error("imap: \(path) is not taken; \(kept)")
      surroundings.metrics?.reloaded(isGood: false)
    }
  }

  /// Touches only what is not as `file` has it.
  @discardableResult
  private func apply(_ file: AccountsFile) -> (added: Int, removed: Int, changed: Int) {
    var counts = (added: 0, removed: 0, changed: 0)
    let names = Set(file.entries.map(\.name))
    for (name, old) in watched where !names.contains(name) {
      end(old, .removed, old.entry.descriptors)
      watched[name] = nil
      counts.removed += 1
    }
    for entry in file.entries {
      let old = watched[entry.name]
      if let old, old.entry.values == entry.values { continue }
      // The new one begins when the old one is gone.
      if let old { end(old, .changed, max(0, old.entry.descriptors - entry.descriptors)) }
      if old == nil { counts.added += 1 } else { counts.changed += 1 }
      let account = WatchedAccount(entry, on: group.next(), surroundings)
      watched[entry.name] = Watched(
        entry: entry, account: account, running: Task { await account.run(after: old?.running) })
    }
    surroundings.metrics?.watch(watched.values.map(\.account))
    return counts
  }

  /// Logs an account out, which has `descriptors` until then that nobody else is to have.
  private func end(_ old: Watched, _ cause: WatchedAccount.Cause, _ descriptors: Int) {
    let id = ObjectIdentifier(old.account)
    let ending = Task {
      await old.account.stop(cause)
      await old.running.value
      leaving[id] = nil
    }
    leaving[id] = Leaving(descriptors: descriptors, ending: ending)
  }

  // MARK: The end

  /// Logs all accounts out. Returns when that is done, or at `end`: how many are not.
  private func drain(until end: ContinuousClock.Instant) async -> Int {
    surroundings.output.release()
    let done = Counter()
    let ending = watched.values.map { watched in
      Task {
        await watched.account.stop(.shutdown)
        await watched.running.value
        done.add(1)
      }
    }
    let leaving = leaving.values.map(\.ending)
    _ = await Self.bounded(by: end) {
      for task in ending + leaving { await task.value }
    }
    return ending.count - done.count
  }

  /// Runs `work`, and returns true when it is done; false at `end`, and then it goes on alone.
  private static func bounded(
    by end: ContinuousClock.Instant, _ work: @escaping @Sendable () async -> Void
  ) async -> Bool {
    await withCheckedContinuation { continuation in
      let box = FirstToResume(continuation)
      let timer = Task {
        try? await Task.sleep(until: end, clock: .continuous)
        box.resume(false)
      }
      Task {
        await work()
        box.resume(true)
        timer.cancel()
      }
    }
  }
}

/// A continuation for whoever comes first.
private final class FirstToResume: Sendable {
  private let continuation: Mutex<CheckedContinuation<Bool, Never>?>

  init(_ continuation: CheckedContinuation<Bool, Never>) { self.continuation = Mutex(continuation) }

  func resume(_ value: Bool) { continuation.withLock { $0.take() }?.resume(returning: value) }
}
