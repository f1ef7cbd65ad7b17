internal import CUV
import IMAPStateMachine

/// A stream whose bytes do not come from a socket of its own. What has come is kept until the owner reads.
///
/// The handle is one of libuv that never does anything: it ties the stream to the life of the loop as a socket would.
@safe
class RelayedStream: ByteStream {
  /// How there came to be no more bytes.
  enum Ending {
    case closed
    case failed(ConnectionError)
    /// The owner knows.
    case told
  }

  /// What nobody has taken yet. More is asked for when it is empty.
  final var incoming: ArraySlice<UInt8> = []
  /// Nil while there may be more than ``incoming``.
  private(set) final var ending: Ending?

  private final let handle: UnsafeMutablePointer<uv_idle_t>
  private final var isHandingOver = false

  override init(on loop: EventLoop) {
    unsafe handle = .allocate(capacity: 1)
    super.init(on: loop)
  }

  /// Opens the handle. Where this throws there is nothing to close.
  final func open(_ what: String) throws(LoopError) {
    let status = unsafe loop.isShuttingDown ? UV_ECANCELED.rawValue : uv_idle_init(loop.uv, handle)
    if status != 0 {
      deallocate()
      throw LoopError(status, what)
    }
    opened()
  }

  /// Asks for bytes, which follow by ``handOver()``; called while somebody wants them and there are none.
  func receive() throws(LoopError) {}

  override final var raw: UnsafeMutablePointer<uv_handle_t> {
    unsafe UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
  }

  override final func deallocate() { unsafe handle.deallocate() }

  override func handleClosed() {
    incoming = []
    super.handleClosed()
  }

  override func startReading() throws(LoopError) {
    if wantsRead || isClosing { return }
    wantsRead = true
    if incoming.isEmpty, ending == nil { try receive() } else { handOverLater() }
  }

  override func pauseReading() { wantsRead = false }

  /// Nothing comes behind ``incoming``. A failure is told at once where nothing is left to take, else behind that.
  final func end(_ ending: Ending) {
    if isClosing || self.ending != nil { return }
    self.ending = ending
    if case .failed = ending, incoming.isEmpty { tellEnding() } else { handOver() }
  }

  /// Gives the owner what it wants and there is.
  final func handOver() {
    while wantsRead, !isClosing, !incoming.isEmpty, let owner {
      let memory = unsafe owner.streamBuffer(self)
      let piece = incoming.prefix(memory.count)
      // No memory: nobody can take it.
      if piece.isEmpty { return }
      unsafe memory.copyBytes(from: piece)
      incoming = incoming.dropFirst(piece.count)
      owner.stream(self, received: piece.count)
    }
    if !wantsRead || isClosing || !incoming.isEmpty { return }
    incoming = []
    if ending != nil { return tellEnding() }
    do throws(LoopError) { try receive() } catch { end(.failed(error.connectionError(.read))) }
  }

  private final func tellEnding() {
    guard let ending else { return }
    self.ending = .told
    wantsRead = false
    switch ending {
    case .closed: owner?.streamEnded(self)
    case .failed(let error): owner?.streamFailed(self, error)
    case .told: break
    }
  }

  /// Not from inside a call of the owner's.
  private final func handOverLater() {
    if isHandingOver { return }
    isHandingOver = true
    let me = OnLoop(stream: self)
    loop.submit {
      me.stream.isHandingOver = false
      me.stream.handOver()
    }
  }

  /// Sendable: only used on the loop's thread.
  private struct OnLoop: @unchecked Sendable {
    let stream: RelayedStream
  }
}
