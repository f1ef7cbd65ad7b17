import CEdit
import Dispatch
import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

private let systemRead: @Sendable (Int32, UnsafeMutableRawPointer?, Int) -> Int = { unsafe read($0, $1, $2) }
private let systemWrite: @Sendable (Int32, UnsafeRawPointer?, Int) -> Int = { unsafe write($0, $1, $2) }

/// What somebody typed.
enum InputLine: Sendable, Hashable {
  case text(String)
  /// Ctrl-C: the line is thrown away.
  case interrupted
  /// Ctrl-D, or the end of a pipe.
  case end
  /// One that is no command, whatever it was meant to be.
  case wrong(ExitStatus, String)
}

/// Lines from a terminal, with editing, history and completion by libedit. What happens meanwhile is printed above the line
/// that is being typed.
@safe final class LineEditor: @unchecked Sendable {
  /// Completes the text before the cursor. Called on the editor's queue, which it may block.
  private let complete: @Sendable (String) -> Completer.Result?
  // libedit is used on this queue only, and so are the variables that are not constant.
  private let queue = DispatchQueue(label: "imap.shell.input")
  private let edit: OpaquePointer
  private let history: OpaquePointer
  private var prompt = "> "
  /// Whether the terminal has the prompt.
  private var isPrompting = false
  private let promptBytes: UnsafeMutablePointer<CChar>
  private var wasInterrupted = false
  private var mustEnd = false
  /// Wakes the queue out of its wait for a key.
  private let wake: (read: Int32, write: Int32)
  private let shared = Mutex(Shared())

  private struct Shared {
    var isEditing = false
    var news: [String] = []
  }

  /// What the other end of the pipe is told.
  private enum Signal: UInt8 {
    case news = 0x6e
    case interrupt = 0x69
    case resize = 0x77
    case resume = 0x63
    case end = 0x71
  }

  /// Nil where the terminal cannot be used.
  init?(history lines: [String], complete: @escaping @Sendable (String) -> Completer.Result?) {
    self.complete = complete
    // Characters are more than bytes only where the locale says so.
    unsafe setlocale(LC_CTYPE, "")
    if cedit_bytes_per_character() == 1 { unsafe setlocale(LC_CTYPE, "C.UTF-8") }
    guard let ends = PrivatePipe.open() else { return nil }
    _ = fcntl(ends.write, F_SETFL, O_NONBLOCK)
    wake = ends
    guard let history = unsafe history_init(), let edit = unsafe cedit_init("imap") else {
      return nil
    }
    unsafe self.edit = edit
    unsafe self.history = history
    unsafe promptBytes = UnsafeMutablePointer<CChar>.allocate(capacity: Self.mostPrompt)
    unsafe promptBytes.initialize(repeating: 0, count: Self.mostPrompt)
    _ = unsafe cedit_history_size(history, Self.mostHistory)
    _ = unsafe cedit_history_unique(history, 1)
    for line in lines { _ = unsafe cedit_history_enter(history, line) }
    unsafe configure(edit)
  }

  deinit {
    unsafe el_end(edit)
    unsafe history_end(history)
    unsafe promptBytes.deallocate()
    close(wake.read)
    close(wake.write)
  }

  private func configure(_ edit: OpaquePointer) {
    _ = unsafe cedit_set_context(edit, Unmanaged.passUnretained(self).toOpaque())
    _ = unsafe cedit_set_prompt(edit) { edit in unsafe LineEditor.of(edit)?.promptBytes }
    _ = unsafe cedit_set_editor(edit, "emacs")
    _ = unsafe cedit_set_history(edit, history)
    _ = unsafe cedit_set_read(edit) { edit, key in
      guard let editor = unsafe LineEditor.of(edit), let scalar = editor.key() else { return 0 }
      unsafe key?.pointee = wchar_t(scalar.value)
      return 1
    }
    _ = unsafe cedit_add(edit, "imap-complete", "Complete the word.") { edit, _ in
      unsafe LineEditor.of(edit)?.completeWord() ?? UInt8(CC_ERROR)
    }
    _ = unsafe cedit_add(edit, "imap-interrupt", "Throw the line away.") { edit, _ in
      unsafe LineEditor.of(edit)?.throwAway() ?? UInt8(CC_ERROR)
    }
    _ = unsafe cedit_bind(edit, "^I", "imap-complete")
    _ = unsafe cedit_bind(edit, "^C", "imap-interrupt")
    // The search and the keys that shells have; libedit's emacs mode lacks these.
    _ = unsafe cedit_bind(edit, "^R", "em-inc-search-prev")
    _ = unsafe cedit_bind(edit, "\\e[3~", "ed-delete-next-char")
    _ = unsafe cedit_bind(edit, "\\e[1;5C", "em-next-word")
    _ = unsafe cedit_bind(edit, "\\e[1;5D", "ed-prev-word")
  }

  private static func of(_ edit: OpaquePointer?) -> LineEditor? {
    guard let edit = unsafe edit, let context = unsafe cedit_context(edit) else { return nil }
    return unsafe Unmanaged<LineEditor>.fromOpaque(context).takeUnretainedValue()
  }

  // MARK: From any thread

  /// Waits for a line.
  func line(prompt: String) async -> InputLine {
    await withCheckedContinuation { continuation in
      queue.async { continuation.resume(returning: self.read(prompt)) }
    }
  }

  /// Prints `lines` above what is being typed.
  func announce(_ lines: [String]) {
    let isEditing = shared.withLock { shared in
      if shared.isEditing { shared.news += lines }
      return shared.isEditing
    }
    if isEditing { send(.news) } else { for line in lines { try? Console.line(line) } }
  }

  /// Whether a line is being typed.
  var isEditing: Bool { shared.withLock(\.isEditing) }

  /// Throws away what is being typed, as Ctrl-C does.
  func interrupt() { send(.interrupt) }

  /// The terminal has another size.
  func resize() { send(.resize) }

  /// The program goes on after Ctrl-Z.
  func resume() { if isEditing { send(.resume) } }

  /// Acts as if Ctrl-D had been pressed on an empty line.
  func end() { send(.end) }

  /// Arrow-up brings `line` back.
  func remember(_ line: String) {
    queue.async { _ = unsafe cedit_history_enter(self.history, line) }
  }

  private func send(_ signal: Signal) {
    var byte = signal.rawValue
    // A pipe that is full wakes as well.
    _ = unsafe systemWrite(wake.write, &byte, 1)
  }

  // MARK: On the queue

  private func read(_ prompt: String) -> InputLine {
    self.prompt = Table.cut(Console.printable(prompt), to: Self.mostPrompt / 5)
    // Not yet: libedit draws first, and takes the terminal over then. Until it has, Ctrl-D is no key but an end of input, which
    // is lost.
    isPrompting = false
    copyPrompt("")
    if mustEnd { return .end }
    wasInterrupted = false
    shared.withLock { $0.isEditing = true }
    var count: Int32 = 0
    let bytes = unsafe el_gets(edit, &count)
    let text = unsafe bytes.map { unsafe String(cString: $0) }
    let news = shared.withLock { shared in
      shared.isEditing = false
      defer { shared.news = [] }
      return shared.news
    }
    for line in news { try? Console.line(line) }
    if wasInterrupted { return .interrupted }
    guard var text, count > 0, !mustEnd else {
      try? Console.line("")
      return .end
    }
    if text.hasSuffix("\n") { text.removeLast() }
    return .text(text)
  }

  private func copyPrompt(_ prompt: String) {
    for (index, byte) in (Array(prompt.utf8.prefix(Self.mostPrompt - 1)) + [0]).enumerated() {
      unsafe promptBytes[index] = CChar(bitPattern: byte)
    }
  }

  /// The next character that is typed; nil at the end.
  private func key() -> Unicode.Scalar? {
    if !isPrompting {
      isPrompting = true
      copyPrompt(prompt)
      _ = unsafe cedit_refresh(edit)
    }
    while true {
      var waiting = [
        pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
        pollfd(fd: wake.read, events: Int16(POLLIN), revents: 0),
      ]
      if unsafe poll(&waiting, 2, -1) < 0 {
        if errno == EINTR { continue }
        return nil
      }
      if waiting[1].revents != 0 {
        switch heed() {
        case .wait: break
        case .key(let key): return key
        case .end: return nil
        }
      }
      if waiting[0].revents != 0 {
        guard let first = byte() else { return nil }
        return scalar(first)
      }
    }
  }

  /// What follows from what the rest of the program has asked for.
  private enum Reaction {
    case wait
    case key(Unicode.Scalar)
    case end
  }

  /// Does what the rest of the program has asked for.
  private func heed() -> Reaction {
    var byte: UInt8 = 0
    guard unsafe systemRead(wake.read, &byte, 1) == 1, let signal = Signal(rawValue: byte) else { return .wait }
    switch signal {
    case .news: showNews()
    case .interrupt: return .key(Self.interruptKey)
    case .resize:
      unsafe el_resize(edit)
    case .resume:
      _ = unsafe cedit_prepare(edit, 1)
      _ = unsafe cedit_refresh(edit)
    case .end:
      mustEnd = true
      return .end
    }
    return .wait
  }

  private func byte() -> UInt8? {
    var byte: UInt8 = 0
    while true {
      let count = unsafe systemRead(STDIN_FILENO, &byte, 1)
      if count == 1 { return byte }
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN {
        var waiting = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&waiting, 1, -1)
        continue
      }
      return nil
    }
  }

  /// The rest of a character that takes several bytes.
  private func scalar(_ first: UInt8) -> Unicode.Scalar? {
    var bytes = [first]
    let length = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
    while bytes.count < length {
      guard let next = byte() else { return nil }
      bytes.append(next)
    }
    return String(decoding: bytes, as: UTF8.self).unicodeScalars.first
  }

  // MARK: The line that is being typed

  /// Its text before the cursor and behind it.
  private var text: (before: String, after: String) {
    guard let info = unsafe el_line(edit)?.pointee, let buffer = unsafe info.buffer, let cursor = unsafe info.cursor,
      let end = unsafe info.lastchar
    else { return ("", "") }
    func string(_ start: UnsafePointer<CChar>, _ end: UnsafePointer<CChar>) -> String {
      let bytes = unsafe UnsafeBufferPointer(start: start, count: max(0, end - start))
      return unsafe String(decoding: bytes.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    return unsafe (string(buffer, cursor), string(cursor, end))
  }

  /// Writes `lines` in the place of the line, which the caller has drawn again below them.
  private func print(_ lines: [String]) {
    let row = Table.width(of: prompt + text.before) / max(1, Console.width ?? 80)
    var output = row > 0 ? "\u{1b}[\(row)A\r\u{1b}[J" : "\r\u{1b}[J"
    for line in lines { output += Console.printable(line) + "\r\n" }
    try? Console.bytes(Array(output.utf8))
  }

  private func showNews() {
    let news = shared.withLock { shared in
      defer { shared.news = [] }
      return shared.news
    }
    if news.isEmpty { return }
    print(news)
    _ = unsafe cedit_refresh(edit)
  }

  /// Goes to a new line below what is typed.
  private func throwAway() -> UInt8 {
    wasInterrupted = true
    let (before, after) = text
    let width = max(1, Console.width ?? 80)
    let rows = Table.width(of: prompt + before + after) / width - Table.width(of: prompt + before) / width
    try? Console.bytes(Array(("^C" + String(repeating: "\r\n", count: rows + 1)).utf8))
    return UInt8(CC_NEWLINE)
  }

  private func completeWord() -> UInt8 {
    let before = text.before
    guard let result = complete(before) else { return UInt8(CC_REFRESH_BEEP) }
    if result.inserted != String(before.suffix(result.removed)) {
      let scalars = before.suffix(result.removed).unicodeScalars.count
      if scalars > 0 { unsafe el_deletestr(edit, Int32(scalars)) }
      _ = unsafe el_insertstr(edit, result.inserted)
      return UInt8(result.candidates.isEmpty ? CC_REFRESH : CC_REFRESH_BEEP)
    }
    if result.candidates.isEmpty { return UInt8(CC_REFRESH_BEEP) }
    print([prompt + before + text.after] + Self.columns(result.candidates))
    return UInt8(CC_REDISPLAY)
  }

  /// `words` side by side, as many as the terminal has room for.
  private static func columns(_ words: [String]) -> [String] {
    let limit = Console.width ?? 80
    let shown = words.prefix(mostCandidates).map { Console.printable($0) }
    let width = (shown.map { Table.width(of: $0) }.max() ?? 0) + 2
    let perLine = max(1, limit / max(1, width))
    var lines = stride(from: 0, to: shown.count, by: perLine).map { start in
      shown[start..<min(start + perLine, shown.count)].map { word in
        word + String(repeating: " ", count: max(0, width - Table.width(of: word)))
      }.joined()
    }
    if words.count > shown.count { lines.append("and \(words.count - shown.count) more") }
    return lines.map { Table.cut($0, to: limit) }
  }

  private static let interruptKey = Unicode.Scalar(UInt8(0x03))
  private static let mostPrompt = 200
  private static let mostHistory: Int32 = 1000
  private static let mostCandidates = 200
}
