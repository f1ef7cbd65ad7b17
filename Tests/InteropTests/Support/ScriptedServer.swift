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
  private let answers: [(command: String, lines: [String])]
  private let log = Mutex<[String]>([])

  /// The commands that were sent, without their tags.
  var commands: [String] { log.withLock { $0 } }

  /// `answers` are untagged lines without their line ends, by the start of the command behind its tag; the first that fits
  /// counts. One that starts with `NO` or `BAD` completes the command; otherwise OK does. What is not listed gets BAD.
  init(capabilities: String, _ answers: [(command: String, lines: [String])]) throws {
    (listener, port) = try FreePort.listener()
    greeting = "* PREAUTH [CAPABILITY IMAP4rev1 \(capabilities)] scripted"
    self.answers = [("LOGOUT", ["* BYE"]), ("SELECT", ["* 3 EXISTS"]), ("NOOP", [])] + answers
    Thread.detachNewThread { [self] in serve() }
  }

  func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

  private func serve() {
    while true {
      let client = accept(listener, nil, nil)
      if client < 0 { break }
      converse(client)
      close(client)
    }
    close(listener)
  }

  private func converse(_ client: Int32) {
    guard send(client, greeting) else { return }
    var unread: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      while let end = unread.firstIndex(of: 0x0a) {
        let line = String(decoding: unread[..<end].filter { $0 != 0x0d }, as: UTF8.self)
        unread.removeFirst(end + 1)
        let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return }
        log.withLock { $0.append(parts[1]) }
        for answer in answer(to: parts[1], tag: parts[0]) where !send(client, answer) { return }
        if parts[1] == "LOGOUT" { return }
      }
      let count = unsafe recv(client, &buffer, buffer.count, 0)
      if count <= 0 { return }
      unread += buffer[..<count]
    }
  }

  private func answer(to command: String, tag: String) -> [String] {
    guard let found = answers.first(where: { command.hasPrefix($0.command) }) else { return ["\(tag) BAD unknown"] }
    let isEnded = found.lines.last.map { $0.hasPrefix("NO") || $0.hasPrefix("BAD") || $0.hasPrefix("OK") } ?? false
    if isEnded, let last = found.lines.last { return found.lines.dropLast() + ["\(tag) \(last)"] }
    return found.lines + ["\(tag) OK done"]
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
  _ capabilities: String, _ answers: [(command: String, lines: [String])],
  _ body: (IMAPClient, ScriptedServer) async throws -> Void
) async throws {
  let server = try ScriptedServer(capabilities: capabilities, answers)
  defer { server.stop() }
  try await IMAPClient.withClient(.init(host: "127.0.0.1", port: server.port, security: .plain)) { client in
    try await body(client, server)
  }
}
