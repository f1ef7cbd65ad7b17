import IMAPStateMachine

/// Something that a loop calls back on its own thread: at the end of a tick in which it asked for that, and when its one
/// timer is due. Connections are members. Only this package makes subclasses.
public class LoopMember {
  /// The loop whose thread this object belongs to. Nothing of it may be touched on another thread.
  public final let loop: EventLoop

  final var timer = TimerToken.none
  final var isDirty = false

  init(loop: EventLoop) { self.loop = loop }

  /// The end of a tick in which ``EventLoop/markDirty(_:)`` was called.
  func tick() {}

  /// The timer that ``EventLoop/arm(_:at:)`` set is due.
  func timerFired() {}
}

/// A timer that runs a closure on its loop.
public final class LoopTimer: LoopMember {
  private var body: (() -> Void)?

  init(loop: EventLoop, body: @escaping () -> Void) {
    self.body = body
    super.init(loop: loop)
  }

  /// Stops the timer. Nothing happens if it has fired. Call it on the loop's thread. Complexity: O(1).
  public func cancel() {
    body = nil
    loop.disarm(self)
  }

  override func timerFired() {
    let body = self.body
    self.body = nil
    body?()
  }
}
