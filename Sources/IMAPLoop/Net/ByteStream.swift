import IMAPStateMachine

/// Who uses a ``ByteStream``. Nothing is called after ``streamClosed(_:)``, and only that one after a ``Handle/close()``.
protocol StreamOwner: AnyObject {
  /// The connection is there, or it failed.
  func streamConnected(_ stream: ByteStream, error: ConnectionError?)
  /// Memory for the next read. It must stay valid until ``stream(_:received:)`` follows, which happens at once.
  @unsafe func streamBuffer(_ stream: ByteStream) -> UnsafeMutableRawBufferPointer
  /// `count` bytes were written to the start of that memory. 0 means that there was nothing after all.
  func stream(_ stream: ByteStream, received count: Int)
  /// The peer sends no more.
  func streamEnded(_ stream: ByteStream)
  /// Reading or writing failed: nothing but closing is left.
  func streamFailed(_ stream: ByteStream, _ error: ConnectionError)
  /// Everything that was queued is written.
  func streamDrained(_ stream: ByteStream)
  /// The handle is closed and freed.
  func streamClosed(_ stream: ByteStream)
}

/// Bytes in both directions, in order: what a ``Channel`` runs on. The subclasses are TCP, UNIX sockets and descriptors, child
/// processes, and whatever a user brings.
class ByteStream: Handle {
  /// Whether somebody wants to be told of what comes.
  final var wantsRead = false
  /// Where it counts for its source address. It fits between its neighbours: every connection pays for what is stored here.
  final var place: SourceSpread.Place = 0
  /// What ``unsent`` was when ``takeProgress()`` looked last, and what was queued since. It fits there, too.
  private final var unsentBefore: UInt32 = 0
  /// Who is called. Set it before the first event can come: in the same callback that made the stream.
  final var owner: (any StreamOwner)?
  /// Bytes that were not passed on yet.
  final var queued = 0
  /// The part of ``queued`` that is still here: that one counts a piece until all of it has gone.
  var unsent: Int { queued }

  override func handleClosed() {
    let owner = self.owner
    self.owner = nil
    owner?.streamClosed(self)
  }

  /// Reads whenever there is something, until ``pauseReading()``.
  func startReading() throws(LoopError) {}

  /// Leaves everything where it is from now on, so that the peer slows down.
  func pauseReading() {}

  /// Writes what goes at once and queues up to `limit` bytes of the rest. Returns how many bytes were taken in all. Order is
  /// kept across calls. Nothing is called back before this returns.
  func write(_ bytes: Span<UInt8>, queueing limit: Int) throws(LoopError) -> Int { 0 }

  /// Whether some of what was queued has gone since this was asked last.
  func takeProgress() -> Bool {
    let now = UInt32(clamping: unsent)
    defer { unsentBefore = now }
    return now < unsentBefore
  }

  /// Tells the peer that nothing more comes, once everything queued is written.
  func shutdownWriting() {}

  /// The next iteration has begun: reads again if somebody still wants that.
  func resumeAfterThrottle() {}

  /// The other end, while the socket is open; nil where that has no internet address.
  var remoteAddress: SocketAddress? { nil }

  /// This end, likewise.
  var localAddress: SocketAddress? { nil }
}

extension ByteStream {
  /// A subclass has queued so many bytes.
  final func noteQueued(_ count: Int) {
    queued += count
    unsentBefore = UInt32(clamping: Int(unsentBefore) + count)
  }

  /// Writes or queues everything.
  final func write(_ bytes: Span<UInt8>) throws(LoopError) -> Int { try write(bytes, queueing: .max) }
}
