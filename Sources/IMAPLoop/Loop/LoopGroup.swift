import Synchronization

/// Several loops, for a process that wants to use several cores.
public final class LoopGroup: Sendable {
  /// The loops, at least one.
  public let loops: [EventLoop]

  private let turn = Atomic<UInt>(0)

  /// Starts `threads` loops (at least one). If one cannot be started, those before it are shut down.
  public init(threads: Int = 1, name: String = "imap-loop") throws(LoopError) {
    var loops: [EventLoop] = []
    for index in 0..<max(1, threads) {
      do throws(LoopError) {
        loops.append(try EventLoop.start(name: "\(name)-\(index)"))
      } catch {
        let started = loops
        Task { for loop in started { await loop.shutdown() } }
        throw error
      }
    }
    self.loops = loops
  }

  /// The loops in turn. Any thread may call this.
  public func next() -> EventLoop {
    loops[Int(turn.wrappingAdd(1, ordering: .relaxed).oldValue % UInt(loops.count))]
  }

  /// Shuts every loop down, one after the other, and returns their reports.
  @discardableResult
  public func shutdown() async -> [EventLoop.ShutdownReport] {
    var reports: [EventLoop.ShutdownReport] = []
    for loop in loops { reports.append(await loop.shutdown()) }
    return reports
  }
}
