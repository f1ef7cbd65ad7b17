import ArgumentParser
import Dispatch
import Foundation
import IMAPLoop
import IMAPStateMachine
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Reads commands and runs them, one at a time, until there are no more.
final class Shell: Sendable {
  private let server: ShellServer
  private let input: any ShellInput
  private let name: String
  private let keepGoing: Bool
  private let vocabulary: Vocabulary
  private let history = ShellHistory(ProcessInfo.processInfo.environment)
  private let state: Mutex<State>

  private struct State {
    var json: Bool
    /// The command that is running, and how often it was interrupted.
    var running: Task<Void, any Error>?
    var interruptions = 0
    /// Whether the server still answers behind a command that was interrupted is being found out.
    var probe: Task<Void, Never>?
    var mustEnd = false
    var isOver = false
  }

  /// `account` is the name of the account in the configuration file.
  init(_ server: ShellServer, account: String?, keepGoing: Bool, json: Bool) {
    self.server = server
    self.keepGoing = keepGoing
    let account = account ?? ProcessInfo.processInfo.environment["IMAP_ACCOUNT"]
    name = account ?? "\(server.connector.account.user)@\(server.connector.name)"
    state = Mutex(State(json: json))
    let vocabulary = Vocabulary(ShellVocabulary.self, hidden: ConnectionOptions.self, others: ShellVocabulary.own)
    self.vocabulary = vocabulary
    if isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1 {
      let completer = Completer(
        vocabulary: vocabulary, mailboxes: { ShellCompletion.mailboxes(server) }, files: ShellCompletion.files)
      input =
        LineEditor(history: history.lines()) { completer.complete($0) }.map { TerminalInput($0) } ?? PipeInput()
    } else {
      input = PipeInput()
    }
  }

  /// Runs commands until the end of the input. Returns the status of the first that failed; nil where that is nobody's concern.
  func run(_ mailbox: String?) async -> ExitStatus? {
    let signals = ShellSignals(interrupt: { self.interrupt() }, end: { self.end() }, editor: input.editor)
    defer {
      state.withLock { $0.isOver = true }
      signals.end()
    }
    // Above what is typed, from now on.
    if server.showsWire { showWire(true) }
    var first: ExitStatus?
    if let mailbox { first = await execute(["select", mailbox]) }
    while first == nil || keepGoing || input.isInteractive {
      if state.withLock(\.mustEnd) { break }
      switch await next() {
      case .end: return input.isInteractive ? nil : first
      case .interrupted:
        if !input.isInteractive { return .interrupted }
      case .wrong(let status, let message):
        Console.error("imap: \(message)")
        first = first ?? status
      case .text(let line):
        let words: [String]
        do throws(Failure) { words = try self.words(line) } catch {
          Console.error("imap: \(error.message)")
          first = first ?? error.status
          continue
        }
        if words.isEmpty { continue }
        remember(line)
        if words[0] == "quit" || words[0] == "exit" { return input.isInteractive ? nil : first }
        let status = await execute(words)
        first = first ?? status
        if status == .interrupted, !input.isInteractive { return .interrupted }
      }
    }
    return input.isInteractive ? nil : first
  }

  // MARK: Lines

  /// Waits for a line, and keeps the connection alive meanwhile.
  private func next() async -> InputLine {
    let keeper = Task { [server, input, probe = state.withLock(\.probe)] in
      await probe?.value
      // A pipe mostly has the next line at once: IDLE would only cost time.
      if !input.isInteractive { try await Task.sleep(for: .seconds(1)) }
      await server.keep { input.announce($0) }
    }
    defer { keeper.cancel() }
    let mailbox = server.mailbox.map { ":\($0)" } ?? ""
    let line = await input.next(prompt: "\(name)\(mailbox)> ")
    keeper.cancel()
    _ = await keeper.result
    return line
  }

  /// The words of `line`. What `raw` sends stays as it is, quotes and all.
  private func words(_ line: String) throws(Failure) -> [String] {
    let parsed = ShellLine(line)
    guard parsed.words.first?.text == "raw" else { return try parsed.complete() }
    var isValue = false
    for (index, word) in parsed.words.enumerated().dropFirst() {
      if isValue {
        isValue = false
      } else if word.text.hasPrefix("-") {
        isValue = ["-m", "--mailbox"].contains(word.text)
      } else {
        let rest = line[word.start...].split(separator: " ", omittingEmptySubsequences: false).map { String($0) }
        return parsed.words[..<index].map(\.text) + ["--"] + rest
      }
    }
    return try parsed.complete()
  }

  private func remember(_ line: String) {
    guard let editor = input.editor, ShellHistory.keeps(line) else { return }
    var line = line
    // Tab leaves one.
    while line.last == " " { line.removeLast() }
    editor.remember(line)
    history.append(line)
  }

  // MARK: Commands

  /// Runs one command. Returns how it failed.
  private func execute(_ words: [String]) async -> ExitStatus? {
    await state.withLock(\.probe)?.value
    let task = Task { try await self.run(words) }
    state.withLock { state in
      state.running = task
      state.interruptions = 0
    }
    let result = await task.result
    let wasInterrupted = state.withLock { state in
      state.running = nil
      return state.interruptions > 0
    }
    do {
      try result.get()
      return nil
    } catch {
      if wasInterrupted {
        let failure = error as? Failure
        Console.error("imap: \(failure?.status == .interrupted ? failure?.message ?? "" : "interrupted")")
        return .interrupted
      }
      return report(error)
    }
  }

  private func run(_ words: [String]) async throws {
    let arguments = Array(words.dropFirst())
    if words.contains("--help") || words.contains("-h") { return try help(words.filter { !$0.hasPrefix("-") }) }
    switch words[0] {
    case "help": try help(arguments)
    case "json":
      let isOn = try Self.isOn(words)
      state.withLock { $0.json = isOn }
    case "wire":
      showWire(try Self.isOn(words))
    case "account": try await showAccount()
    case "reconnect": try await server.reconnect()
    default: try await command(words)
    }
  }

  private func command(_ words: [String]) async throws {
    let parsed: any ParsableCommand
    do { parsed = try ShellVocabulary.parseAsRoot(words) } catch {
      let own = ShellVocabulary.own.map(\.commandName)
      throw Failure(
        .usage,
        UsageText.line(error, words, ShellVocabulary.self, others: own) { (["help"] + $0).joined(separator: " ") })
    }
    guard var command = parsed as? any MailCommand else { return try help(words) }
    if command.connection.isSaid {
      throw Failure(.usage, "a shell has one connection; options of others go to `imap shell`")
    }
    if state.withLock(\.json) { command.json = true }
    // One that fails may have done something before.
    defer {
      if command is CreateCommand || command is RenameCommand || command is RemoveMailboxCommand {
        server.forgetNames()
      }
    }
    try await command.work(server)
    if command is SelectCommand { await server.stay() }
  }

  private func showWire(_ isOn: Bool) {
    server.showWire(isOn) { [input] in
      if input is TerminalInput { input.announce([$0]) } else { Console.error($0) }
    }
  }

  private static func isOn(_ words: [String]) throws(Failure) -> Bool {
    switch words.dropFirst() {
    case ["on"]: return true
    case ["off"]: return false
    default: throw Failure(.usage, "write `\(words[0]) on` or `\(words[0]) off`")
    }
  }

  private func help(_ words: [String]) throws {
    if words.isEmpty {
      let commands = vocabulary.commands.map { ($0.commandName, $0.abstract ?? "") }
      for line in Vocabulary.Command.aligned(commands) { try Console.line(line) }
      return try Console.line("`help COMMAND` has more of each.")
    }
    guard let (command, count) = vocabulary.command(words) else {
      throw Failure(.usage, "no such command: \(words[0]); `help` lists those there are")
    }
    for line in command.help(words.prefix(count).joined(separator: " ")) { try Console.line(line) }
  }

  private func showAccount() async throws {
    let account = server.connector.account
    let security =
      switch account.security {
      case .implicitTLS: "TLS"
      case .startTLS: "STARTTLS"
      case .plain: "none"
      }
    let client = server.client
    let values: [(String, JSON)] = [
      ("account", .string(name)), ("host", .string(account.host)), ("user", .string(account.user)),
      ("security", .string(security)), ("connected", .bool(client != nil)),
      ("greeting", .optional(await client?.greeting?.text)), ("mailbox", .optional(server.mailbox?.description)),
    ]
    if state.withLock(\.json) { return try Console.line(JSON.object(values)) }
    var table = Table([Table.Column("WHAT"), Table.Column("VALUE")])
    for (name, value) in values { try table.add([name, value.plainText]) }
    try table.flush()
  }

  /// Returns its status; nil where it is no failure.
  private func report(_ error: any Error) -> ExitStatus? {
    switch error {
    case OutputError.readerGone:
      // As everywhere: who has read enough, as `head` has, is content.
      state.withLock { $0.mustEnd = true }
      return nil
    case OutputError.failed(let code):
      Console.error("imap: cannot write the output: \(unsafe String(cString: strerror(code)))")
      return .file
    case let failure as Failure:
      for line in [failure.message] + failure.others where !line.isEmpty { Console.error("imap: \(line)") }
      return failure.status
    default:
      Console.error("imap: \(error)")
      return .failure
    }
  }

  // MARK: Signals

  /// Ctrl-C: throws the line away, or stops the command: at first gently, so that the connection stays.
  private func interrupt() {
    if input.interrupt() { return }
    if !input.isInteractive { endInTime() }
    let (task, count) = state.withLock { state in
      state.interruptions += 1
      return (state.running, state.interruptions)
    }
    guard let task else { return }
    // A server that answers nothing is not waited for, neither by this command nor by the next.
    let probe = Task { [server] in
      if count == 1, await server.answers(within: Self.patience) { return }
      await server.drop()
    }
    state.withLock { $0.probe = probe }
    task.cancel()
  }

  /// SIGTERM: as Ctrl-D.
  private func end() {
    state.withLock { state in
      state.mustEnd = true
      state.running?.cancel()
    }
    input.end()
    endInTime()
  }

  /// Ends the program where something else than the server holds it: a full pipe, for example.
  private func endInTime() {
    // A thread of its own: those that tasks run on may be what is held.
    Thread.detachNewThread {
      Thread.sleep(forTimeInterval: Self.patience / .seconds(1) + 1)
      if self.state.withLock(\.isOver) { return }
      Interruption.endProgram()
    }
  }

  private static let patience = Duration.seconds(2)
}

/// What Tab asks of the world.
private enum ShellCompletion {
  /// Waits for the server, but not for long: somebody is looking at the cursor.
  static func mailboxes(_ server: ShellServer) -> [String] {
    let answer = Answer()
    Task { answer.come(await server.mailboxNames()) }
    return answer.wait()
  }

  private final class Answer: Sendable {
    private let names = Mutex<[String]>([])
    private let hasCome = DispatchSemaphore(value: 0)

    func come(_ names: [String]) {
      self.names.withLock { $0 = names }
      hasCome.signal()
    }

    func wait() -> [String] {
      _ = hasCome.wait(timeout: .now() + .seconds(3))
      return names.withLock(\.self)
    }
  }

  static func files(_ path: String) -> [String] {
    let slash = path.lastIndex(of: "/")
    let head = slash.map { String(path[...$0]) } ?? ""
    let folder = head.isEmpty ? "." : FilePath.expanded(head)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.sorted().map { name in
      var isFolder: ObjCBool = false
      _ = unsafe FileManager.default.fileExists(atPath: "\(folder)/\(name)", isDirectory: &isFolder)
      return head + name + (isFolder.boolValue ? "/" : "")
    }
  }
}
