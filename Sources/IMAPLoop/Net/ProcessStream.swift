internal import CUV
import IMAPStateMachine

/// The standard output and input of a child process, each a pipe. One pair of sockets would do for both, but there are programs
/// that take a socket for a sign that inetd or rshd has started them, and behave accordingly: Dovecot's imap and bash are two.
///
/// As a handle this is the end that is read.
@safe
final class ProcessStream: PipeStream, StreamOwner {
  private let command: Transport.Command
  private var child: ChildProcess?
  /// The end that is written to.
  private var input: PipeStream?
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
    var childEnds: [Int32] = []
    defer { for descriptor in childEnds { _ = systemClose(descriptor) } }
    do throws(LoopError) {
      let output = try Self.makePipe(isRead: true)
      childEnds.append(output.theirs)
      try take(output.ours)
      let input = try Self.makePipe(isRead: false)
      childEnds.append(input.theirs)
      let writer: PipeStream
      do throws(LoopError) {
        writer = try PipeStream(loop: loop)
      } catch {
        childEnds.append(input.ours)
        throw error
      }
      writer.owner = self
      self.input = writer
      try writer.take(input.ours)
      child = try ChildProcess(loop: loop, command, input: input.theirs, output: output.theirs)
    } catch {
      input?.close()
      close()
      throw error
    }
    child?.onExit = { [weak self] in self?.childExited() }
  }

  override func handleClosed() {
    timer?.cancel()
    timer = nil
    input?.close()
    input = nil
    child?.end()
    child = nil
    super.handleClosed()
  }

  /// A child that is gone takes no bytes. How it ended says more than that, and is known soon.
  override func write(_ bytes: Span<UInt8>, queueing limit: Int) throws(LoopError) -> Int {
    guard let input, !isClosing else { throw LoopError(UV_ECANCELED.rawValue, "write") }
    do throws(LoopError) {
      let count = try input.write(bytes, queueing: limit)
      queued = input.queued
      return count
    } catch {
      if error.code != UV_EPIPE.rawValue { throw error }
      saw(.failure(error.connectionError(.write)))
      return bytes.count
    }
  }

  override func takeProgress() -> Bool { input?.takeProgress() ?? false }

  override func shutdownWriting() { input?.shutdownWriting() }

  // What the end that is written to has to say.
  func streamDrained(_ stream: ByteStream) {
    queued = 0
    owner?.streamDrained(self)
  }
  func streamFailed(_ stream: ByteStream, _ error: ConnectionError) { saw(.failure(error)) }
  func streamConnected(_ stream: ByteStream, error: ConnectionError?) {}
  @unsafe func streamBuffer(_ stream: ByteStream) -> UnsafeMutableRawBufferPointer {
    unsafe .init(start: nil, count: 0)
  }
  func stream(_ stream: ByteStream, received count: Int) {}
  func streamEnded(_ stream: ByteStream) {}
  func streamClosed(_ stream: ByteStream) {}

  override func sawEnd() { saw(.input) }

  override func sawFailure(_ operation: ConnectionError.TransportFailure.Operation, _ error: LoopError) {
    saw(.failure(error.connectionError(operation)))
  }

  override func startReading() throws(LoopError) {
    if end == nil { try super.startReading() }
  }

  /// How long a child may take to end behind its last byte.
  private static var exitTime: Duration { .seconds(1) }

  /// A pipe, of which this process reads one end or writes to the other. Both are closed in other programs, but for the one
  /// that is meant for the child.
  private static func makePipe(isRead: Bool) throws(LoopError) -> (ours: Int32, theirs: Int32) {
    var ends: [uv_file] = [-1, -1]
    let flags = Int32(UV_NONBLOCK_PIPE.rawValue)
    try unsafe check(uv_pipe(&ends, isRead ? flags : 0, isRead ? 0 : flags), "make a pipe")
    return isRead ? (ends[0], ends[1]) : (ends[1], ends[0])
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
