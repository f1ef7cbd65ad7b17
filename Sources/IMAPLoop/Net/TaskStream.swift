internal import CUV
import IMAPStateMachine

/// A ``BytePipe`` as a stream. Its calls run as tasks, at most one that sends and one that receives.
@safe
final class TaskStream: RelayedStream {
  /// Nil until it is open.
  private var pipe: (any BytePipe)?
  private var outgoing: [UInt8] = []
  private var sender: Task<Void, Never>?
  private var receiver: Task<Void, Never>?
  private var opening: Task<Void, Never>?

  init(loop: EventLoop, _ pipe: (any BytePipe)? = nil) throws(LoopError) {
    self.pipe = pipe
    super.init(on: loop)
    try open("open pipe")
  }

  override func handleClosed() {
    sender?.cancel()
    receiver?.cancel()
    outgoing = []
    opening?.cancel()
    Task { [pipe] in await pipe?.close() }
    super.handleClosed()
  }

  /// Waits for what `open` makes; ``StreamOwner/streamConnected(_:error:)`` follows.
  func connect(_ open: @escaping @Sendable () async throws -> any BytePipe) {
    let me = OnLoop(stream: self)
    opening = Task { [loop] in
      var pipe: (any BytePipe)?
      var failure: String?
      do { pipe = try await open() } catch { failure = "\(error)" }
      loop.submit { [pipe, failure] in me.stream.opened(pipe, failure) }
    }
  }

  private func opened(_ pipe: (any BytePipe)?, _ failure: String?) {
    opening = nil
    if isClosing {
      // Too late.
      Task { await pipe?.close() }
      return
    }
    self.pipe = pipe
    owner?.streamConnected(self, error: failure.map { .transport(.init(.connect, message: $0)) })
  }

  override func write(_ bytes: Span<UInt8>, queueing limit: Int) throws(LoopError) -> Int {
    if isClosing { throw LoopError(UV_ECANCELED.rawValue, "write") }
    let count = min(bytes.count, max(0, limit - queued))
    if count == 0 { return 0 }
    outgoing.reserveCapacity(outgoing.count + count)
    for index in 0..<count { outgoing.append(bytes[index]) }
    noteQueued(count)
    send()
    return count
  }

  /// Bytes that are asked for at once.
  private static var readSize: Int { 16 * 1024 }

  /// Sendable: only used on the loop's thread.
  private struct OnLoop: @unchecked Sendable {
    let stream: TaskStream
  }

  private func send() {
    guard let pipe, sender == nil, !outgoing.isEmpty, !isClosing else { return }
    var bytes: [UInt8] = []
    swap(&bytes, &outgoing)
    let me = OnLoop(stream: self)
    sender = Task { [loop, bytes] in
      var failure: String?
      do { try await pipe.send(bytes) } catch { failure = "\(error)" }
      loop.submit { [failure] in me.stream.sent(bytes.count, failure) }
    }
  }

  private func sent(_ count: Int, _ failure: String?) {
    sender = nil
    if isClosing { return }
    queued -= count
    if let failure {
      owner?.streamFailed(self, .transport(.init(.write, message: failure)))
    } else if queued == 0 {
      owner?.streamDrained(self)
    } else {
      send()
    }
  }

  override func receive() throws(LoopError) {
    guard let pipe, receiver == nil, !isClosing else { return }
    let me = OnLoop(stream: self)
    let size = Self.readSize
    receiver = Task { [loop] in
      var bytes: [UInt8] = []
      var failure: String?
      do { bytes = try await pipe.receive(upTo: size) ?? [] } catch { failure = "\(error)" }
      loop.submit { [bytes, failure] in me.stream.received(bytes, failure) }
    }
  }

  private func received(_ bytes: [UInt8], _ failure: String?) {
    receiver = nil
    if isClosing { return }
    if let failure { return end(.failed(.transport(.init(.read, message: failure)))) }
    if bytes.isEmpty { return end(.closed) }
    incoming = bytes[...]
    handOver()
  }
}
