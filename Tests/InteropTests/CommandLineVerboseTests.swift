import Foundation
import IMAPLoop
import IMAPTestServer
import Testing

/// `-v`, `-vv` and `--wire` of the tool.
@Suite(.timeLimit(.minutes(1))) struct CommandLineVerboseTests {
  @Test func whatIsDoneGoesToStandardError() async throws {
    let server = try await IMAPTestServer.start(.init(users: [.init("joe", password: "very-secret")]))
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("imap-test-\(UUID().uuidString).pem")
    defer { try? FileManager.default.removeItem(at: file) }
    try server.certificatePEM.write(to: file, atomically: true, encoding: .utf8)
    let port = try #require(server.tlsPort)
    let account = [
      "--host", "127.0.0.1", "--port", "\(port)", "--user", "joe", "--ca-file", file.path, "--password-stdin",
    ]
    func run(_ options: [String], password: String = "very-secret") async throws -> Tool.Result {
      try await Tool.run(["list"] + options + account, input: password + "\n")
    }

    let quiet = try await run([])
    #expect(quiet.status == 0 && quiet.error.isEmpty)
    let verbose = try await run(["-v"])
    #expect(verbose.output == quiet.output)
    #expect(verbose.error.contains("imap: completed command=LIST duration="), "\(verbose.error)")
    #expect(verbose.error.contains("TLS established") && !verbose.error.contains("C: "), "\(verbose.error)")
    for options in [["-vv"], ["--wire"], ["--verbose", "--verbose"]] {
      let wire = try await run(options)
      #expect(wire.output == quiet.output)
      #expect(wire.error.contains(" AUTHENTICATE PLAIN <redacted>\n"), "\(wire.error)")
      #expect(wire.error.contains("\nS: * LIST "), "\(wire.error)")
      #expect(!wire.error.contains("secret") && !wire.error.contains("c2Vjcm"), "\(wire.error)")
    }
    // A shell shows each line once, however often that is asked for, and none where it is not wanted.
    for (options, script, count) in [
      (["-vv"], "wire on\nnamespace\n", 1), (["-vv"], "namespace\n", 1), (["--wire"], "namespace\n", 1),
      (["-vv"], "wire off\nnamespace\n", 0), ([], "wire on\nnamespace\n", 1), (["-v"], "namespace\n", 0),
    ] {
      let shell = try await Tool.run(["shell"] + options + account, input: "very-secret\n" + script)
      #expect(shell.status == 0, "\(shell.error)")
      let lines = shell.error.split(separator: "\n").filter { $0.hasPrefix("C: ") && $0.hasSuffix(" NAMESPACE") }
      #expect(lines.count == count, "\(options) \(script): \(shell.error)")
      #expect(options.isEmpty || shell.error.contains("imap: completed command=NAMESPACE"), "\(shell.error)")
      #expect(!shell.error.contains("secret"), "\(shell.error)")
    }
    let refused = try await run(["-v"], password: "very-wrong")
    #expect(refused.status == 77)
    #expect(!refused.error.contains("very"), "\(refused.error)")
    await server.shutdown()
  }
}
