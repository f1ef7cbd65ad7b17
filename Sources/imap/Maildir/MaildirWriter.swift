import IMAPLoop
import IMAPStateMachine
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Writes messages into a ``Maildir`` while their bytes come, on the loop's thread: in `tmp`, and into `cur` when they are
/// complete and on the disk.
final class MaildirWriter: Sendable {
  private struct State {
    var descriptor: Int32 = -1
    var uid: UID?
    var date: InternalDate?
    var flags: [MessageFlag]?
    /// What was said of messages without their bytes: some servers make several responses of one message.
    var said: [UID: (date: InternalDate?, flags: [MessageFlag]?)] = [:]
    var hasBytes = false
    var failure: Failure?
    var uids: Set<UID> = []
    var bytes: UInt64 = 0
  }

  private let folder: Maildir
  private let uidValidity: UInt64
  private let part: String
  private let state = Mutex(State())

  init(_ folder: Maildir, uidValidity: UInt64) {
    self.folder = folder
    self.uidValidity = uidValidity
    part = "\(folder.path)/tmp/\(Maildir.partName())"
  }

  deinit { unsafe unlink(part) }

  /// The messages that are complete.
  var uids: Set<UID> { state.withLock(\.uids) }

  /// How many bytes have come.
  var bytes: UInt64 { state.withLock(\.bytes) }

  /// Fetches `messages`. Throws what failed first, on either side; what was complete by then stays. Where nothing can be written
  /// the connection is over.
  func fetch(_ messages: UIDSet, from client: IMAPClient) async throws {
    state.withLock { $0.said = [:] }
    let items: [FetchItem] = [.uid, .flags, .internalDate, .section(.full)]
    do {
      try await client.fetch(.uids(messages), items) { [self] event in
        if !state.withLock({ take(event, &$0) }) { Task { await client.close() } }
      }
    } catch {
      guard let failure = abandon() else { throw error }
      throw DiskFailure(failure: failure)
    }
    if let failure = abandon() { throw DiskFailure(failure: failure) }
  }

  /// What is left of a message is not kept.
  private func abandon() -> Failure? {
    state.withLock { state in
      if state.descriptor >= 0 { close(state.descriptor) }
      state.descriptor = -1
      unsafe unlink(part)
      return state.failure
    }
  }

  /// Returns false the first time that writing fails; what follows is dropped.
  private func take(_ event: borrowing ResponseEvent, _ state: inout State) -> Bool {
    if state.failure != nil { return true }
    switch copy event {
    case .fetchBegin: start(&state)
    case .literalBegin: state.hasBytes = true
    case .literalChunk(let bytes, _): write(ByteView(bytes).copy(), &state)
    case .fetchAttribute(.uid(let uid)): state.uid = uid
    case .fetchAttribute(.internalDate(let date)): state.date = date
    case .fetchAttribute(.flags(let flags)): state.flags = flags.copy()
    case .fetchAttribute(.section(_, .some(let text))):
      state.hasBytes = true
      write(text.copy(), &state)
    case .fetchEnd: complete(&state)
    default: break
    }
    return state.failure == nil
  }

  private func start(_ state: inout State) {
    (state.uid, state.date, state.flags, state.hasBytes) = (nil, nil, nil, false)
    if state.descriptor >= 0 {
      close(state.descriptor)
      unsafe unlink(part)
    }
    state.descriptor = unsafe open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    if state.descriptor < 0 { fail(&state) }
  }

  private func write(_ bytes: [UInt8], _ state: inout State) {
    state.bytes += UInt64(bytes.count)
    do throws(OutputError) {
      try Console.bytes(bytes, to: state.descriptor)
    } catch {
      if case .failed(let code) = error { errno = code }
      fail(&state)
    }
  }

  private func complete(_ state: inout State) {
    guard let uid = state.uid else { return }
    let date = state.date ?? state.said[uid]?.date
    let flags = state.flags ?? state.said[uid]?.flags
    // News of flags has no bytes.
    if !state.hasBytes {
      state.said[uid] = (date, flags)
      return
    }
    let entry = Maildir.Entry(uidValidity: uidValidity, uid: uid.rawValue, flags: Maildir.letters(flags ?? []))
    if let date {
      // Read now: another run would take a file with the message's date alone for one that was left long ago.
      let times = [timespec(tv_sec: time(nil), tv_nsec: 0), timespec(tv_sec: Int(date.unixSeconds), tv_nsec: 0)]
      unsafe futimens(state.descriptor, times)
    }
    if fsync(state.descriptor) != 0 { return fail(&state) }
    if unsafe rename(part, "\(folder.path)/cur/\(entry.name)") != 0 { return fail(&state) }
    close(state.descriptor)
    state.descriptor = -1
    state.uids.insert(uid)
  }

  private func fail(_ state: inout State) {
    let reason = unsafe String(cString: strerror(errno))
    state.failure = Failure(.file, "cannot write in \(folder.path): \(reason)")
  }
}
