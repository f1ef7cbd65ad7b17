/// How far a transfer has come: a bar on a terminal once it takes more than a second, and nothing otherwise.
final class TransferProgress: Sendable {
  private let title: String
  private let total: UInt64
  private let done: @Sendable () -> UInt64

  /// `total` are the bytes there will be, 0 where nobody knows; `done` tells how many have passed.
  init(_ title: String, total: UInt64, done: @escaping @Sendable () -> UInt64) {
    self.title = title
    self.total = total
    self.done = done
  }

  /// Runs `work` and shows how far it is.
  func during(_ work: () async throws -> Void) async throws {
    guard Console.isInteractive else { return try await work() }
    let start = ContinuousClock.now
    let task = Task {
      try? await Task.sleep(for: .seconds(1))
      while !Task.isCancelled {
        Console.progress(self.line(ContinuousClock.now - start, width: Console.errorWidth))
        try? await Task.sleep(for: .milliseconds(100))
      }
    }
    let result: Result<Void, any Error>
    do { result = .success(try await work()) } catch { result = .failure(error) }
    task.cancel()
    await task.value
    // What comes next starts at the start of the line.
    if ContinuousClock.now - start > .seconds(1) { Console.progress("") }
    try result.get()
  }

  /// What is shown after `time` on a terminal of `width` columns.
  func line(_ time: Duration, width: Int) -> String {
    let state = state(time)
    // The last column stays free: a full line moves some terminals to the next one. Servers choose the names of mailboxes.
    let room = width - 1
    let title = Table.cut(Console.printable(title), to: max(8, room - Table.width(of: state)))
    return Table.cut(title + state, to: room)
  }

  private func state(_ time: Duration) -> String {
    let done = done()
    let seconds = max(1, UInt64(clamping: time.components.seconds))
    let rate = "\(Human.bytes(done / seconds))/s"
    if total == 0 { return "  \(Human.bytes(done))  \(rate)" }
    let filled = Int(min(30, Double(done) * 30 / Double(total)))
    let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: 30 - filled)
    return "  [\(bar)] \(Human.bytes(done)) of \(Human.bytes(total))  \(rate)"
  }
}
