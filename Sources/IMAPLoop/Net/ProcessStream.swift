internal import CUV
import IMAPStateMachine

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A method of the same name hides it.
private let systemClose: @Sendable (Int32) -> Int32 = { close($0) }

/// The standard input and output of a child process: one end of a pair of sockets, the child has the other as both. So there
/// is one handle to watch, and the child's input can be ended while its output is still read.
@safe
final class ProcessStream: PipeStream {
  private var child: ChildProcess?
  private let command: Transport.Command
  private var timer: LoopTimer?
  /// Why the connection is over, while it is not known how the process ended.
  private var end: End?

  private enum End {
    case input
    case failure(ConnectionError)
  }

  /// Starts `command`.
  init(loop: EventLoop, _ command: Transport.Command) throws(LoopError) {
    self.command = command
    try super.init(loop: loop)
    var pair: [uv_os_sock_t] = [-1, -1]
    do throws(LoopError) {
      // Both are closed in other programs; only this side's end does not block.
      try unsafe check(
        uv_socketpair(Self.streamSocket, 0, &pair, Int32(UV_NONBLOCK_PIPE.rawValue), 0), "make a pair of sockets")
      do throws(LoopError) {
        try open(pair[0])
      } catch {
        Self.closeDescriptor(pair[0])
        throw error
      }
      child = try ChildProcess(loop: loop, command, descriptor: pair[1])
      Self.closeDescriptor(pair[1])
    } catch {
      Self.closeDescriptor(pair[1])
      close()
      throw error
    }
    child?.onExit = { [weak self] in self?.childExited() }
  }

  override func handleClosed() {
    timer?.cancel()
    timer = nil
    child?.end()
    child = nil
    super.handleClosed()
  }

  /// A child that is gone takes no bytes. How it ended says more than that, and is known soon.
  override func write(_ bytes: Span<UInt8>, queueing limit: Int) throws(LoopError) -> Int {
    do throws(LoopError) {
      return try super.write(bytes, queueing: limit)
    } catch {
      if !Self.isBroken(error) { throw error }
      saw(.failure(error.connectionError(.write)))
      return bytes.count
    }
  }

  override func sawEnd() { saw(.input) }

  override func sawFailure(_ operation: ConnectionError.TransportFailure.Operation, _ error: LoopError) {
    // A socket whose peer has not read everything ends like this.
    saw(Self.isBroken(error) ? .input : .failure(error.connectionError(operation)))
  }

  override func startReading() throws(LoopError) {
    if end == nil { try super.startReading() }
  }

  /// How long a child may take to end behind its last byte.
  private static var exitTime: Duration { .seconds(1) }

  private static var streamSocket: Int32 {
    #if canImport(Glibc)
      Int32(SOCK_STREAM.rawValue)
    #else
      SOCK_STREAM
    #endif
  }

  private static func isBroken(_ error: LoopError) -> Bool {
    error.code == UV_EPIPE.rawValue || error.code == UV_ECONNRESET.rawValue
  }

  private static func closeDescriptor(_ descriptor: Int32) {
    if descriptor >= 0 { _ = systemClose(descriptor) }
  }

  private func saw(_ end: End) {
    if self.end != nil || isClosing { return }
    self.end = end
    // Never at once: the owner may be in the middle of a write.
    let wait = child?.exit == nil ? Self.exitTime : .zero
    timer = loop.schedule(after: wait) { [weak self] in self?.report() }
  }

  private func childExited() {
    if end != nil { report() }
  }

  private func report() {
    guard let end = self.end, !isClosing, let owner else { return }
    timer?.cancel()
    timer = nil
    switch (child?.exit, end) {
    case (let exit?, _) where exit != .status(0) || !hasRead:
      let place = hasRead ? "" : " before it said anything"
      owner.streamFailed(self, .transport(.init(.command, message: "\(command) ended with \(exit)\(place)")))
    case (_, .failure(let error)): owner.streamFailed(self, error)
    case (_, .input): owner.streamEnded(self)
    }
  }
}
