#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif
import Foundation
import IMAPLoop
import Synchronization

/// A server that knows what it was told: lines that answer a command, by how the command starts. For what no server at hand
/// has, such as Gmail's extensions. It serves one connection after the other on a thread of its own.
final class ScriptedServer: Sendable {
  let port: UInt16
  private let listener: Int32
  private let greeting: String
  private let script: @Sendable (_ connection: Int, _ command: String) -> [String]?
  private let state = Mutex(State())

  private struct State {
    var log: [String] = []
    var tags: [String] = []
    var connections = 0
    /// The tags of commands whose completion is held back, and who sent them.
    var held: [(tag: String, client: Int32)] = []
    var waiting: [(fits: @Sendable (String) -> Bool, count: Int, continuation: CheckedContinuation<Void, Never>)] = []
  }

  /// The commands that were sent, without their tags, and the lines that were not commands.
  var commands: [String] { state.withLock { $0.log } }

  /// The tags of the commands.
  var tags: [String] { state.withLock { $0.tags } }

  /// How many connections there were.
  var connectionCount: Int { state.withLock { $0.connections } }

  /// `answers` are untagged lines without their line ends, by the start of the command behind its tag; the first that fits
  /// counts. One that starts with `NO` or `BAD` completes the command, `HOLD` holds the completion back until ``release(_:)``,
  /// or until a line comes that is no command; `DROP` ends the connection instead; otherwise OK completes it. What is not listed
  /// gets BAD. A line that is no command may be listed, too: with `DROP`, `HOLD`, or with what completes the command.
  convenience init(
    capabilities: String, isLoggedIn: Bool = true, _ answers: [(command: String, lines: [String])]
  ) throws {
    let answers = [("LOGOUT", ["* BYE"]), ("SELECT", ["* 3 EXISTS"]), ("NOOP", [])] + answers
    try self.init(capabilities: capabilities, isLoggedIn: isLoggedIn) { _, command in
      answers.first { command.hasPrefix($0.0) }?.1
    }
  }

  /// As above, with answers that depend on the connection, which count from 1.
  init(
    capabilities: String, isLoggedIn: Bool = true,
    script: @escaping @Sendable (_ connection: Int, _ command: String) -> [String]?
  ) throws {
    (listener, port) = try FreePort.listener()
    greeting = "* \(isLoggedIn ? "PREAUTH" : "OK") [CAPABILITY IMAP4rev1 \(capabilities)] scripted"
    self.script = script
    Thread.detachNewThread { [self] in serve() }
  }

  func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

  /// Returns when `count` lines that start with `start` have come.
  func received(_ start: String, count: Int = 1) async {
    await received(count) { $0.hasPrefix(start) }
  }

  /// Returns when `count` lines that `fits` likes have come.
  func received(_ count: Int, _ fits: @escaping @Sendable (String) -> Bool) async {
    await withCheckedContinuation { continuation in
      let isThere = state.withLock { state in
        if state.log.count(where: fits) >= count { return true }
        state.waiting.append((fits, count, continuation))
        return false
      }
      if isThere { continuation.resume() }
    }
  }

  /// Sends `lines`, and completes what is held back.
  func release(_ lines: [String] = []) { complete("OK done", lines) }

  /// Sends a line to whoever waits for a completion.
  func say(_ line: String) {
    if let client = state.withLock({ $0.held.first?.client }) { _ = send(client, line) }
  }

  /// Ends the connection of whoever waits for a completion.
  func drop() {
    state.withLock { state in
      if let client = state.held.first?.client { _ = shutdown(client, Int32(SHUT_RDWR)) }
    }
  }

  private func complete(_ status: String, _ lines: [String] = []) {
    let held = state.withLock { state in
      defer { state.held = [] }
      return state.held
    }
    if let client = held.first?.client { for line in lines { _ = send(client, line) } }
    for (tag, client) in held { _ = send(client, "\(tag) \(status)") }
  }

  private func note(_ line: String) {
    let ready = state.withLock { state in
      state.log.append(line)
      let log = state.log
      let ready = state.waiting.filter { wait in log.count(where: wait.fits) >= wait.count }
      state.waiting.removeAll { wait in log.count(where: wait.fits) >= wait.count }
      return ready
    }
    for wait in ready { wait.continuation.resume() }
  }

  private func serve() {
    while true {
      let client = accept(listener, nil, nil)
      if client < 0 { break }
      let connection = state.withLock { state in
        state.connections += 1
        return state.connections
      }
      converse(client, connection)
      state.withLock { state in state.held.removeAll { $0.client == client } }
      close(client)
    }
    close(listener)
  }

  private func converse(_ client: Int32, _ connection: Int) {
    guard send(client, greeting) else { return }
    var unread: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      while let end = unread.firstIndex(of: 0x0a) {
        let line = String(decoding: unread[..<end].filter { $0 != 0x0d }, as: UTF8.self)
        unread.removeFirst(end + 1)
        let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
        if parts.count < 2 {
          note(line)
          if !line.isEmpty, let last = script(connection, line)?.last {
            if last == "DROP" { return }
            if last != "HOLD" { complete(last) }
          } else if line == "*" {
            complete("BAD cancelled")
          } else if !line.isEmpty {
            complete("OK done")
          }
          continue
        }
        state.withLock { $0.tags.append(parts[0]) }
        let lines = script(connection, parts[1])
        let answer = answer(lines, tag: parts[0])
        // Whoever waits for the line lets it go: what comes before its completion has to be sent by then.
        let isHeld = lines?.last == "HOLD"
        if isHeld {
          for line in answer where !send(client, line) { return }
          state.withLock { $0.held.append((parts[0], client)) }
        }
        note(parts[1])
        if !isHeld { for line in answer where !send(client, line) { return } }
        if parts[1] == "LOGOUT" || lines?.last == "DROP" { return }
      }
      let count = unsafe recv(client, &buffer, buffer.count, 0)
      if count <= 0 { return }
      unread += buffer[..<count]
    }
  }

  private func answer(_ lines: [String]?, tag: String) -> [String] {
    guard let lines else { return ["\(tag) BAD unknown"] }
    if lines.last == "HOLD" || lines.last == "DROP" { return lines.dropLast() }
    let isEnded = lines.last.map { $0.hasPrefix("NO") || $0.hasPrefix("BAD") || $0.hasPrefix("OK") } ?? false
    if isEnded, let last = lines.last { return lines.dropLast() + ["\(tag) \(last)"] }
    return lines + ["\(tag) OK done"]
  }

  private func send(_ client: Int32, _ line: String) -> Bool {
    let bytes = Array("\(line)\r\n".utf8)
    var sent = 0
    while sent < bytes.count {
      let more = unsafe bytes.withUnsafeBytes { bytes in
        unsafe Foundation.send(
          client, bytes.baseAddress.map { unsafe $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      if more <= 0 { return false }
      sent += more
    }
    return true
  }
}

/// Runs `body` with a client of a ``ScriptedServer``.
func withScript(
  _ capabilities: String, isLoggedIn: Bool = true, _ answers: [(command: String, lines: [String])],
  inFlight: Int = 20, _ body: (IMAPClient, ScriptedServer) async throws -> Void
) async throws {
  let server = try ScriptedServer(capabilities: capabilities, isLoggedIn: isLoggedIn, answers)
  defer { server.stop() }
  var configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.port, security: .plain)
  configuration.connection.maximumInFlight = inFlight
  try await IMAPClient.withClient(configuration) { client in
    try await body(client, server)
  }
}
