import Foundation
import IMAPLoop
import IMAPTestServer
import Testing

@testable import imap

/// `imap watch --accounts`: many accounts in one process.
@Suite(.serialized, .timeLimit(.minutes(3))) struct CommandLineServiceTests {
  /// A server, and a file with accounts of it.
  private final class Setting: Sendable {
    let server: IMAPTestServer
    let folder: TemporaryFolder
    let file: String

    init(users: Int) async throws {
      server = try await IMAPTestServer.start(
        .init(
          users: (0..<users).map {
            .init("user\($0)", password: "password", mailboxes: [.init("Archive")])
          }))
      folder = try TemporaryFolder()
      file = folder.path + "/accounts"
      try folder.write("ca.pem", server.certificatePEM)
    }

    /// Writes the file: `sections` are the lines behind `[DEFAULT]`.
    func write(_ sections: String, tls: Bool = true) throws {
      try folder.write(
        "accounts",
        """
        [DEFAULT]
        host = localhost
        port = \(try #require(tls ? server.tlsPort : server.plainPort))
        \(tls ? "ssl_ca_file = \(folder.path)/ca.pem" : "ssl = no")
        password = password
        timeout = 20
        \(sections)

        """)
    }

    func start(_ arguments: String..., limit: Int? = nil) throws -> Tool.Running {
      let arguments = ["watch", "--accounts", file] + arguments
      guard let limit else { return try Tool.Running(arguments) }
      let shell = ["-c", "ulimit -n \(limit) && exec \"$0\" \"$@\"", Tool.executable.path]
      return try Tool.Running(shell + arguments, program: URL(fileURLWithPath: "/bin/sh"))
    }
  }

  private func with(_ users: Int, _ body: (Setting) async throws -> Void) async throws {
    let setting = try await Setting(users: users)
    let result: Result<Void, any Error>
    do { result = .success(try await body(setting)) } catch { result = .failure(error) }
    await setting.server.shutdown()
    try result.get()
  }

  private typealias Event = [String: any Sendable]

  /// The next events up to the one that `isLast` accepts, which is among them.
  private func events(_ tool: Tool.Running, until isLast: (Event) -> Bool) async throws -> [Event] {
    var events: [Event] = []
    while let line = await tool.line() {
      let event = try #require((try JSONSerialization.jsonObject(with: Data(line.utf8))) as? Event, "\(line)")
      let time = try #require(event["time"] as? String)
      #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil, "\(time)")
      events.append(event)
      if isLast(event) { return events }
    }
    Issue.record("the output ended behind \(events)")
    return events
  }

  /// The names of the accounts of which events of `kind` come, until all of `accounts` were named.
  private func wait(_ tool: Tool.Running, for kind: String, of accounts: Set<String>) async throws -> [Event] {
    var missing = accounts
    return try await events(tool) { event in
      if event["event"] as? String == kind, let name = event["account"] as? String { missing.remove(name) }
      return missing.isEmpty
    }
  }

  private func errorLine(_ tool: Tool.Running, _ text: String) async throws -> String {
    while let line = await tool.errorLine() {
      if line.contains(text) { return line }
    }
    Issue.record("standard error never says: \(text)")
    return ""
  }

  /// Sends SIGTERM, and expects each account to log out.
  private func end(_ tool: Tool.Running, _ accounts: Set<String>) async {
    tool.send(SIGTERM)
    let result = await tool.result()
    #expect(result.status == 0, "\(result.error)")
    let stopped = result.objects.filter { $0["event"] as? String == "stopped" && $0["cause"] as? String == "shutdown" }
    #expect(Set(stopped.compactMap { $0["account"] as? String }) == accounts)
    #expect(stopped.count == accounts.count)
  }

  @Test func watchesAllAccountsAndCountsThem() async throws {
    try await with(3) { setting in
      try setting.write(
        """
        [a]
        username = user0
        [b]
        username = user1
        mailbox = Archive
        [wrong]
        username = user2
        password = mistaken
        """)
      let tool = try setting.start("--metrics", "127.0.0.1:0", "--threads", "2")
      let url = try #require(try await errorLine(tool, "metrics at").split(separator: " ").last)
      _ = try await errorLine(tool, "watching 3 accounts")
      var missing: Set = ["a connected", "b connected", "wrong stopped"]
      let first = try await events(tool) { event in
        missing.remove("\(event["account"] as? String ?? "") \(event["event"] as? String ?? "")")
        return missing.isEmpty
      }
      let failure = first.first { $0["account"] as? String == "wrong" }
      #expect(failure?["cause"] as? String == "failed")
      #expect((failure?["error"] as? String)?.contains("AUTHENTICATIONFAILED") == true)
      #expect(first.first { $0["account"] as? String == "b" }?["mailbox"] as? String == "Archive")

      _ = try await setting.server.append(user: "user0", message: .init("Subject: one\n\n"))
      _ = try await setting.server.append(user: "user1", mailbox: "Archive", message: .init("Subject: two\n\n"))
      let news = try await wait(tool, for: "new", of: ["a", "b"]).filter { $0["event"] as? String == "new" }
      #expect(news.map { $0["uids"] as? String } == ["1", "1"])

      let text = try await scrape(String(url))
      #expect(text.contains("imap_watch_accounts{state=\"watching\"} 2\n"))
      #expect(text.contains("imap_watch_accounts{state=\"stopped\"} 1\n"))
      #expect(text.contains("imap_watch_events_total{event=\"new\"} 2\n"))
      #expect(text.contains("imap_connections_opened_total 3\n"))
      #expect(text.contains("\n# TYPE imap_connections_lost_total counter\n"))
      #expect(text.contains("process_resident_memory_bytes "))
      await end(tool, ["a", "b"])
    }
  }

  private func scrape(_ url: String) async throws -> String {
    let curl = try Tool.Running(
      ["curl", "--silent", "--fail", "--max-time", "20", url], program: URL(fileURLWithPath: "/usr/bin/env"))
    let result = await curl.result()
    #expect(result.status == 0, "\(result.error)")
    return result.output
  }

  @Test func reloadTouchesOnlyWhatIsDifferent() async throws {
    try await with(4) { setting in
      try setting.write("[a]\nusername = user0\n[b]\nusername = user1\n[c]\nusername = user2")
      let tool = try setting.start()
      _ = try await wait(tool, for: "connected", of: ["a", "b", "c"])

      try setting.write("[a]\nusername = user0\n[c]\nusername = user2\nmailbox = Archive\n[d]\nusername = user3")
      tool.send(SIGHUP)
      #expect(try await errorLine(tool, "kept").hasSuffix("1 added, 1 removed, 1 changed, 1 kept"))
      var seen: [Event] = []
      var missing: Set = ["b removed", "c changed", "c connected", "d connected"]
      seen = try await events(tool) { event in
        let what = event["cause"] as? String ?? event["event"] as? String ?? ""
        missing.remove("\(event["account"] as? String ?? "") \(what)")
        return missing.isEmpty
      }
      #expect(!seen.contains { $0["account"] as? String == "a" })
      // The old connection of a changed account is over before the new one begins.
      let ofC = seen.filter { $0["account"] as? String == "c" }
      #expect(ofC.map { $0["event"] as? String } == ["stopped", "connected"])
      #expect(ofC.last?["mailbox"] as? String == "Archive")

      // All errors, and nothing else.
      try setting.write("[a]\nusername = user0\nport = 0\n[e]\nusername = user1\nssl_ca_file = /no/such\noops")
      tool.send(SIGHUP)
      #expect(try await errorLine(tool, "accounts:").contains(":9: port: write"))
      #expect(await tool.errorLine()?.contains(":12: [e] names a file that cannot be read: /no/such") == true)
      #expect(await tool.errorLine()?.contains(":13: this is neither") == true)
      #expect(await tool.errorLine()?.hasSuffix("is not taken; 3 accounts stay as they are") == true)
      _ = try await setting.server.append(user: "user0", message: .init("Subject: still there\n\n"))
      let news = try await wait(tool, for: "new", of: ["a"])
      #expect(news.allSatisfy { $0["account"] as? String == "a" }, "\(news)")
      await end(tool, ["a", "c", "d"])
    }
  }

  /// Some of many go, some come, and nobody else notices. Nothing that comes later is lost.
  @Test func manyAccountsAreReloadedAndEnd() async throws {
    try await with(310) { setting in
      func names(_ numbers: Range<Int>) -> Set<String> { Set(numbers.map { "a\($0)" }) }
      func sections(_ numbers: Range<Int>) -> String { numbers.map { "[a\($0)]\nusername = user\($0)\n" }.joined() }
      try setting.write(sections(0..<300), tls: false)
      let tool = try setting.start("--start-rate", "1000", "--threads", "2")
      let first = try await wait(tool, for: "connected", of: names(0..<300))
      #expect(first.count == 300)

      try setting.write(sections(10..<310), tls: false)
      tool.send(SIGHUP)
      #expect(try await errorLine(tool, "kept").hasSuffix("10 added, 10 removed, 0 changed, 290 kept"))
      var missing = Set(names(0..<10).map { "\($0) stopped" } + names(300..<310).map { "\($0) connected" })
      let seen = try await events(tool) { event in
        missing.remove("\(event["account"] as? String ?? "") \(event["event"] as? String ?? "")")
        return missing.isEmpty
      }
      #expect(seen.count == 20)
      #expect(Set(seen.compactMap { $0["account"] as? String }) == names(0..<10).union(names(300..<310)))

      for number in 10..<310 {
        _ = try await setting.server.append(user: "user\(number)", message: .init("Subject: new\n\n"))
      }
      let news = try await wait(tool, for: "new", of: names(10..<310))
      #expect(news.filter { $0["event"] as? String == "new" }.count == 300)
      #expect(Set(news.compactMap { $0["event"] as? String }).isSubset(of: ["exists", "recent", "new"]))
      await end(tool, names(10..<310))
    }
  }

  /// The server goes away under all of them. When it is back they watch again, and know what came meanwhile.
  @Test func serverComesBack() async throws {
    let server = try DovecotServer()
    let users = Set((0..<20).map { "user\($0)" })
    let folder = try TemporaryFolder()
    let head =
      "[DEFAULT]\nhost = localhost\nport = \(server.tlsPort)\nssl_ca_file = \(server.certificateFile)\n"
      + "password = \(server.password)\ntimeout = 20\n"
    let file = try folder.write("accounts", head + users.map { "[\($0)]\nusername = \($0)\n" }.joined())
    let loop = try EventLoop.start()
    let tool = try Tool.Running(["watch", "--accounts", file])
    _ = try await wait(tool, for: "connected", of: users)

    server.end()
    _ = try await wait(tool, for: "disconnected", of: users)
    try server.start()
    for user in users {
      let client = try await server.client(user, on: loop)
      try await client.append(Array("Subject: meanwhile\r\n\r\n".utf8), to: .inbox)
      await client.logout()
    }
    var away = users
    var unaware = users
    _ = try await events(tool) { event in
      guard let name = event["account"] as? String else { return false }
      if event["event"] as? String == "connected" { away.remove(name) }
      if event["uids"] as? String == "1" { unaware.remove(name) }
      return away.isEmpty && unaware.isEmpty
    }
    await end(tool, users)
    #expect(await loop.shutdown().isClean)
  }

  @Test func badFileStartsNothing() async throws {
    try await with(1) { setting in
      try setting.write(
        """
        [a]
        host =
        [b]
        username = user0
        ssl_ca_file = /no/such/file
        [c]
        [d]
        username = user0
        starttls = perhaps
        [b]
        """)
      let result = try await Tool.run(["watch", "--accounts", setting.file])
      #expect(result.status == 78)
      #expect(result.output.isEmpty)
      let lines = result.error.split(separator: "\n").map { $0.replacing("imap: \(setting.file):", with: "") }
      let starts = [
        "7: [a] names no user", "8: host has no value", "11: [b] names a file that cannot be read: /no/such/file",
        "12: [c] names no user", "15: starttls: write", "16: [b] comes twice",
      ]
      #expect(lines.count == starts.count, "\(result.error)")
      for (line, start) in zip(lines, starts) { #expect(line.hasPrefix(start), "\(line)") }

      try setting.folder.write("accounts", "[a]\nhost = localhost\nusername = joe\n")
      let withoutPassword = try await Tool.run(["watch", "--accounts", setting.file])
      #expect(withoutPassword.status == 78)
      #expect(withoutPassword.error.contains(":1: [a] has no password"))
      try setting.folder.write("accounts", "# nothing\n")
      #expect(try await Tool.run(["watch", "--accounts", setting.file]).error.contains("has no account"))
      #expect(try await Tool.run(["watch", "--accounts", setting.file, "--host", "h"]).status == 64)
      #expect(try await Tool.run(["watch", "--accounts", setting.file, "--metrics", "0.0.0.0:9100"]).status == 64)
      #expect(try await Tool.run(["watch", "--threads", "2"]).status == 64)
    }
  }

  @Test func descriptorsAreCountedBefore() async throws {
    try await with(8) { setting in
      func sections(_ count: Int) -> String { (0..<count).map { "[a\($0)]\nusername = user\($0)\n" }.joined() }
      try setting.write(sections(8))
      let refused = await (try setting.start(limit: 107)).result()
      #expect(refused.status == 71)
      #expect(refused.output.isEmpty)
      #expect(refused.error.contains("8 accounts need 112 file descriptors"), "\(refused.error)")
      #expect(refused.error.contains("the limit is 107: 5 are missing"))
      let threads = await (try setting.start("--threads", "2", limit: 107)).result()
      #expect(threads.error.contains("the limit is 107: 9 are missing"), "\(threads.error)")

      try setting.write(sections(2))
      let tool = try setting.start(limit: 107)
      _ = try await wait(tool, for: "connected", of: ["a0", "a1"])
      try setting.write(sections(4))
      tool.send(SIGHUP)
      #expect(try await errorLine(tool, "missing").contains("1 are missing"))
      _ = try await errorLine(tool, "2 accounts stay as they are")
      // There is no room for others before those that go have gone.
      try setting.write("[b]\nusername = user2\n[c]\nusername = user3\n")
      tool.send(SIGHUP)
      let line = try await errorLine(tool, "missing")
      #expect(line.contains("2 for accounts that are logging out") && line.contains("1 are missing"), "\(line)")
      _ = try await errorLine(tool, "2 accounts stay as they are")
      _ = try await setting.server.append(user: "user1", message: .init("Subject: still there\n\n"))
      _ = try await wait(tool, for: "new", of: ["a1"])
      await end(tool, ["a0", "a1"])
    }
  }

  /// Three accounts, room for two: the third comes when one goes.
  @Test func connectionsToAHostAreLimited() async throws {
    try await with(3) { setting in
      try setting.write("[a]\nusername = user0\n[b]\nusername = user1")
      let tool = try setting.start("--connections-per-host", "2")
      _ = try await wait(tool, for: "connected", of: ["a", "b"])
      try setting.write("[a]\nusername = user0\n[b]\nusername = user1\n[c]\nusername = user2")
      tool.send(SIGHUP)
      _ = try await errorLine(tool, "1 added")
      try setting.write("[b]\nusername = user1\n[c]\nusername = user2")
      tool.send(SIGHUP)
      let seen = try await wait(tool, for: "connected", of: ["c"])
      #expect(seen.map { $0["account"] as? String } == ["a", "c"])
      await end(tool, ["b", "c"])
    }
  }

  @Test func drainingIsBounded() async throws {
    let folder = try TemporaryFolder()
    func start(_ server: DeafServer, _ time: String) async throws -> Tool.Running {
      let file = try folder.write(
        "accounts", "[a]\nhost = 127.0.0.1\nport = \(server.port)\nssl = no\nusername = joe\npassword = secret\n")
      let tool = try Tool.Running(["watch", "--accounts", file, "--drain-time", time])
      _ = try await wait(tool, for: "connected", of: ["a"])
      tool.send(SIGTERM)
      await server.isAskedToLogOut()
      return tool
    }
    let short = await (try start(DeafServer(), "0.1")).result()
    #expect(short.status == 0)
    #expect(short.error.contains("1 account did not log out in time"), "\(short.error)")

    let long = try await start(DeafServer(), "1000")
    long.send(SIGTERM)
    #expect(await long.result().status == 130)
  }

  @Test func readerThatHasGoneEndsTheService() async throws {
    try await with(1) { setting in
      try setting.write("[a]\nusername = user0")
      let tool = try setting.start()
      _ = try await wait(tool, for: "connected", of: ["a"])
      tool.closeOutput()
      _ = try await setting.server.append(user: "user0", message: .init("Subject: unread\n\n"))
      #expect(await tool.result().status == 0)
    }
  }
}
