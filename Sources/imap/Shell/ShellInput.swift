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
      // As the password is read: both may come on standard input.
      queue.async { self.resume(readLine().map { .text($0) } ?? .end) }
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
