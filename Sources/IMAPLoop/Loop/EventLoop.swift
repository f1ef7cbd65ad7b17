internal import CUV
internal import DequeModule
import IMAPStateMachine
import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// One thread that drives many connections: a libuv loop, a timing wheel and an inbox through which other threads reach
/// it. It is also the executor of the actors that live on it, so that they use their connections without locks or hops.
///
/// One iteration: libuv waits for sockets, their callbacks parse what came and mark what they changed as dirty, then, before
/// the loop may wait again, the hook at the end of the tick runs queued work and lets each dirty member flush once.
///
/// Only ``submit(_:)``, ``enqueue(_:)``, ``run(_:)``, ``shutdown()`` and ``inEventLoop`` may be used on other threads.
@safe
public final class EventLoop: SerialExecutor, @unchecked Sendable {
  // Sendable although it has mutable state: `inbox`, `owner` and `report` are synchronised; every other stored property is
  // touched by the loop's thread only, from its start until it has published `report`.

  /// What a loop left behind.
  public struct ShutdownReport: Sendable, Hashable {
    /// Every handle by kind; balanced unless something leaked.
    public var counters: HandleCounters
    /// What `uv_loop_close` returned; 0 means that nothing was left.
    public var closeStatus: Int32

    /// Whether nothing leaked.
    public var isClean: Bool { closeStatus == 0 && counters.isBalanced }
  }

  /// Handles and requests so far. Read it on the loop's thread; after a shutdown use the report.
  public internal(set) var counters = HandleCounters()

  /// Whether ``shutdown()`` was called. Nothing new may be opened then.
  public private(set) var isShuttingDown = false

  // Those below that are not checked for exclusive access are used for each event, and the checks cost more than what they guard. It
  // is safe where all accesses are on the loop's thread and nobody is called back while one lasts, which each of them says.

  // Shared by all connections of the loop; each is empty whenever no callback runs.
  /// One access lasts while others are called: the drive of a connection, which ``isDriving`` stands for. All others are over before
  /// anybody is called, and none begins before ``requireScratch()``.
  @safe @exclusivity(unchecked) var scratch = ReceiveBuffer(minimumCapacity: EventLoop.readSize + EventLoop.stashLimit)
  lazy var tlsPort = TLSPort(readSize: EventLoop.readSize)
  var handshakes = HandshakeQueue()
  lazy var deflatePort = DeflatePort()
  lazy var resolver = Resolver(loop: self)
  /// Where the connections of the process come from.
  var spread = SourceSpread.shared
  /// What the servers of the loop's connections announce, each list once. Unchecked: one access lasts
  /// while a machine reads, which only a drive lets it, and of those there is one at a time; see ``isDriving``.
  @safe @exclusivity(unchecked) var listPool = ListPool()
  /// Machines for connections that wake. As a rule one is enough. Unchecked: they are only added and taken, and none is freed by that.
  @safe @exclusivity(unchecked) var spareConnections: [AwakeConnection] = []
  /// Set while a connection's input is being driven, which borrows `scratch`.
  var isDriving = false
  /// Counts iterations, for work that is capped per tick.
  private(set) var iteration: UInt32 = 0

  let uv: UnsafeMutablePointer<uv_loop_t>
  private let wakeup: UnsafeMutablePointer<uv_async_t>
  private let hook: UnsafeMutablePointer<uv_prepare_t>
  private let alarm: UnsafeMutablePointer<uv_timer_t>
  private var alarmAt: MonotonicInstant?
  /// Unchecked: it calls nobody, and no member is freed while it works, as whoever takes one out holds it.
  @safe @exclusivity(unchecked) private var wheel: TimerWheel<LoopMember>
  private var cachedNow: MonotonicInstant?
  /// Nanoseconds that ``skip(_:)`` has added to the system's clock.
  private var skipped: Int64 = 0
  /// Unchecked: members are only added, and taken all at once.
  @safe @exclusivity(unchecked) private var dirty: [LoopMember] = []
  private var ready = Deque<Work>()
  private var throttled: [ByteStream] = []
  private var yielded: [Channel] = []
  private var resuming: [Channel] = []
  private var thread = uv_thread_t()
  private var isRunning = false

  private let inbox = Mutex(Inbox())
  private let report = Mutex(Report())
  private let owner = Atomic<UInt>(0)

  /// Makes a loop and starts its thread.
  public static func start(name: String = "imap-loop") throws(LoopError) -> EventLoop {
    let loop = try EventLoop()
    try loop.startThread(name: name)
    return loop
  }

  /// Whether the caller runs on the loop's thread.
  public var inEventLoop: Bool { owner.load(ordering: .acquiring) == Self.currentThread }

  /// The time: nanoseconds of the system's monotonic clock, read at most once per iteration and after each wait.
  public var now: MonotonicInstant {
    if let cachedNow { return cachedNow }
    let now = MonotonicInstant(nanoseconds: Int64(truncatingIfNeeded: uv_hrtime()) &+ skipped)
    cachedNow = now
    return now
  }

  /// Runs `work` on the loop's thread, in the order of the calls. Any thread may call this. After a shutdown the work runs on
  /// the calling thread, one piece at a time, so that nobody waits for it in vain.
  public func submit(_ work: @escaping @Sendable () -> Void) { add(.closure(work)) }

  /// Runs a job of an actor or task whose executor this loop is.
  public func enqueue(_ job: consuming ExecutorJob) { add(.job(UnownedJob(job))) }

  /// Runs `body` on the loop's thread and returns what it returned.
  public func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
    await withCheckedContinuation { continuation in submit { continuation.resume(returning: body()) } }
  }

  /// This loop as an executor.
  public func asUnownedSerialExecutor() -> UnownedSerialExecutor { unsafe UnownedSerialExecutor(ordinary: self) }

  /// Lets the runtime check that isolated code runs where it should.
  public func checkIsolated() { precondition(inEventLoop, "code of an actor ran outside its event loop") }

  /// Tells the runtime whether isolated code runs where it should.
  public func isIsolatingCurrentContext() -> Bool? { inEventLoop }

  /// Runs `body` once, `delay` from now and at most one tick (4.2 ms) late. Call it on the loop's thread. Complexity: O(1).
  @discardableResult
  public func schedule(after delay: Duration, _ body: @escaping () -> Void) -> LoopTimer {
    let timer = LoopTimer(loop: self, body: body)
    arm(timer, at: now.advanced(by: delay))
    return timer
  }

  /// Closes every connection, lets their owners know, ends the thread and reports what was left. Waits for name look-ups
  /// that libuv cannot interrupt. Calling it again returns the same report.
  @discardableResult
  public func shutdown() async -> ShutdownReport {
    submit { [self] in beginShutdown() }
    let result: ShutdownReport = await withCheckedContinuation { continuation in
      let known = report.withLock { (report: inout Report) -> ShutdownReport? in
        if report.value == nil { report.waiting.append(continuation) }
        return report.value
      }
      if let known { continuation.resume(returning: known) }
    }
    join()
    return result
  }

  /// Bytes that one read may bring. libuv suggests the same.
  static var readSize: Int { 64 * 1024 }
  /// Unread bytes that a connection keeps exactly and that go back in front of the next read.
  static var stashLimit: Int { 4 * 1024 }
  /// Machines that are kept for connections that wake.
  private static var spares: Int { 64 }
  /// Pieces of queued work or due timers between two polls, so that sockets do not starve.
  private static var workPerTick: Int { 1024 }
  /// Rounds of work and flush between two polls: one leads to the other when connections talk to one another.
  private static var roundsPerTick: Int { 8 }

  private init() throws(LoopError) {
    unsafe uv = .allocate(capacity: 1)
    unsafe wakeup = .allocate(capacity: 1)
    unsafe hook = .allocate(capacity: 1)
    unsafe alarm = .allocate(capacity: 1)
    wheel = TimerWheel(now: MonotonicInstant(nanoseconds: Int64(truncatingIfNeeded: uv_hrtime())))
    var failure: Int32
    unsafe failure = uv_loop_init(uv)
    if failure == 0 {
      unsafe failure = uv_async_init(uv, wakeup) { handle in unsafe EventLoop.of(handle?.pointee.data)?.takeInbox() }
      // A loop without its inbox has no open handle yet, so it closes at once.
      if failure != 0 { unsafe uv_loop_close(uv) }
    }
    if failure != 0 {
      freeMemory()
      throw LoopError(failure, "start event loop")
    }
    // These two cannot fail.
    unsafe uv_prepare_init(uv, hook)
    unsafe uv_timer_init(uv, alarm)
    for _ in 0..<3 { counters.open(.loop) }
    let data = unsafe Unmanaged.passUnretained(self).toOpaque()
    unsafe wakeup.pointee.data = data
    unsafe hook.pointee.data = data
    unsafe alarm.pointee.data = data
    unsafe uv_prepare_start(hook) { handle in unsafe EventLoop.of(handle?.pointee.data)?.endTick() }
    unsafe uv_unref(UnsafeMutableRawPointer(hook).assumingMemoryBound(to: uv_handle_t.self))
  }

  private static func of(_ data: UnsafeMutableRawPointer?) -> EventLoop? {
    // Safe: the thread's main function holds the loop for as long as libuv can call back.
    unsafe data.map { unsafe Unmanaged<EventLoop>.fromOpaque($0).takeUnretainedValue() }
  }

  private func freeMemory() {
    unsafe uv.deallocate()
    unsafe wakeup.deallocate()
    unsafe hook.deallocate()
    unsafe alarm.deallocate()
  }
}

// MARK: - What members of the loop use

extension EventLoop {
  /// Lets `member` run its ``LoopMember/tick()`` once before the loop waits again.
  func markDirty(_ member: LoopMember) {
    if member.isDirty { return }
    member.isDirty = true
    dirty.append(member)
  }

  /// Before ``scratch`` is used outside a drive.
  func requireScratch() { precondition(!isDriving, "the loop's buffer is borrowed by the connection that is driven") }

  /// Sets the one timer of `member`, or moves it. Complexity: O(1).
  func arm(_ member: LoopMember, at deadline: MonotonicInstant) {
    if wheel.move(member.timer, to: deadline) { return }
    member.timer = wheel.insert(member, at: deadline, now: now)
  }

  /// Stops the timer of `member` if it has one. Complexity: O(1).
  func disarm(_ member: LoopMember) {
    if member.timer == .none { return }
    wheel.cancel(member.timer)
    member.timer = .none
  }

  /// Moves this loop's clock ahead, as if the system had stood still for so long: what is due then happens next. For tests, which
  /// have hours to pass.
  func skip(_ duration: Duration) {
    skipped &+= MonotonicInstant(nanoseconds: 0).advanced(by: duration).nanoseconds
    cachedNow = nil
    // The alarm was set for a clock that has not moved.
    alarmAt = nil
  }

  /// Takes a machine that is at rest back, for whoever wakes next.
  func keep(_ machine: AwakeConnection) {
    if spareConnections.count < Self.spares { spareConnections.append(machine) }
  }

  /// Gives what the allocator holds and nobody uses back to the system.
  func trimMemory() { cuv_trim_memory() }

  /// Lets a stream that has had its share of this tick read again in the next one.
  func throttle(_ stream: ByteStream) { throttled.append(stream) }

  /// Drives a channel that has had its share of this tick again in the next one.
  func resumeLater(_ channel: Channel) { yielded.append(channel) }
}

// MARK: - The thread

extension EventLoop {
  private static var currentThread: UInt { uv_thread_self() }

  private func startThread(name: String) throws(LoopError) {
    let start = ThreadStart(loop: self, name: name)
    let argument = unsafe Unmanaged.passRetained(start).toOpaque()
    let status = unsafe uv_thread_create(
      &thread,
      { argument in
        guard let argument = unsafe argument else { return }
        // Safe: balances `passRetained`; the thread runs this once.
        let start = unsafe Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
        start.loop.main(name: start.name)
      }, argument)
    if status == 0 { return }
    unsafe Unmanaged<ThreadStart>.fromOpaque(argument).release()
    closeHandles()
    unsafe uv_run(uv, UV_RUN_DEFAULT)
    finish()
    throw LoopError(status, "start thread")
  }

  private func main(name: String) {
    owner.store(Self.currentThread, ordering: .releasing)
    isRunning = true
    Self.blockBrokenPipeSignal()
    // The kernel keeps the first 15 bytes.
    unsafe cuv_name_thread(name)
    while true {
      // Returns when nothing but the loop's own handles is left, which are not counted once the shutdown has begun.
      unsafe uv_run(uv, UV_RUN_DEFAULT)
      takeInbox()
      if ready.isEmpty && dirty.isEmpty { break }
      endTick()
    }
    closeHandles()
    unsafe uv_run(uv, UV_RUN_DEFAULT)
    finish()
  }

  /// Writing to a socket that the peer closed raises SIGPIPE. It is blocked on this thread only; the rest of the process
  /// keeps its own signal handling.
  private static func blockBrokenPipeSignal() {
    unsafe withUnsafeTemporaryAllocation(of: sigset_t.self, capacity: 1) { set in
      guard let set = set.baseAddress else { return }
      unsafe sigemptyset(set)
      unsafe sigaddset(set, SIGPIPE)
      unsafe pthread_sigmask(SIG_BLOCK, set, nil)
    }
  }

  private func beginShutdown() {
    if isShuttingDown { return }
    isShuttingDown = true
    unsafe uv_unref(UnsafeMutableRawPointer(wakeup).assumingMemoryBound(to: uv_handle_t.self))
    unsafe uv_unref(UnsafeMutableRawPointer(alarm).assumingMemoryBound(to: uv_handle_t.self))
    resolver.cancelAll()
    for handle in handles() { handle.loopShutsDown() }
  }

  private func closeHandles() {
    // From here on nobody may signal the inbox: its handle goes away.
    inbox.withLock {
      $0.isStopped = true
      $0.isDraining = true
    }
    unsafe closeOwn(UnsafeMutableRawPointer(wakeup))
    unsafe closeOwn(UnsafeMutableRawPointer(hook))
    unsafe closeOwn(UnsafeMutableRawPointer(alarm))
    // Its members are freed when it is in place: they may use it then.
    var old = TimerWheel<LoopMember>(now: now)
    swap(&old, &wheel)
    // Whoever still waits for a turn keeps the loop, and nobody gets one.
    (yielded, resuming) = ([], [])
  }

  private func closeOwn(_ handle: UnsafeMutableRawPointer) {
    counters.close(.loop)
    unsafe uv_close(handle.assumingMemoryBound(to: uv_handle_t.self)) { handle in
      unsafe EventLoop.of(handle?.pointee.data)?.counters.free(.loop)
    }
  }

  private func finish() {
    let status = unsafe uv_loop_close(uv)
    freeMemory()
    isRunning = false
    owner.store(0, ordering: .releasing)
    inbox.withLock { $0.isDraining = false }
    let result = ShutdownReport(counters: counters, closeStatus: status)
    drainStopped()
    let waiting = report.withLock { (report: inout Report) -> [CheckedContinuation<ShutdownReport, Never>] in
      report.value = result
      return report.waiting
    }
    for continuation in waiting { continuation.resume(returning: result) }
  }

  private func join() {
    let first = report.withLock { (report: inout Report) -> Bool in
      defer { report.isJoined = true }
      return !report.isJoined
    }
    if first { unsafe uv_thread_join(&thread) }
  }
}

// MARK: - One iteration

extension EventLoop {
  /// The hook before libuv waits: everything that callbacks and timers have changed goes out now.
  private func endTick() {
    iteration &+= 1
    if !resuming.isEmpty || !yielded.isEmpty {
      // Those that yielded in this iteration wait for a poll: sockets have their turn in between.
      let channels = resuming
      resuming = yielded
      yielded = []
      for channel in channels { channel.changed() }
    }
    if !throttled.isEmpty {
      let streams = throttled
      throttled.removeAll(keepingCapacity: true)
      for stream in streams { stream.resumeAfterThrottle() }
    }
    for _ in 0..<Self.roundsPerTick {
      runReady()
      flushDirty()
      if ready.isEmpty && dirty.isEmpty { break }
    }
    if !ready.isEmpty || !dirty.isEmpty || !yielded.isEmpty || !resuming.isEmpty {
      // More is left than one tick may do: poll without waiting.
      inbox.withLock { if !$0.isStopped { unsafe _ = uv_async_send(wakeup) } }
    }
    armAlarm()
    // What comes next runs after a wait.
    cachedNow = nil
  }

  private func runReady() {
    for _ in 0..<Self.workPerTick {
      guard let work = ready.popFirst() else { return }
      perform(work)
    }
  }

  private func flushDirty() {
    if dirty.isEmpty { return }
    var members: [LoopMember] = []
    swap(&members, &dirty)
    for member in members {
      // Cleared first: a member may be marked again by its own tick.
      member.isDirty = false
      member.tick()
    }
    if dirty.isEmpty {
      members.removeAll(keepingCapacity: members.capacity <= Self.workPerTick)
      swap(&members, &dirty)
    }
  }

  private func armAlarm() {
    guard let wake = wheel.nextWake else {
      // An alarm that nobody needs any more rings once in vain, which is cheaper than to stop it each time.
      return
    }
    if let alarmAt, alarmAt <= wake { return }
    alarmAt = wake
    // libuv counts from its cached time, which may be old.
    unsafe uv_update_time(uv)
    cachedNow = nil
    let wait = (max(0, wake.nanoseconds - now.nanoseconds) + 999_999) / 1_000_000
    unsafe uv_timer_start(alarm, { unsafe EventLoop.of($0?.pointee.data)?.alarmRang() }, UInt64(wait), 0)
  }

  private func alarmRang() {
    alarmAt = nil
    wheel.advance(to: now)
    for _ in 0..<Self.workPerTick {
      guard let member = wheel.popExpired() else { return }
      member.timer = .none
      member.timerFired()
    }
  }
}

// MARK: - The inbox

extension EventLoop {
  private enum Work {
    case job(UnownedJob)
    case closure(@Sendable () -> Void)
  }

  private struct Inbox: ~Copyable {
    var queue = Deque<Work>()
    var isSignalled = false
    /// The thread has ended or is about to: whoever adds work does it.
    var isStopped = false
    var isDraining = false
  }

  private struct Report: ~Copyable {
    var value: ShutdownReport?
    var waiting: [CheckedContinuation<ShutdownReport, Never>] = []
    var isJoined = false
  }

  private final class ThreadStart {
    let loop: EventLoop
    let name: String

    init(loop: EventLoop, name: String) {
      self.loop = loop
      self.name = name
    }
  }

  private func add(_ work: Work) {
    if inEventLoop, isRunning {
      // The hook at the end of this tick runs it before the loop can wait.
      ready.append(work)
      return
    }
    let isStopped = inbox.withLock { (inbox: inout Inbox) -> Bool in
      if inbox.isStopped {
        // The runtime holds no reference to an executor. The work itself may let go of the last one, which the thread kept
        // from happening while there was a thread.
        unsafe _ = Unmanaged.passRetained(self)
        inbox.queue.append(work)
        return true
      }
      inbox.queue.append(work)
      if !inbox.isSignalled {
        inbox.isSignalled = true
        // Under the lock, so that the handle cannot be closed between the check and the call.
        unsafe _ = uv_async_send(wakeup)
      }
      return false
    }
    if isStopped {
      drainStopped()
      unsafe Unmanaged.passUnretained(self).release()
    }
  }

  private func takeInbox() {
    var batch = inbox.withLock { (inbox: inout Inbox) -> Deque<Work> in
      inbox.isSignalled = false
      var batch = Deque<Work>()
      swap(&batch, &inbox.queue)
      return batch
    }
    if ready.isEmpty {
      swap(&ready, &batch)
    } else {
      ready.append(contentsOf: batch)
    }
    runReady()
  }

  private func perform(_ work: Work) {
    switch work {
    case .job(let job): unsafe job.runSynchronously(on: asUnownedSerialExecutor())
    case .closure(let closure): closure()
    }
  }

  /// Work for a loop without a thread: one caller at a time stands in for it.
  private func drainStopped() {
    while true {
      let work = inbox.withLock { (inbox: inout Inbox) -> Work? in
        if inbox.isDraining { return nil }
        guard let work = inbox.queue.popFirst() else { return nil }
        inbox.isDraining = true
        return work
      }
      guard let work else { return }
      owner.store(Self.currentThread, ordering: .releasing)
      perform(work)
      owner.store(0, ordering: .releasing)
      inbox.withLock { $0.isDraining = false }
    }
  }
}

// MARK: - Handles

extension EventLoop {
  /// The streams that are open. Complexity: O(handles).
  func streams() -> [ByteStream] { handles().compactMap { $0 as? ByteStream } }

  /// The handles that are open, without the loop's own. Complexity: O(handles).
  private func handles() -> [Handle] {
    var found = unsafe Found(own: Unmanaged.passUnretained(self).toOpaque())
    unsafe withUnsafeMutablePointer(to: &found) { found in
      unsafe uv_walk(
        uv,
        { handle, argument in
          guard let handle = unsafe handle, unsafe uv_is_closing(handle) == 0,
            let found = unsafe argument?.assumingMemoryBound(to: Found.self), let data = unsafe handle.pointee.data,
            unsafe data != found.pointee.own, let object = unsafe Handle.of(data)
          else { return }
          unsafe found.pointee.handles.append(object)
        }, found)
    }
    return found.handles
  }

  @safe
  private struct Found {
    let own: UnsafeMutableRawPointer
    var handles: [Handle] = []
  }
}
