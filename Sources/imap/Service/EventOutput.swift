import Foundation

/// The lines of a service on standard output, written by a thread of their own.
///
/// What waits to be written is bounded: where a reader does not keep up, ``add(_:)`` holds its caller, which is the thread of a
/// loop, until there is room. A loop that is held reads from no socket, so what happens next waits at the servers.
final class EventOutput: @unchecked Sendable {
  // Guards what follows.
  private let condition = MonotonicCondition()
  private var waiting: [UInt8] = []
  private var lineCount = 0
  private var isWriting = false
  private var holds = true
  private var heldThreads = 0
  private var failed: OutputError?
  private var written: UInt64 = 0

  private let limit: Int
  private let write: @Sendable ([UInt8]) throws(OutputError) -> Void
  private let onFailure: @Sendable () -> Void

  /// Lines that wait take at most `limit` bytes and one line for each thread. `write` writes bytes, and may wait; `onFailure` is
  /// called once, when it throws: everything that comes then is dropped.
  init(
    limit: Int = 1 << 20,
    write: @escaping @Sendable ([UInt8]) throws(OutputError) -> Void = { bytes throws(OutputError) in
      try Console.bytes(bytes)
    },
    onFailure: @escaping @Sendable () -> Void
  ) {
    self.limit = max(1, limit)
    self.write = write
    self.onFailure = onFailure
    Thread.detachNewThread { [self] in
      BackgroundThread.blockPipeSignal()
      run()
    }
  }

  /// Why nothing more is written; nil where all is well.
  var failure: OutputError? { condition.withLock { failed } }

  /// How many threads wait for a reader.
  var held: Int { condition.withLock { heldThreads } }

  /// How many bytes were written.
  var writtenCount: UInt64 { condition.withLock { written } }

  /// Writes `line` behind those before it. Waits while there is no room.
  func add(_ line: JSON) {
    var bytes: [UInt8] = []
    line.write(into: &bytes)
    bytes.append(UInt8(ascii: "\n"))
    condition.withLock {
      heldThreads += 1
      while holds, failed == nil, waiting.count >= limit { condition.wait() }
      heldThreads -= 1
      if failed != nil { return }
      waiting += bytes
      lineCount += 1
      condition.broadcast()
    }
  }

  /// Nobody is held any more: the service ends, and what comes until then finds room.
  func release() {
    condition.withLock {
      holds = false
      condition.broadcast()
    }
  }

  /// Returns when everything is written, or at `deadline`: how many lines were not.
  func finish(by deadline: ContinuousClock.Instant) async -> Int {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { [self] in
        let left = condition.withLock {
          while failed == nil, !waiting.isEmpty || isWriting {
            if !condition.wait(until: deadline) { break }
          }
          return failed == nil ? lineCount : 0
        }
        continuation.resume(returning: left)
      }
    }
  }

  private func run() {
    while true {
      let (bytes, count) = condition.withLock {
        isWriting = false
        condition.broadcast()
        while waiting.isEmpty { condition.wait() }
        isWriting = true
        defer { waiting = [] }
        return (waiting, lineCount)
      }
      // There is room again while these are written.
      condition.withLock { condition.broadcast() }
      do throws(OutputError) {
        try Self.pieces(of: bytes) { piece throws(OutputError) in try write(piece) }
        condition.withLock {
          written += UInt64(bytes.count)
          lineCount -= count
        }
      } catch {
        condition.withLock {
          failed = error
          waiting = []
          isWriting = false
          condition.broadcast()
        }
        return onFailure()
      }
    }
  }

  /// Whole lines, as many as a pipe takes in one piece (`PIPE_BUF`): so much of a pipe's content is never cut, even where the
  /// process ends at once. A longer line is a piece of its own.
  static func pieces(
    of bytes: [UInt8], _ body: ([UInt8]) throws(OutputError) -> Void
  ) throws(OutputError) {
    let newline = UInt8(ascii: "\n")
    var start = 0
    while start < bytes.count {
      var end = min(start + atomicCount, bytes.count)
      if let last = bytes[start..<end].lastIndex(of: newline) {
        end = last + 1
      } else {
        end = bytes[end...].firstIndex(of: newline).map { $0 + 1 } ?? bytes.count
      }
      try body(Array(bytes[start..<end]))
      start = end
    }
  }

  private static let atomicCount = 4096
}
