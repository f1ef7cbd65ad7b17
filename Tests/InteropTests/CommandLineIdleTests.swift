import Foundation
import Testing

@testable import imap

/// Servers that announce IDLE and refuse it: they are asked for news instead.
@Suite(.serialized, .timeLimit(.minutes(2))) struct CommandLineIdleTests {
  private static func server(idle: String) throws -> ScriptedServer {
    try script([
      "EXAMINE": ["* 3 EXISTS", "* OK [UIDVALIDITY 7]"], "IDLE": [idle], "NOOP": ["* 4 EXISTS"],
      "STATUS": ["* STATUS INBOX (MESSAGES 4)"],
    ])
  }

  /// By the name of the command.
  private static func script(_ answers: [String: [String]]) throws -> ScriptedServer {
    try ScriptedServer(capabilities: "IDLE") { _, command in
      let name = String(command.prefix { $0 != " " })
      return answers[name] ?? (name == "LOGOUT" ? ["* BYE see you"] : nil)
    }
  }

  private static func account(_ server: ScriptedServer) -> [String] {
    ["--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user", "joe"]
  }

  @Test(arguments: ["NO not for you", "BAD what"]) func watchGoesOnWithoutIdle(_ refusal: String) async throws {
    let server = try Self.server(idle: refusal)
    defer { server.stop() }
    let running = try Tool.Running(
      ["watch", "--json"] + Self.account(server), environment: ["IMAP_PASSWORD": "secret"])
    #expect(await running.line()?.contains("\"count\":3") == true)
    // What NOOP brings.
    #expect(await running.line()?.contains("\"count\":4") == true)
    running.interrupt()
    let result = await running.result()
    #expect(result.status == 0, "\(result.error)")
    #expect(result.output.isEmpty, "\(result.output)")
    #expect(result.error.split(separator: "\n").count == 1 && result.error.contains("refuses IDLE"), "\(result.error)")
    #expect(server.commands.count { $0 == "IDLE" } == 1)
  }

  /// The BYE that answers its own LOGOUT is no news, also where something else than a signal has ended it.
  @Test func theAnswerToLogoutIsNoNews() async throws {
    let server = try Self.script(["EXAMINE": ["* 3 EXISTS"], "IDLE": ["NO"], "NOOP": ["NO not today"]])
    defer { server.stop() }
    let result = try await Tool.run(
      ["watch", "--json"] + Self.account(server), environment: ["IMAP_PASSWORD": "secret"])
    #expect(result.status == 73, "\(result.error)")
    #expect(
      result.output.split(separator: "\n").count == 1 && result.output.contains("\"count\":3"), "\(result.output)")
    #expect(server.commands.last == "LOGOUT")
  }

  /// The BYE of a server that goes by itself is.
  @Test func aServerThatLeavesIsNews() async throws {
    let server = try Self.script([
      "EXAMINE": ["* 3 EXISTS"], "IDLE": ["+ idling", "* BYE going down", "DROP"],
    ])
    defer { server.stop() }
    let result = try await Tool.run(
      ["watch", "--json"] + Self.account(server), environment: ["IMAP_PASSWORD": "secret"])
    #expect(result.status == 69, "\(result.error)")
    #expect(result.output.contains("going down"), "\(result.output)")
  }

  /// A shell says it once, and not above every prompt.
  @Test func aShellGoesOnWithoutIdle() async throws {
    let server = try Self.server(idle: "NO not for you")
    defer { server.stop() }
    let state = try TemporaryFolder()
    let terminal = try Terminal(
      ["shell"] + Self.account(server) + ["INBOX"],
      environment: ["XDG_STATE_HOME": state.path, "IMAP_PASSWORD": "secret"])
    var output = try await terminal.wait(for: "* 1 new message in INBOX")
    for asked in 2...3 {
      terminal.send("status INBOX\r")
      output += try await terminal.wait(for: "MESSAGES")
      await server.received("NOOP", count: asked)
    }
    terminal.send("quit\r")
    let end = await terminal.end()
    output += end.output
    #expect(end.status == 0)
    #expect(output.components(separatedBy: "refuses IDLE").count == 2, "\(output)")
    #expect(server.commands.count { $0 == "IDLE" } == 1)
  }
}
