import Foundation
import IMAPTestServer
import Testing

/// `imap get`: files that are whole or are not there.
@Suite(.serialized, .timeLimit(.minutes(3))) struct CommandLineGetTests {
  private static let message = """
    From: anna@example.org\r
    Subject: parts\r
    Content-Type: multipart/mixed; boundary=b\r
    \r
    --b\r
    Content-Type: text/plain; charset=utf-8\r
    Content-Transfer-Encoding: quoted-printable\r
    \r
    caf=C3=A9 a=\r
    b 1=2=\r
    --b\r
    Content-Type: application/octet-stream\r
    Content-Transfer-Encoding: base64\r
    Content-Disposition: attachment; filename="../../data.bin"\r
    \r
    AAEC\r
    /v8=\r
    --b\r
    Content-Type: message/rfc822\r
    \r
    Subject: inside\r
    \r
    inner\r
    --b--\r

    """

  private func withAccount(
    _ messages: [String], _ body: (ToolAccount) async throws -> Void
  ) async throws {
    let server = try await IMAPTestServer.start()
    let result: Result<Void, any Error>
    do {
      for message in messages { _ = try await server.append(user: "user", message: .init(Array(message.utf8))) }
      result = .success(try await body(try ToolAccount(server)))
    } catch {
      result = .failure(error)
    }
    await server.shutdown()
    try result.get()
  }

  @Test func messagesAndParts() async throws {
    try await withAccount([Self.message, "a: b\r\n\r\ntext\r\n"]) { imap in
      let folder = try TemporaryFolder()
      let all = try await imap.json("get", "1:*", "--directory", folder.path)
      #expect(all.map { $0["uid"] as? Int } == [1, 2])
      #expect(folder.names == ["1.eml", "2.eml"])
      #expect(folder.bytes("1.eml") == Array(Self.message.utf8))
      #expect(all.first?["bytes"] as? Int == Self.message.utf8.count)
      let mode = try FileManager.default.attributesOfItem(atPath: folder.path + "/1.eml")[.posixPermissions] as? Int
      #expect(mode.map { $0 & 0o400 } == 0o400)

      #expect(try await imap("get", "1", "--part", "1").output == "café ab 1=2")
      #expect(try await imap("get", "1", "--part", "1", "--as-is").output == "caf=C3=A9 a=\r\nb 1=2=")
      #expect(try await imap("get", "1", "--part", "3.1").output == "inner")
      #expect(try await imap("get", "2", "--part", "1").output == "text\r\n")
      // The sender chooses the file's name, but not its folder.
      let part = try await imap.json("get", "1", "--part", "2", "--directory", folder.path)
      #expect(part.first?["file"] as? String == folder.path + "/1-2-data.bin")
      #expect(folder.bytes("1-2-data.bin") == [0, 1, 2, 0xfe, 0xff])

      let failures: [(arguments: [String], status: Int32, says: String)] = [
        (["1", "--output", folder.path + "/1.eml"], 74, "--force"), (["1", "--part", "4"], 66, "no part 4"),
        (["1", "--part", "0"], 64, "0 is no part"), (["1:2", "--output", folder.path + "/x"], 64, "--directory"),
        (["1", "--directory", folder.path + "/none"], 74, "make it first"),
        (["1", "--output", folder.path + "/none/x"], 74, "cannot write"), (["1", "--json"], 64, "--output"),
      ]
      for failure in failures {
        let result = try await Tool.run(["get"] + failure.arguments, environment: imap.environment)
        #expect(result.status == failure.status, "\(failure.arguments): \(result.error)")
        #expect(result.error.contains(failure.says), "\(result.error)")
      }
      #expect(folder.bytes("1.eml") == Array(Self.message.utf8))
      #expect(try await imap("get", "2", "--output", folder.path + "/1.eml", "--force").status == 0)
      #expect(folder.bytes("1.eml") == Array("a: b\r\n\r\ntext\r\n".utf8))
      #expect(folder.names == ["1-2-data.bin", "1.eml", "2.eml"])
    }
  }

  /// Names of parts as senders write them (RFC 2231, and RFC 2047 where that is not allowed but common), none of which
  /// leads out of the folder.
  @Test func namesOfParts() async throws {
    let dispositions = [
      "attachment; filename*=utf-8''r%C3%A9sum%C3%A9.pdf",
      "attachment; filename=\"=?iso-8859-1?Q?Entw=FCrfe.txt?=\"",
      "attachment; filename*0*=utf-8''%E2%82%AC%20; filename*1=\"of the year.xls\"",
      "attachment; filename*=utf-8''..%2F..%2Fetc%2Fpasswd",
      "attachment; filename*=utf-8''%2Ehidden",
      "attachment; filename*=utf-8''a%00b%1Bc",
      "attachment; filename*=utf-8''a%2F%CC%81b",
    ]
    let parts = dispositions.map { "--b\r\nContent-Type: text/plain\r\nContent-Disposition: \($0)\r\n\r\nx\r\n" }
    let message = "Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\(parts.joined())--b--\r\n"
    try await withAccount([message]) { imap in
      let folder = try TemporaryFolder()
      var names: [String] = []
      for number in 1...dispositions.count {
        let saved = try await imap.json("get", "1", "--part", "\(number)", "--directory", folder.path)
        names.append(String((saved.first?["file"] as? String ?? "").dropFirst(folder.path.count + 1)))
      }
      #expect(
        names == [
          "1-1-résumé.pdf", "1-2-Entwürfe.txt", "1-3-€ of the year.xls", "1-4-passwd", "1-5", "1-6-a b c",
          "1-7-\u{301}b",
        ])
      #expect(folder.names == names.sorted())
    }
  }

  /// Names of one character, in the folder where the tool runs; `-` is standard output.
  @Test func shortNames() async throws {
    try await withAccount(["a: b\r\n\r\ntext\r\n"]) { imap in
      let folder = try TemporaryFolder()
      func get(_ arguments: String...) async throws -> Tool.Result {
        let script = "cd \"$1\" && shift && exec \"$0\" get 1 \"$@\""
        let running = try Tool.Running(
          ["-c", script, Tool.executable.path, folder.path] + arguments, program: URL(fileURLWithPath: "/bin/sh"),
          environment: imap.environment)
        running.closeInput()
        return await running.result()
      }
      let names = ["q", "é", "~", ".x", "qq"]
      for name in names {
        let result = try await get("--output", name)
        #expect(result.status == 0, "\(name): \(result.error)")
        #expect(folder.bytes(name) == Array("a: b\r\n\r\ntext\r\n".utf8), "\(name)")
      }
      #expect(folder.names == names.sorted())
      let output = try await get("-o", "-")
      #expect(output.status == 0 && output.output == "a: b\r\n\r\ntext\r\n", "\(output.error)")
      let refused: [(arguments: [String], status: Int32, says: String)] = [
        (["--output", ""], 64, "name of a file"), (["--output", "-", "--json"], 64, "--json needs"),
        (["--output", "-", "--force"], 64, "--force"), (["--output", "/"], 74, "/ is there already"),
        (["--output", "z/"], 74, "cannot write z/"), (["--directory", ""], 64, "name of a folder"),
      ]
      for entry in refused {
        let result = try await Tool.run(["get", "1"] + entry.arguments, environment: imap.environment)
        #expect(result.status == entry.status, "\(entry.arguments): \(result.error)")
        #expect(result.error.contains(entry.says), "\(entry.arguments): \(result.error)")
        #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
      }
      #expect(folder.names == names.sorted())
    }
  }

  /// A disk that takes no more: nothing is left, and the file that was there stays.
  @Test func fullDisk() async throws {
    try await withAccount(["a: b\r\n\r\n" + String(repeating: "0123456789abcde\n", count: 10_000)]) { imap in
      let folder = try TemporaryFolder()
      try folder.write("m.eml", "old")
      // Nobody may write files above 4 KiB.
      let shell = [
        "-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" get 1 --force --output \"$1\"", Tool.executable.path,
        folder.path + "/m.eml",
      ]
      // ThreadSanitizer would put a table of its own into a file there, of more than that, and read behind its end.
      let environment = imap.environment.merging(["TEST_TMPDIR": "/none"]) { $1 }
      let running = try Tool.Running(shell, program: URL(fileURLWithPath: "/bin/sh"), environment: environment)
      running.closeInput()
      let result = await running.result()
      #expect(result.status == 74, "\(result.error)")
      #expect(result.error.contains("cannot write \(folder.path)/m.eml"), "\(result.error)")
      #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
      #expect(folder.names == ["m.eml"])
      #expect(folder.bytes("m.eml") == Array("old".utf8))
    }
  }

  /// In the place of what is no file, and of links, nothing is put.
  @Test func whatIsThereStaysWhatItIs() async throws {
    let message = "a: b\r\n\r\ntext\r\n"
    try await withAccount([message]) { imap in
      let folder = try TemporaryFolder()
      func kind(_ name: String) -> mode_t {
        var information = stat()
        return unsafe lstat("\(folder.path)/\(name)", &information) == 0 ? information.st_mode & S_IFMT : 0
      }
      func get(_ name: String) async throws -> Tool.Result {
        try await imap("get", "1", "--output", "\(folder.path)/\(name)", "--force")
      }
      // A file that the output goes to.
      try folder.write("log", "kept\n")
      let shell = [
        "-c", "exec \"$0\" get 1 --output /dev/stdout --force >>\"$1\"", Tool.executable.path, folder.path + "/log",
      ]
      let logged = try Tool.Running(shell, program: URL(fileURLWithPath: "/bin/sh"), environment: imap.environment)
      logged.closeInput()
      #expect(await logged.result().status == 0)
      #expect(try String(contentsOfFile: folder.path + "/log", encoding: .utf8) == "kept\n" + message)
      // A pipe.
      #expect(unsafe mkfifo(folder.path + "/pipe", 0o600) == 0)
      let reader = unsafe open(folder.path + "/pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
      let piped = try await get("pipe")
      #expect(piped.status == 0, "\(piped.error)")
      var bytes = [UInt8](repeating: 0, count: 100)
      let count = unsafe read(reader, &bytes, bytes.count)
      #expect(bytes.prefix(max(0, count)).elementsEqual(message.utf8))
      close(reader)
      #expect(kind("pipe") == S_IFIFO)
      // A device of our own, where one may have that: as /dev/full.
      if unsafe mknod(folder.path + "/full", S_IFCHR | 0o600, 1 << 8 | 7) == 0 {
        let full = try await get("full")
        #expect(full.status == 74 && full.error.contains("No space left"), "\(full.error)")
        #expect(kind("full") == S_IFCHR)
      }
      // Links, also to what is not there.
      try folder.write("target", "old")
      let links = [("link", "target"), ("second", "link"), ("dangling", "new"), ("round", "round")]
      for (name, path) in links {
        try FileManager.default.createSymbolicLink(atPath: "\(folder.path)/\(name)", withDestinationPath: path)
      }
      for name in ["second", "dangling"] {
        let result = try await get(name)
        #expect(result.status == 0, "\(result.error)")
      }
      #expect(try await get("round").status == 74)
      for (name, _) in links { #expect(kind(name) == S_IFLNK, "\(name)") }
      #expect(folder.bytes("target") == Array(message.utf8) && folder.bytes("new") == Array(message.utf8))
      #expect(kind("target") == S_IFREG)
      // A folder.
      try FileManager.default.createDirectory(atPath: folder.path + "/folder", withIntermediateDirectories: false)
      #expect(try await get("folder").status == 74)
      #expect(!folder.names.contains { $0.hasPrefix(".imap") }, "\(folder.names)")
    }
  }

  /// What replaces a file can be read by those who could read that, and by no others.
  @Test(arguments: [0o600, 0o640, 0o400, 0o666, 0o755] as [mode_t]) func rightsStay(_ mode: mode_t) async throws {
    try await withAccount(["a: b\r\n\r\ntext\r\n"]) { imap in
      let folder = try TemporaryFolder()
      let path = try folder.write("m.eml", "old", mode: Int(mode))
      // Of another group, where one may have that.
      unsafe chown(path, uid_t.max, 12_345)
      var (before, after) = (stat(), stat())
      #expect(unsafe stat(path, &before) == 0)
      let result = try await imap("get", "1", "--output", path, "--force")
      #expect(result.status == 0, "\(result.error)")
      #expect(unsafe stat(path, &after) == 0)
      #expect(after.st_ino != before.st_ino)
      #expect(after.st_mode & 0o7777 == mode)
      #expect(after.st_gid == before.st_gid && after.st_uid == before.st_uid)
    }
  }

  /// `nohup` lets a program outlive its terminal.
  @Test func whoIgnoresHangUpsGoesOn() async throws {
    let folder = try TemporaryFolder()
    let (asked, ask) = AsyncStream.makeStream(of: Void.self)
    let mayAnswer = DispatchSemaphore(value: 0)
    let server = try FunctionServer(greeting: "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      if line.contains("RFC822.SIZE") { return "* 1 FETCH (UID 1 RFC822.SIZE 9)\r\n\(tag) OK\r\n" }
      if line.contains("BODY") {
        ask.yield()
        mayAnswer.wait()
        return "* 1 FETCH (UID 1 BODY[] {9}\r\nSubject: )\r\n\(tag) OK\r\n"
      }
      if line.contains("LOGOUT") { return "* BYE\r\n\(tag) OK\r\n" }
      return "\(tag) OK\r\n"
    }
    defer { server.end() }
    let running = try Tool.Running(
      [
        "-c", "trap '' HUP; exec \"$0\" \"$@\"", Tool.executable.path, "get", "1", "--directory", folder.path, "--host",
        "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user", "joe", "--password-stdin",
      ], program: URL(fileURLWithPath: "/bin/sh"))
    running.write("secret\n")
    for await _ in asked { break }
    running.send(SIGHUP)
    mayAnswer.signal()
    let result = await running.result()
    #expect(result.status == 0, "\(result.error)")
    #expect(folder.bytes("1.eml") == Array("Subject: ".utf8))
  }

  /// How a message ends early: a signal, or the end of the connection.
  @Test(arguments: [SIGINT, SIGTERM, SIGHUP, nil]) func halfAMessageIsNoFile(_ signal: Int32?) async throws {
    let isInterrupted = signal != nil
    let folder = try TemporaryFolder()
    let (halves, half) = AsyncStream.makeStream(of: Void.self)
    let server = try FunctionServer(greeting: "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      if line.contains("RFC822.SIZE") { return "* 1 FETCH (UID 1 RFC822.SIZE 100000)\r\n\(tag) OK\r\n" }
      if line.contains("BODY") {
        defer { half.yield() }
        return "* 1 FETCH (UID 1 BODY[] {100000}\r\nSubject: half\r\n" + (isInterrupted ? "" : "* BYE")
      }
      if line.contains("LOGOUT") { return "* BYE\r\n\(tag) OK\r\n" }
      if line.contains("CAPABILITY") { return "* CAPABILITY IMAP4rev1\r\n\(tag) OK\r\n" }
      return "\(tag) OK\r\n"
    }
    defer { server.end() }
    let running = try Tool.Running([
      "get", "1", "--directory", folder.path, "--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none",
      "--user", "joe", "--password-stdin", "--timeout", isInterrupted ? "60" : "1",
    ])
    running.write("secret\n")
    for await _ in halves { break }
    if let signal { running.send(signal) }
    // A terminal that is closed often sends two.
    if signal == SIGHUP { running.send(SIGHUP) }
    let result = await running.result()
    #expect(result.status == (isInterrupted ? 130 : 75), "\(result.error)")
    #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
    #expect(folder.names.isEmpty)
  }
}
