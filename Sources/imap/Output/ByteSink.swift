import IMAPLoop
import IMAPStateMachine
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Where the bytes of messages go, written on the loop's thread while they are there: bodies of any size take no memory.
final class ByteSink: Sendable {
  private struct State {
    var failure: OutputError?
    var isUnused = true
    /// Of the message that is coming: its UID, and whether bytes have come.
    var message: (uid: UID?, hasBytes: Bool) = (nil, false)
    var uids: [UID] = []
    var count: UInt64 = 0
    var written: UInt64 = 0
    var decoder: TransferDecoder
  }

  private let descriptor: Int32
  private let state: Mutex<State>

  /// Writes to `descriptor` what is left of `encoding`.
  init(_ descriptor: Int32 = STDOUT_FILENO, encoding: TransferDecoder = .identity) {
    self.descriptor = descriptor
    state = Mutex(State(decoder: encoding))
  }

  /// Why nothing more is written.
  var failure: OutputError? { state.withLock(\.failure) }

  /// Whether nothing has come.
  var isUnused: Bool { state.withLock(\.isUnused) }

  /// The messages of which bytes have come.
  var uids: [UID] { state.withLock(\.uids) }

  /// How many bytes have come.
  var count: UInt64 { state.withLock(\.count) }

  /// How many bytes were written.
  var written: UInt64 { state.withLock(\.written) }

  /// Fetches `section` of messages into this sink. Throws what failed first, on either side.
  func fetch(_ messages: UIDSet, _ section: Section, from client: IMAPClient) async throws {
    do {
      try await client.fetch(.uids(messages), [.section(section)]) { [self] event in
        // The rest of the messages would only be thrown away, and may be long: the connection ends instead.
        if !take(event) { Task { await client.close() } }
      }
    } catch {
      throw failure ?? error
    }
    if let failure { throw failure }
  }

  /// Takes what of `event` is bytes. Returns false the first time that writing fails; what follows is dropped.
  private func take(_ event: borrowing ResponseEvent) -> Bool {
    switch copy event {
    case .uidFetchBegin(let uid): note { $0.message = (uid, false) }
    case .fetchBegin: note { $0.message = (nil, false) }
    case .fetchAttribute(.uid(let uid)): note { $0.message.uid = uid }
    case .fetchEnd: note { if let uid = $0.message.uid, $0.message.hasBytes { $0.uids.append(uid) } }
    case .literalBegin: write([])
    case .literalChunk(let bytes, _): write(ByteView(bytes).copy())
    case .literalEnd: write([], isLast: true)
    case .fetchAttribute(.section(_, .some(let text))): write(text.copy(), isLast: true)
    default: true
    }
  }

  private func note(_ change: (inout State) -> Void) -> Bool {
    state.withLock { change(&$0) }
    return true
  }

  private func write(_ bytes: [UInt8], isLast: Bool = false) -> Bool {
    state.withLock { state in
      state.isUnused = false
      state.message.hasBytes = true
      state.count += UInt64(bytes.count)
      if state.failure != nil { return true }
      var output = state.decoder.decode(bytes)
      if isLast { output += state.decoder.finish() }
      state.written += UInt64(output.count)
      do throws(OutputError) { try Console.bytes(output, to: descriptor) } catch { state.failure = error }
      return state.failure == nil
    }
  }
}
