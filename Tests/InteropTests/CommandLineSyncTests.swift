import Foundation
import IMAPLoop
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
    try folder.write("tmp/\(time(nil)).999999999_1.\(try Self.host()).imap", "of a run that ended")
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

  @Test func theFolderHasAName() async throws {
    let result = try await Tool.run(["sync", "", "--host", "127.0.0.1", "--port", "1", "--user", "joe"])
    #expect(result.status == 64, "\(result.error)")
    #expect(result.error.contains("the copy needs the name of a folder"), "\(result.error)")
  }

  private static let account = ["--host", "127.0.0.1", "--tls", "none", "--user", "joe", "--password-stdin"]

  /// A server with the mailbox INBOX, where `fetch` makes what comes before the end of FETCH of its command.
  private static func server(
    uids: ClosedRange<Int>, uidValidity: Int = 8, _ fetch: @escaping @Sendable (_ command: String) -> String
  ) throws -> FunctionServer {
    try FunctionServer(greeting: "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      if line.contains("LIST") { return "* LIST () \"/\" INBOX\r\n\(tag) OK\r\n" }
      if line.contains("EXAMINE") {
        return "* \(uids.count) EXISTS\r\n* OK [UIDVALIDITY \(uidValidity)]\r\n\(tag) OK\r\n"
      }
      if line.contains("RFC822.SIZE") {
        return uids.map { "* \($0) FETCH (UID \($0) FLAGS () RFC822.SIZE 9)\r\n" }.joined() + "\(tag) OK\r\n"
      }
      if line.contains("FETCH") {
        let answer = fetch(line)
        return answer.hasSuffix("\0") ? answer : "\(answer)\(tag) OK\r\n"
      }
      if line.contains("LOGOUT") { return "* BYE\r\n\(tag) OK\r\n" }
      if line.contains("CAPABILITY") { return "* CAPABILITY IMAP4rev1\r\n\(tag) OK\r\n" }
      return "\(tag) OK\r\n"
    }
  }

  private static func body(_ uid: Int) -> String { "* \(uid) FETCH (UID \(uid) BODY[] {9}\r\nSubject: )\r\n" }

  /// What is to be removed goes once all that takes its place has come.
  @Test func whatIsOldStaysUntilAllThatIsNewIsThere() async throws {
    let folder = try TemporaryFolder()
    for name in ["cur", "new", "tmp"] {
      try FileManager.default.createDirectory(atPath: "\(folder.path)/\(name)", withIntermediateDirectories: false)
    }
    let old = ["7.1.imap:2,", "7.2.imap:2,", "8.9.imap:2,"]
    for name in old { try folder.write("cur/" + name, "old") }
    let cur = { try FileManager.default.contentsOfDirectory(atPath: folder.path + "/cur").sorted() }
    let isWhole = Mutex(false)
    let server = try Self.server(uids: 1...2) { command in
      if isWhole.withLock(\.self) { return (1...2).filter { command.contains("\($0)") }.map(Self.body).joined() }
      return Self.body(1) + "* 2 FETCH (UID 2 BODY[] {9}\r\nSubj\0"
    }
    defer { server.end() }
    let arguments = ["sync", "--json", "--remove", folder.path, "--port", "\(server.port)"] + Self.account
    let first = try await Tool.run(arguments, input: "secret\n")
    #expect(first.status == 69, "\(first.error)")
    #expect(first.error.split(separator: "\n").count == 1, "\(first.error)")
    #expect(Set(try cur()).isSuperset(of: old))
    isWhole.withLock { $0 = true }
    let second = try await Tool.run(arguments, input: "secret\n")
    #expect(second.status == 0, "\(second.error)")
    #expect(try cur() == ["8.1.imap:2,", "8.2.imap:2,"])
    #expect(Self.counts(second.objects.first).dropFirst() == [0, 3, 2])
  }

  /// What a list leaves out, and the server has, is not removed.
  @Test func whatIsLeftOutIsAskedFor() async throws {
    let folder = try TemporaryFolder()
    for name in ["cur", "new", "tmp"] {
      try FileManager.default.createDirectory(atPath: "\(folder.path)/\(name)", withIntermediateDirectories: false)
    }
    for uid in 1...3 { try folder.write("cur/8.\(uid).imap:2,", "old") }
    // It lists the first only, and of the others has the third.
    let server = try Self.server(uids: 1...1) { command in
      command.contains("UID FETCH 2:3 (UID)") ? "* 2 FETCH (UID 3)\r\n" : ""
    }
    defer { server.end() }
    let arguments = ["sync", "--json", "--remove", folder.path, "--port", "\(server.port)"] + Self.account
    let result = try await Tool.run(arguments, input: "secret\n")
    #expect(result.status == 0, "\(result.error)")
    let cur = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/cur").sorted()
    #expect(cur == ["8.1.imap:2,", "8.3.imap:2,"])
  }

  /// Messages that the server lists and does not send.
  @Test(arguments: ["* 2 FETCH (UID 2 BODY[] NIL)\r\n", "* 2 FETCH (UID 2 FLAGS ())\r\n", ""], [true, false])
  func whatDoesNotComeIsNamed(_ answer: String, _ isThere: Bool) async throws {
    let folder = try TemporaryFolder()
    let server = try Self.server(uids: 1...3) { command in
      if command.contains("BODY") { return Self.body(1) + answer + Self.body(3) }
      return isThere ? "* 2 FETCH (UID 2)\r\n" : ""
    }
    defer { server.end() }
    for name in ["cur", "new", "tmp"] {
      try FileManager.default.createDirectory(atPath: "\(folder.path)/\(name)", withIntermediateDirectories: false)
    }
    try folder.write("cur/7.1.imap:2,", "old")
    let result = try await Tool.run(
      ["sync", "--json", "--remove", folder.path, "--port", "\(server.port)"] + Self.account, input: "secret\n")
    #expect(result.status == (isThere ? 66 : 0), "\(result.error)")
    if isThere {
      #expect(result.error.hasPrefix("imap: INBOX: the server has messages that it does not send: UID 2;"))
      #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
    } else {
      #expect(result.error.isEmpty, "\(result.error)")
    }
    #expect(Self.counts(result.objects.first) == (isThere ? [2, 0, 0, 3] : [2, 0, 1, 2]))
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/cur").sorted()
    #expect(files == (isThere ? ["7.1.imap:2,"] : []) + ["8.1.imap:2,", "8.3.imap:2,"])
  }

  /// A mailbox that cannot be copied is named, and the others are copied.
  @Test func oneMailboxDoesNotStopTheOthers() async throws {
    let folder = try TemporaryFolder()
    let long = String(repeating: "n", count: 300)
    let names = ["INBOX", "secret", long, "fickle", "gone", "broken", "file", "last"]
    let current = Mutex("")
    let server = try FunctionServer(greeting: "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      if line.contains("LIST") { return names.map { "* LIST () \"/\" \($0)\r\n" }.joined() + "\(tag) OK\r\n" }
      if line.contains("EXAMINE") {
        let name = line.split(separator: " ").last.map { $0.filter { $0 != "\"" && !$0.isNewline } } ?? ""
        current.withLock { $0 = name }
        if name == "secret" { return "\(tag) NO [NOPERM] not yours\r\n" }
        if name == "gone" { return "\(tag) NO [NONEXISTENT] what?\r\n" }
        let code = name == "fickle" ? "* NO [UIDNOTSTICKY] no\r\n" : ""
        return "* 1 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n\(code)\(tag) OK\r\n"
      }
      if line.contains("RFC822.SIZE") { return "* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 9)\r\n\(tag) OK\r\n" }
      if line.contains("BODY") {
        let isBroken = current.withLock { $0 } == "broken"
        return isBroken ? "\(tag) NO [SERVERBUG] oops\r\n" : Self.body(1) + "\(tag) OK\r\n"
      }
      if line.contains("LOGOUT") { return "* BYE\r\n\(tag) OK\r\n" }
      if line.contains("CAPABILITY") { return "* CAPABILITY IMAP4rev1\r\n\(tag) OK\r\n" }
      return "\(tag) OK\r\n"
    }
    defer { server.end() }
    try folder.write(".file", "in the way")
    let result = try await Tool.run(
      ["sync", "--json", folder.path, "--port", "\(server.port)"] + Self.account, input: "secret\n")
    #expect(result.status == 73, "\(result.error)")
    let lines = result.error.split(separator: "\n").map { String($0) }
    let starts = [
      "imap: secret: the server refused EXAMINE: not yours",
      "imap: \(long): cannot make the folder \(folder.path)/.nnn",
      "imap: fickle: its messages get new UIDs each time", "imap: gone: no such mailbox",
      "imap: broken: the server refused FETCH: oops", "imap: file: cannot make the folder \(folder.path)/.file/tmp",
    ]
    #expect(lines.count == starts.count, "\(result.error)")
    for (line, start) in zip(lines, starts) { #expect(line.hasPrefix(start), "\(line)") }
    #expect(lines.dropFirst().first?.contains("File name too long") == true, "\(lines)")
    #expect(result.objects.compactMap { $0["mailbox"] as? String } == ["INBOX", "last"])
    #expect(folder.bytes(".last/cur/7.1.imap:2,") == Array("Subject: ".utf8))
    // Nothing can be made in a file, whatever the mailbox is.
    let nowhere = try await Tool.run(
      ["sync", folder.path + "/.file", "--port", "\(server.port)"] + Self.account, input: "secret\n")
    #expect(nowhere.status == 74 && nowhere.error.split(separator: "\n").count == 1, "\(nowhere.error)")
  }

  /// Runs of the same process number, as those on several hosts may be, do not write into each other's files.
  @Test func twoWritersAtOnce() async throws {
    let folder = try TemporaryFolder()
    let maildir = try Maildir(folder.path, mailbox: .inbox, delimiter: "/")
    let slow = try ScriptedServer(
      capabilities: "", [("UID FETCH", ["* 1 FETCH (UID 1 BODY[] {11}", "one", "HOLD"])])
    let fast = try ScriptedServer(capabilities: "", [("UID FETCH", ["* 2 FETCH (UID 2 BODY[] {3}", "two)"])])
    defer {
      slow.stop()
      fast.stop()
    }
    let writers = (0..<2).map { _ in MaildirWriter(maildir, uidValidity: 7) }
    func fetch(_ uid: UID, _ writer: MaildirWriter, _ server: ScriptedServer) async throws {
      let configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.port, security: .plain)
      try await IMAPClient.withClient(configuration) { client in
        try await client.select(.inbox)
        try await writer.fetch(UIDSet([uid]), from: client)
      }
    }
    async let first: Void = fetch(1, writers[0], slow)
    while writers[0].bytes == 0 { await Task.yield() }
    let parts = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/tmp")
    // As the Maildir format has it: time, what is unique, host.
    #expect(parts.count == 1 && parts.allSatisfy { $0.wholeMatch(of: /\d+\.\d+_\w+\..+\.imap/) != nil }, "\(parts)")
    // Looking what is there takes nothing away from who is at work.
    #expect(try maildir.entries().isEmpty)
    try await fetch(2, writers[1], fast)
    slow.release(["and more)"])
    try await first
    #expect(folder.bytes("cur/7.1.imap:2,") == Array("one\r\nand mo".utf8))
    #expect(folder.bytes("cur/7.2.imap:2,") == Array("two".utf8))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/tmp").isEmpty)
  }

  /// What a run has left is removed where no run can be at work at it any more.
  @Test func whatIsLeftOfARun() throws {
    let folder = try TemporaryFolder()
    let maildir = try Maildir(folder.path, mailbox: .inbox, delimiter: "/")
    let (host, now) = (try Self.host(), time(nil))
    let mine = "\(now).\(getpid())_1.\(host).imap"
    let kept = [
      mine, "\(now).1_1.\(host).imap", "\(now).999999999_1.of-another.imap", "999999999.imap", "of-another-program",
    ]
    let ended = "\(now).999999999_1.\(host).imap"
    for name in kept + [ended] { try folder.write("tmp/" + name, "part") }
    let files = { try FileManager.default.contentsOfDirectory(atPath: folder.path + "/tmp").sorted() }
    _ = try maildir.entries()
    // Many hosts have that name.
    #expect(try files() == (kept + (host == "localhost" ? [ended] : [])).sorted())
    // The date of a message is set before it gets its name.
    func age(_ name: String, read: Int, written: Int) {
      let times = [timeval(tv_sec: now - read, tv_usec: 0), timeval(tv_sec: now - written, tv_usec: 0)]
      #expect(unsafe utimes("\(folder.path)/tmp/\(name)", times) == 0)
    }
    let (day, days) = (86_400, 2 * 86_400)
    for name in kept { age(name, read: day, written: days) }
    _ = try maildir.entries()
    #expect(try Set(files()).isSuperset(of: kept))
    for name in kept { age(name, read: days, written: days) }
    _ = try maildir.entries()
    #expect(try files() == ["of-another-program"])
  }

  /// The name of this host in names of files.
  private static func host() throws -> String {
    var name = [CChar](repeating: 0, count: 256)
    try #require(unsafe gethostname(&name, name.count - 1) == 0)
    let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return bytes.isEmpty ? "localhost" : String(decoding: bytes, as: UTF8.self)
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

  /// What stands for another character is not taken for it where it is in a name; what else has an ampersand stays as it is.
  @Test func noTwoNamesAreOneFolder() {
    let names: [(String, String)] = [
      ("a.b", ".a&x2e-b"), ("a&x2e-b", ".a&x26-x2e-b"), ("a&x26-x2e-b", ".a&x26-x26-x2e-b"), ("&x2f-", ".&x26-x2f-"),
      ("\u{7f}", ".&x7f-"), ("&x7f-", ".&x26-x7f-"), ("&&x2e-", ".&&x26-x2e-"),
      // Modified UTF-7, and what nothing else becomes.
      ("S&APw-d", ".S&APw-d"), ("Q&-A", ".Q&-A"), ("&x44-", ".&x44-"), ("&x2E-", ".&x2E-"), ("&x02e-", ".&x02e-"),
      ("&x+2e-", ".&x+2e-"), ("&x2e", ".&x2e"), ("&x-", ".&x-"), ("&", ".&"), ("&xdc80-", ".&xdc80-"),
      ("&x2e/-", ".&x2e.-"),
    ]
    for (name, folder) in names { #expect(Maildir.folder(MailboxName(wire: Array(name.utf8)), "/") == folder) }
    #expect(Set(names.map(\.1)).count == names.count)
  }
}
