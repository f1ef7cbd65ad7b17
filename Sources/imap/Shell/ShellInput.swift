import Dispatch
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Where a shell's commands come from.
protocol ShellInput: Sendable {
  /// Whether somebody types them.
  var isInteractive: Bool { get }
  /// The editor of a terminal.
  var editor: LineEditor? { get }
  /// Waits for a line.
  func next(prompt: String) async -> InputLine
  /// Tells the user of what happens.
  func announce(_ lines: [String])
  /// Ctrl-C. Returns whether a line was waited for.
  func interrupt() -> Bool
  /// No more lines are wanted.
  func end()
}

/// Lines from a terminal.
struct TerminalInput: ShellInput {
  let isInteractive = true
  let editor: LineEditor?
  private let lines: LineEditor

  init(_ editor: LineEditor) {
    self.editor = editor
    lines = editor
  }

  func next(prompt: String) async -> InputLine { await lines.line(prompt: prompt) }

  func announce(_ lines: [String]) { self.lines.announce(lines) }

  func interrupt() -> Bool {
    guard lines.isEditing else { return false }
    lines.interrupt()
    return true
  }

  func end() { lines.end() }
}

/// Lines from a pipe or a file. What happens meanwhile is nobody's concern.
final class PipeInput: ShellInput {
  let isInteractive = false
  let editor: LineEditor? = nil
  private let queue = DispatchQueue(label: "imap.shell.input")
  private let state = Mutex(State())
  private let lines = Mutex(InputLines())

  private struct State {
    var waiting: CheckedContinuation<InputLine, Never>?
    /// How it ended before it was over.
    var end: InputLine?
  }

  func next(prompt: String) async -> InputLine {
    await withCheckedContinuation { continuation in
      let end = state.withLock { state in
        if state.end == nil { state.waiting = continuation }
        return state.end
      }
      if let end { return continuation.resume(returning: end) }
      queue.async { self.resume(self.line()) }
    }
  }

  private func line() -> InputLine {
    while true {
      if let line = lines.withLock({ $0.next() }) { return line }
      do throws(Failure) {
        let bytes = try InputBytes(nil).next(64 * 1024)
        lines.withLock { $0.add(bytes) }
      } catch {
        // It would be the same again.
        state.withLock { $0.end = $0.end ?? .end }
        return .wrong(error.status, error.message)
      }
    }
  }

  func announce(_ lines: [String]) {}

  func interrupt() -> Bool { finish(.interrupted) }

  func end() { _ = finish(.end) }

  /// No line comes any more, also where nobody waits for one at the moment.
  private func finish(_ line: InputLine) -> Bool {
    state.withLock { $0.end = line }
    return resume(line)
  }

  /// Whoever comes first ends the wait.
  @discardableResult
  private func resume(_ line: InputLine) -> Bool {
    let continuation = state.withLock { state in
      defer { state.waiting = nil }
      return state.waiting
    }
    continuation?.resume(returning: line)
    return continuation != nil
  }
}

/// Takes what comes apart into lines.
struct InputLines {
  private var bytes: [UInt8] = []
  /// What of it was taken, and what has no line end.
  private var (taken, searched) = (0, 0)
  private var number = 0
  private var isOver = false

  /// More of it; nothing is its end.
  mutating func add(_ more: [UInt8]) {
    bytes.removeFirst(taken)
    (taken, searched) = (0, searched - taken)
    bytes += more
    isOver = more.isEmpty
  }

  /// The next line; nil where more has to come.
  mutating func next() -> InputLine? {
    guard let end = bytes[searched...].firstIndex(of: 0x0a) else {
      searched = bytes.count
      if !isOver { return nil }
      return taken < bytes.count ? take(upTo: bytes.count, next: bytes.count) : .end
    }
    return take(upTo: end, next: end + 1)
  }

  private mutating func take(upTo end: Int, next: Int) -> InputLine {
    let hasReturn = end > taken && bytes[end - 1] == 0x0d
    let line = bytes[taken..<(hasReturn ? end - 1 : end)]
    (taken, searched) = (next, next)
    number += 1
    guard let text = String(validating: line, as: UTF8.self) else {
      return .wrong(.usage, "line \(number) is not UTF-8; write it in that encoding")
    }
    return .text(text)
  }
}

/// What signals mean to a shell.
final class ShellSignals: Sendable {
  private let listeners: [SignalListener]

  init(
    interrupt: @escaping @Sendable () -> Void, end: @escaping @Sendable () -> Void, editor: LineEditor?
  ) {
    var handlers: [(Int32, @Sendable () -> Void)] = [(SIGINT, interrupt), (SIGTERM, end)]
    if !SignalListener.isIgnored(SIGHUP) { handlers.append((SIGHUP, end)) }
    if let editor {
      handlers.append((SIGWINCH, { editor.resize() }))
      handlers.append((SIGCONT, { editor.resume() }))
    }
    listeners = handlers.map { number, handler in SignalListener(number, handler) }
  }

  /// Nothing more is done.
  func end() { for listener in listeners { listener.cancel() } }
}
