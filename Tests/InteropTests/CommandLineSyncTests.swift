import Foundation
import IMAPStateMachine
import IMAPTestServer
import Synchronization
import Testing

@testable import imap

/// `imap sync`: a copy that can be ended at any time and goes on.
@Suite(.serialized, .timeLimit(.minutes(3))) struct CommandLineSyncTests {
  private static func text(_ number: Int) -> String { "Subject: \(number)\r\n\r\ntext \(number)\r\n" }

  private static func counts(_ object: [String: any Sendable]?) -> [Int?] {
    ["fetched", "changed", "removed", "there"].map { object?[$0] as? Int }
  }

  @Test func copiesFollowTheServer() async throws {
    var configuration = IMAPTestServer.Configuration()
    let mailboxes: [IMAPTestServer.Configuration.Mailbox] = [.init("INBOX"), .init("Lists/a.b"), .init("Süd")]
    configuration.users = [.init("user", password: "password", mailboxes: mailboxes)]
    let server = try await IMAPTestServer.start(configuration)
    let imap = try ToolAccount(server)
    let folder = try TemporaryFolder()
    for number in 1...3 { _ = try await server.append(user: "user", message: .init(Array(Self.text(number).utf8))) }
    _ = try await imap.json("append", "-", "-m", "Süd", "--date", "2026-01-31T12:00:00Z", input: Self.text(4))

    let first = try await imap.json("sync", folder.path)
    #expect(Set(first.compactMap { $0["mailbox"] as? String }) == ["INBOX", "Lists/a.b", "Süd"])
    let inbox = try #require(first.first { $0["mailbox"] as? String == "INBOX" })
    #expect(Self.counts(inbox) == [3, 0, 0, 3])
    let validity = try #require(inbox["uidValidity"] as? Int)
    #expect(folder.names == [".Lists.a&x2e-b", ".S&APw-d", "cur", "new", "tmp"])
    let cur = { try FileManager.default.contentsOfDirectory(atPath: folder.path + "/cur").sorted() }
    #expect(try cur() == (1...3).map { "\(validity).\($0).imap:2," })
    #expect(folder.bytes("cur/\(validity).2.imap:2,") == Array(Self.text(2).utf8))
    let other = try #require(
      try FileManager.default.contentsOfDirectory(atPath: folder.path + "/.S&APw-d/cur").first)
    let attributes = try FileManager.default.attributesOfItem(atPath: folder.path + "/.S&APw-d/cur/" + other)
    #expect((attributes[.modificationDate] as? Date)?.timeIntervalSince1970 == 1_769_860_800)

    // What went here comes again; what changed there changes here; what went there stays.
    try FileManager.default.removeItem(atPath: "\(folder.path)/cur/\(validity).1.imap:2,")
    try folder.write("cur/mine", "not ours")
    try folder.write("tmp/999999999.imap", "of a run that ended")
    _ = try await imap.json("store", "2", "--add", "seen,flagged,keyword")
    _ = try await imap.json("delete", "3")
    #expect(try await Self.counts(imap.json("sync", folder.path, "INBOX").first) == [1, 1, 0, 3])
    #expect(
      try cur() == ["\(validity).1.imap:2,", "\(validity).2.imap:2,FS", "\(validity).3.imap:2,", "mine"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/tmp").isEmpty)
    #expect(try await Self.counts(imap.json("sync", folder.path, "INBOX", "--remove").first) == [0, 0, 1, 2])
    #expect(try await Self.counts(imap.json("sync", folder.path, "INBOX", "--remove").first) == [0, 0, 0, 2])
    #expect(try cur() == ["\(validity).1.imap:2,", "\(validity).2.imap:2,FS", "mine"])

    // Messages of another UIDVALIDITY are others, whatever their UIDs.
    try FileManager.default.moveItem(
      atPath: "\(folder.path)/cur/\(validity).1.imap:2,", toPath: "\(folder.path)/cur/77.1.imap:2,")
    #expect(try await Self.counts(imap.json("sync", folder.path, "INBOX", "--remove").first) == [1, 0, 1, 2])

    #expect(try await imap("sync", folder.path, "nowhere").status == 66)
    #expect(try await imap("sync", imap.environment["IMAP_CONFIG"] ?? "").status == 74)
    await server.shutdown()
  }

  /// What was complete is there, what was not is not, and the next run goes on.
  @Test func goesOnWhereItWas() async throws {
    let folder = try TemporaryFolder()
    let (halves, half) = AsyncStream.makeStream(of: Void.self)
    let asked = Mutex<[String]>([])
    let server = try FunctionServer(greeting: "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      if line.contains("LIST") { return "* LIST () \"/\" INBOX\r\n\(tag) OK\r\n" }
      if line.contains("EXAMINE") { return "* 2 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n\(tag) OK\r\n" }
      if line.contains("RFC822.SIZE") {
        let lines = (1...2).map { "* \($0) FETCH (UID \($0) FLAGS () RFC822.SIZE 9)\r\n" }
        return lines.joined() + "\(tag) OK\r\n"
      }
      if line.contains("BODY") {
        let isFirst = asked.withLock { asked in
          asked.append(line)
          return asked.count == 1
        }
        defer { half.yield() }
        let whole = "* 1 FETCH (BODY[] {9}\r\nSubject: UID 1 FLAGS (\\Seen))\r\n"
        let second = "* 2 FETCH (UID 2 FLAGS () BODY[] {9}\r\nSubj"
        return isFirst ? whole + second : second + "ect: )\r\n\(tag) OK\r\n"
      }
      if line.contains("LOGOUT") { return "* BYE\r\n\(tag) OK\r\n" }
      if line.contains("CAPABILITY") { return "* CAPABILITY IMAP4rev1\r\n\(tag) OK\r\n" }
      return "\(tag) OK\r\n"
    }
    defer { server.end() }
    let arguments = [
      "sync", folder.path, "--json", "--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user",
      "joe",
      "--password-stdin",
    ]
    let running = try Tool.Running(arguments)
    running.write("secret\n")
    for await _ in halves { break }
    running.interrupt()
    let result = await running.result()
    #expect(result.status == 130, "\(result.error)")
    #expect(result.error == "imap: interrupted; run it again to go on\n")
    let cur = { try FileManager.default.contentsOfDirectory(atPath: folder.path + "/cur").sorted() }
    // The signal may have come before the first message.
    #expect(try cur().allSatisfy { $0 == "7.1.imap:2,S" })
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/tmp").isEmpty)
    try folder.write("cur/7.1.imap:2,S", "Subject: ")
    let again = try await Tool.run(arguments, input: "secret\n")
    #expect(again.status == 0, "\(again.error)")
    #expect(Self.counts(again.objects.first) == [1, 1, 0, 2])
    #expect(try cur() == ["7.1.imap:2,", "7.2.imap:2,"])
    #expect(folder.bytes("cur/7.2.imap:2,") == Array("Subject: ".utf8))
    #expect(asked.withLock { $0.last }?.contains("UID FETCH 2 ") == true)
  }

  /// A server that makes several FETCH responses of one message.
  @Test func whatIsSaidInPartsIsJoined() async throws {
    let folder = try TemporaryFolder()
    let server = try FunctionServer(greeting: "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      var lines: [String] = []
      if line.contains("LIST") { lines = ["LIST () \"/\" INBOX"] }
      if line.contains("EXAMINE") { lines = ["1 EXISTS", "OK [UIDVALIDITY 7]"] }
      if line.contains("RFC822.SIZE") {
        lines = ["1 FETCH (UID 1 RFC822.SIZE 9)", "1 FETCH (UID 1 FLAGS (\\Seen))", "1 FETCH (UID 1)"]
      }
      if line.contains("BODY") {
        lines = [
          "1 FETCH (UID 1 FLAGS (\\Seen))", "1 FETCH (UID 1 INTERNALDATE \"31-Jan-2026 12:00:00 +0000\")",
          "1 FETCH (UID 1 BODY[] {9}\r\nSubject: )",
        ]
      }
      return lines.map { "* \($0)\r\n" }.joined() + "\(tag) OK\r\n"
    }
    defer { server.end() }
    let arguments = [
      "sync", folder.path, "--json", "--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user",
      "joe", "--password-stdin",
    ]
    for counts in [[1, 0, 0, 1], [0, 0, 0, 1]] {
      let result = try await Tool.run(arguments, input: "secret\n")
      #expect(result.status == 0, "\(result.error)")
      #expect(Self.counts(result.objects.first) == counts)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/cur") == ["7.1.imap:2,S"])
    }
    let attributes = try FileManager.default.attributesOfItem(atPath: folder.path + "/cur/7.1.imap:2,S")
    #expect((attributes[.modificationDate] as? Date)?.timeIntervalSince1970 == 1_769_860_800)
  }

  /// A disk that takes no more: what was complete stays, nothing else is left, and the next run goes on.
  @Test(
    .disabled(
      if: ProcessInfo.processInfo.environment["THREAD_SANITIZER"] != nil, "its memory is a file, too large for this"))
  func fullDisk() async throws {
    let server = try await IMAPTestServer.start()
    let imap = try ToolAccount(server)
    let folder = try TemporaryFolder()
    let long = Self.text(2) + String(repeating: "0123456789abcd\r\n", count: 10_000)
    for text in [Self.text(1), long] { _ = try await server.append(user: "user", message: .init(Array(text.utf8))) }
    // Nobody may write files above 4 KiB.
    let shell = [
      "-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" sync \"$1\" INBOX", Tool.executable.path, folder.path,
    ]
    let running = try Tool.Running(shell, program: URL(fileURLWithPath: "/bin/sh"), environment: imap.environment)
    running.closeInput()
    let result = await running.result()
    #expect(result.status == 74, "\(result.error)")
    #expect(result.error.contains("cannot write in \(folder.path)"), "\(result.error)")
    #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
    let files = { (name: String) in try FileManager.default.contentsOfDirectory(atPath: folder.path + name).sorted() }
    let first = try files("/cur")
    #expect(first.count == 1 && first.allSatisfy { $0.hasSuffix(".1.imap:2,") }, "\(first)")
    #expect(folder.bytes("cur/" + (first.first ?? "")) == Array(Self.text(1).utf8))
    #expect(try files("/tmp").isEmpty && files("/new").isEmpty)
    #expect(try await Self.counts(imap.json("sync", folder.path, "INBOX").first) == [1, 0, 0, 2])
    let second = try files("/cur").first { $0.hasSuffix(".2.imap:2,") }
    #expect(folder.bytes("cur/" + (second ?? "")) == Array(long.utf8))
    await server.shutdown()
  }

  @Test func noNameLeavesTheFolder() {
    let names: [(String, String)] = [
      ("a/b", ".a.b"), ("../../etc", ".&x2e-&x2e-.&x2e-&x2e-.etc"), ("/", ".&x2f-"), ("", ".&-"), ("//", ".&x2f-."),
      ("a//b", ".a.&x2f-b"), (".", ".&x2e-"), ("a\nb", ".a&xa-b"), ("tmp", ".tmp"), ("a/", ".a."),
      ("a/\u{301}b", ".a.\u{301}b"), (".\u{301}", ".&x2e-\u{301}"),
    ]
    for (name, folder) in names { #expect(Maildir.folder(MailboxName(wire: Array(name.utf8)), "/") == folder) }
    #expect(Maildir.folder(MailboxName(wire: Array("a/b".utf8)), nil) == ".a&x2f-b")
    #expect(Maildir.folder(MailboxName(wire: Array("a/\u{301}b".utf8)), nil) == ".a&x2f-\u{301}b")
    #expect(Set(names.map(\.1)).count == names.count)
  }
}
