/// How far long work has come: a bar on a terminal, a plain line at each tenth otherwise. All on standard error.
final class Progress: Sendable {
  private let title: String
  private let total: Int
  private let lastTenth = Counter()

  init(_ title: String, total: Int) {
    self.title = title
    self.total = max(1, total)
  }

  /// `done` of the total are done.
  func update(_ done: Int) {
    let tenth = done * 10 / total
    if Console.isInteractive {
      // Redrawing at each step would cost more than the work.
      if done % max(1, total / 200) == 0 { Console.progress(bar(done)) }
    } else if lastTenth.raise(to: tenth) {
      Console.error("\(title): \(done) of \(total)")
    }
  }

  /// The work is over.
  func finish(_ done: Int) {
    if Console.isInteractive {
      Console.progress(bar(done))
      Console.endLine()
    } else if lastTenth.raise(to: 10) {
      Console.error("\(title): \(done) of \(total)")
    }
  }

  /// Shows what `done` returns ten times a second until the task is cancelled.
  func follow(_ done: () async -> Int) async {
    while !Task.isCancelled {
      update(await done())
      try? await Task.sleep(for: .milliseconds(100))
    }
  }

  private func bar(_ done: Int) -> String {
    let filled = min(30, done * 30 / total)
    let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: 30 - filled)
    return Table.cut("[\(bar)] \(done) of \(total) \(title)", to: Console.errorWidth - 1)
  }
}
