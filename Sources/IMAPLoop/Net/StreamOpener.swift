import IMAPStateMachine

/// Opens the stream of one connection. The subclasses know how.
class StreamOpener: LoopMember {
  typealias Completion = (Result<ByteStream, ConnectionError>) -> Void

  /// What the peer has said already.
  final var unread: [UInt8] = []

  private final var completion: Completion?
  private final var result: Result<ByteStream, ConnectionError>?

  /// `completion` is called later and once, unless ``cancel()`` comes first; it must give the stream, which may read already, a new
  /// owner or close it.
  init(loop: EventLoop, completion: @escaping Completion) {
    self.completion = completion
    super.init(loop: loop)
  }

  /// Lets go of everything that is under way.
  func stop() {}

  /// Gives up. The completion is not called any more.
  final func cancel() {
    completion = nil
    stop()
    if case .success(let stream) = result { stream.close() }
    result = nil
  }

  /// Whether it is decided what came of it.
  final var isOver: Bool { result != nil || completion == nil }

  /// Keeps the result until the end of the tick, so that nobody is called from inside the initialiser.
  final func finish(_ result: Result<ByteStream, ConnectionError>) {
    if isOver {
      if case .success(let stream) = result { stream.close() }
      return
    }
    self.result = result
    stop()
    loop.markDirty(self)
  }

  /// Calls the completion before it returns. Only from a callback of the loop: nobody above is in the middle of something.
  final func finishAtOnce(_ result: Result<ByteStream, ConnectionError>) {
    guard let completion, !isOver else { return finish(result) }
    self.completion = nil
    stop()
    completion(result)
  }

  /// The loop has shut down under `stream`.
  final func lost(_ stream: ByteStream) {
    if case .success(let ready) = result {
      if ready === stream { result = .failure(.closedLocally) }
    } else {
      finish(.failure(.closedLocally))
    }
  }

  override final func tick() {
    guard let result, let completion else { return }
    self.completion = nil
    self.result = nil
    completion(result)
  }
}
