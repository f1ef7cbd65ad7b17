import Foundation
import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Testing

/// Events and bodies as they come.
@Suite(.timeLimit(.minutes(5))) struct ClientStreamTests {
  private func withClient(
    without capabilities: Set<Capability> = [], _ messages: [IMAPTestServer.Configuration.Message],
    _ body: (IMAPTestServer, IMAPClient) async throws -> Void
  ) async throws {
    var configuration = IMAPTestServer.Configuration()
    configuration.withheldCapabilities = capabilities
    let server = try await IMAPTestServer.start(configuration)
    for message in messages {
      try await server.append(user: "user", message: message)
    }
    var client = IMAPClient.Configuration(host: "127.0.0.1", port: server.plainPort, security: .plain)
    client.signIn.allowsPlaintext = true
    try await IMAPClient.withClient(client) { client in
      try await client.signIn(user: "user", password: Secret("password"))
      try await client.select(.inbox)
      try await body(server, client)
    }
    await server.shutdown()
  }

  // MARK: Events

  @Test func watchingEndsByDone() async throws {
    let lines = ["+ idling", "* OK Still here", "* 4 EXISTS", "* OK [ALERT] Still here, and down at noon", "HOLD"]
    try await withScript("IDLE", [("IDLE", lines), ("CHECK", [])]) { client, server in
      try await client.select(.inbox)
      for try await event in client.watch() {
        #expect(event == .exists(4))
        break
      }
      await server.received("DONE")
      try await client.check()
      #expect(server.commands.suffix(3) == ["IDLE", "DONE", "CHECK"])
      // Of what is only a sign of life nothing is told; an alert is.
      var notices: [MailboxEvent] = []
      for try await event in client.watch() {
        notices.append(event)
        if notices.count == 2 { break }
      }
      #expect(notices.first == .exists(4))
      guard case .notice(let status)? = notices.last else {
        Issue.record("\(notices)")
        return
      }
      #expect(status.code == .alert)
    }
  }

  @Test func watchingComesBackBehindOtherCommands() async throws {
    try await withClient([]) { server, client in
      let watching = Task {
        var most: UInt32 = 0
        for try await event in client.watch() {
          guard case .exists(let count) = event else { continue }
          most = max(most, count)
          // In the middle of the IDLE.
          #expect(try await client.search(.all).count >= Int(count))
          if count == 3 { break }
        }
        return most
      }
      for number in 1...3 {
        while await server.idleCount == 0 { await Task.yield() }
        try await server.append(user: "user", message: .init("Subject: \(number)\n\n"))
      }
      #expect(try await watching.value == 3)
      try await client.noop()
    }
  }

  @Test func watchingThrowsWhereTheConnectionIsLost() async throws {
    try await withClient([]) { server, client in
      let watching = Task { for try await _ in client.watch() {} }
      while await server.idleCount == 0 { await Task.yield() }
      await server.disconnectClients()
      await #expect { try await watching.value } throws: {
        ($0 as? IMAPError)?.reason == .connectionLost(outcomeUnknown: false)
      }
    }
  }

  @Test func watchingEndsWithALogoutAndNeedsIdle() async throws {
    try await withClient([]) { server, client in
      let watching = Task { for try await _ in client.watch() {} }
      while await server.idleCount == 0 { await Task.yield() }
      await client.logout()
      try await watching.value
    }
    try await withScript("", []) { client, _ in
      await #expect(throws: IMAPError.capabilityMissing(.idle, command: "IDLE")) {
        for try await _ in client.watch() {}
      }
    }
  }

  // MARK: Bodies

  private static func folder() throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    return folder
  }

  private static let large = IMAPTestServer.Configuration.Message(
    Array("Subject: x\r\n\r\n".utf8) + (0..<1_000_000).map { UInt8(0x20 + $0 % 90) })

  @Test(arguments: [1000, 333_338, 1_000_014, 2_000_000] as [UInt32])
  func aMessageInAFile(chunkSize: UInt32) async throws {
    let folder = try Self.folder()
    let path = folder.path + "/message.eml"
    // Not every size is worth a thousand commands.
    let message = chunkSize == 1000 ? .init(Array(Self.large.bytes.prefix(5000))) : Self.large
    try await withClient([message]) { _, client in
      let count = try await client.download(1, to: path, chunkSize: chunkSize) { _ in
        #expect(!FileManager.default.fileExists(atPath: path))
      }
      #expect(count == UInt64(message.bytes.count))
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(message.bytes))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["message.eml"])
      await #expect(throws: DownloadError.file(operation: "create", path: path, code: EEXIST)) {
        try await client.download(1, to: path, overwrites: false)
      }
      await #expect(throws: DownloadError.missing(uid: 9, section: "")) { try await client.download(9, to: path) }
      // What was there stays.
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(message.bytes))
      let traffic = await client.traffic
      #expect(traffic.received > UInt64(message.bytes.count) && traffic.sent > 100)
    }
    try FileManager.default.removeItem(at: folder)
  }

  @Test func whatBrokeOffGoesOn() async throws {
    struct Stop: Error {}
    let got = Collected()
    try await withClient([Self.large]) { _, client in
      await #expect(throws: Stop.self) {
        try await client.download(1, chunkSize: 100_000) { bytes in
          if await got.bytes.count >= 300_000 { throw Stop() }
          await got.add(bytes)
        }
      }
      let offset = await got.bytes.count
      #expect(offset == 300_000)
      let end = try await client.download(1, from: UInt64(offset), chunkSize: 100_000) { await got.add($0) }
      #expect(end == UInt64(Self.large.bytes.count))
      #expect(await got.bytes == Self.large.bytes)
    }
  }

  @Test func nothingIsLeftOfADownloadThatIsCancelled() async throws {
    let folder = try Self.folder()
    try await withClient([Self.large]) { _, client in
      let task = Task {
        try await client.download(1, to: folder.path + "/x", chunkSize: 100_000) { _ in
          unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
        }
      }
      await #expect(throws: (any Error).self) { try await task.value }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
      try await client.noop()
    }
    try FileManager.default.removeItem(at: folder)
  }

  @Test(.enabled(if: SmallDisk.isPossible, "nobody but root may mount a small disk"))
  func aDiskThatIsFull() async throws {
    let folder = try Self.folder()
    #expect(SmallDisk.mount(folder.path))
    try await withClient([Self.large]) { _, client in
      await #expect(throws: DownloadError.file(operation: "write", path: folder.path + "/x", code: ENOSPC)) {
        try await client.download(1, to: folder.path + "/x", chunkSize: 100_000)
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
      try await client.noop()
    }
    #expect(SmallDisk.unmount(folder.path))
    try FileManager.default.removeItem(at: folder)
  }

  /// Who takes one message and no more holds the server up. Another client of the same loop takes all of them meanwhile:
  /// whatever would have come for the first has come by then.
  @Test func whatNobodyTakesIsNotSent() async throws {
    let server = try await IMAPTestServer.start()
    let (count, size) = (24, 1 << 20)
    let message = IMAPTestServer.Configuration.Message([UInt8](repeating: UInt8(ascii: "x"), count: size))
    for _ in 0..<count { try await server.append(user: "user", message: message) }
    let loop = try EventLoop.start()
    var clients: [IMAPClient] = []
    for _ in 0..<2 {
      let client = try await IMAPClient.connect(
        .init(host: "127.0.0.1", port: server.plainPort, security: .plain), on: loop)
      try await client.login(user: "user", password: Secret("password"))
      try await client.select(.inbox)
      clients.append(client)
    }
    var slow = clients[0].messages(.uids(.all), [.uid, .section(.full)]).makeAsyncIterator()
    #expect(try await slow.next()?.bytes()?.count == size)
    var taken = 0
    for try await message in clients[1].messages(.uids(.all), [.uid, .section(.full)]) {
      if message.bytes()?.count == size { taken += 1 }
    }
    #expect(taken == count)
    #expect(await clients[1].traffic.received > UInt64(count * size))
    #expect(await clients[0].traffic.received < UInt64(4 * size))
    // It goes on where it was.
    var left = 0
    while let message = try await slow.next() {
      if message.bytes()?.count == size { left += 1 }
    }
    #expect(left == count - 1)
    for client in clients { await client.logout() }
    #expect(await loop.shutdown().isClean)
    await server.shutdown()
  }

  @Test(arguments: [
    ("base64", "ISO-8859-1", Array("caf\u{e9}".unicodeScalars.map { UInt8($0.value) }), "caf\u{e9}"),
    ("quoted-printable", "UTF-8", Array("Grüße, 世界 😀".utf8), "Grüße, 世界 😀"),
    ("base64", "KOI8-R", [0xf0, 0xd2, 0xc9, 0xd7, 0xc5, 0xd4], "Привет"),
    ("base64", "ISO-2022-JP", Array("\u{1b}$B$3$s\u{1b}(B!".utf8), "こん!"),
    ("8bit", "x-nobody-knows", Array("as it is".utf8), "as it is"),
  ])
  func textOfAnyCharset(_ encoding: String, _ charset: String, _ bytes: [UInt8], _ text: String) async throws {
    let body: [UInt8]
    switch encoding {
    case "base64": body = Array(Data(bytes).base64EncodedString().utf8)
    case "quoted-printable":
      let digits = Array("0123456789ABCDEF".utf8)
      body = bytes.flatMap { [0x3d, digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    default: body = bytes
    }
    let header = "Content-Type: text/plain; charset=\(charset)\r\nContent-Transfer-Encoding: \(encoding)\r\n\r\n"
    try await withClient([.init(Array(header.utf8) + body)]) { _, client in
      let structure = try await client.fetchOne(1 as UID, [.bodyStructure])?.bodyStructure
      let part = try #require(structure?.textPart)
      // Every way to cut characters and codes into two.
      for size in 1...7 as ClosedRange<UInt32> {
        let got = Collected()
        let count = try await client.downloadDecoded(1, part, chunkSize: size) { await got.add($0) }
        #expect(await String(decoding: got.bytes, as: UTF8.self) == text, "pieces of \(size)")
        #expect(count == UInt64(body.count))
      }
    }
  }

  @Test func previewsOfMessages() async throws {
    let html = "<html><head><title>no</title><style>p { color: red }</style></head><body><p>Dear&nbsp;A,</p><p>1 &lt; 2"
    let long = String(repeating: "word ", count: 500)
    let messages: [IMAPTestServer.Configuration.Message] = [
      .init("Content-Type: text/plain; charset=utf-8\n\n  Hello,\n\n\tw\u{f6}rld  \n"),
      .init("Content-Type: text/html\n\n\(html)"), .init("\n\(long)"), .init("Content-Type: image/png\n\nx"),
    ]
    try await withClient(messages) { _, client in
      var previews: [String?] = []
      for uid in [1, 2, 3, 4, 99] as [UID] { previews.append(try await client.preview(of: uid)) }
      #expect(previews[0] == "Hello, w\u{f6}rld")
      #expect(previews[1] == "Dear A, 1 < 2")
      #expect(previews[2]?.count == 199)
      #expect(previews[3...] == [nil, nil])
      let short = try await client.preview(of: 3, length: 7)
      #expect(short == "word wo")
    }
  }

  // MARK: A mailbox for oneself

  @Test func nobodyOpensAnotherMailboxMeanwhile() async throws {
    try await withClient([]) { server, client in
      for name in ["A", "B"] as [MailboxName] { try await server.create(user: "user", mailbox: name) }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<30 {
          group.addTask {
            let name = ["A", "B", MailboxName.inbox][number % 3]
            if number % 5 == 4 {
              try await client.select(name)
              return
            }
            try await client.withMailbox(name, readOnly: number % 2 == 0) { open in
              #expect(open.name == name)
              for _ in 0..<3 {
                try await client.noop()
                #expect(await client.selected?.name == name)
              }
              // What it calls itself does not wait.
              try await client.withMailbox(name, readOnly: true) { #expect($0.name == name) }
              await #expect(throws: IMAPError.self) { try await client.withMailbox("C") { _ in } }
            }
          }
        }
        try await group.waitForAll()
      }
      let (entered, isEntered) = AsyncStream.makeStream(of: Void.self)
      let (left, isLeft) = AsyncStream.makeStream(of: Void.self)
      async let holding: Void = client.withMailbox("A") { _ in
        isEntered.finish()
        for await _ in left {}
      }
      for await _ in entered {}
      await #expect(throws: IMAPError.connection(.timedOut(.turn))) {
        try await client.withMailbox("B", timeout: .milliseconds(5)) { _ in }
      }
      let waiting = Task { try await client.select("B") }
      waiting.cancel()
      await #expect { try await waiting.value } throws: { ($0 as? IMAPError)?.reason == .cancelled }
      isLeft.finish()
      try await holding
      try await client.select("B")
    }
  }
}

/// Bytes that came.
private actor Collected {
  private(set) var bytes: [UInt8] = []

  func add(_ more: [UInt8]) { bytes += more }
}

/// A file system of a few kilobytes.
private enum SmallDisk {
  /// Only root may mount, and not in every container.
  static let isPossible: Bool = {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    guard (try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)) != nil else {
      return false
    }
    defer { try? FileManager.default.removeItem(atPath: path) }
    return mount(path) && unmount(path)
  }()

  static func mount(_ path: String) -> Bool { run("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", path]) }

  static func unmount(_ path: String) -> Bool { run("umount", [path]) }

  private static func run(_ tool: String, _ arguments: [String]) -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [tool] + arguments
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}

/// Sessions on servers that tell the news by NOTIFY.
@Suite(.timeLimit(.minutes(5))) struct SessionNotifyTests {
  private static let request = NotifyRequest.set([
    NotifyGroup(.selected, [.messageNew([.uid, .flags]), .messageExpunge, .flagChange]),
    NotifyGroup(.personal, [.messageNew(), .messageExpunge]),
  ])

  /// A server that refuses it is watched by IDLE.
  @Test(arguments: [true, false]) func insteadOfIdle(isTaken: Bool) async throws {
    let server = try ScriptedServer(
      capabilities: "NOTIFY IDLE",
      [
        ("FETCH 1:*", (1...3).map { "* \($0) FETCH (UID \($0) FLAGS ())" }),
        ("NOTIFY SET", isTaken ? ["* STATUS other (MESSAGES 5)", "OK done"] : ["NO [BADEVENT (FlagChange)] no"]),
        ("IDLE", ["+ idling", "* 4 EXISTS", "HOLD"]),
      ])
    defer { server.stop() }
    let loop = try EventLoop.start()
    var options = IMAPSession.Configuration(
      client: .init(host: "127.0.0.1", port: server.port, security: .plain)
    ) { .password(user: "user", password: Secret("password")) }
    options.notify = Self.request
    options.keepAlive = .milliseconds(1)
    let session = IMAPSession(options, on: loop)
    #expect(await session.state == .idle)
    for await event in await session.start() {
      switch event {
      case .connected(let mailbox, .fresh(let states)):
        #expect(mailbox.exists == 3 && states.count == 3)
      case .mailbox(.mailboxStatus(let status)):
        #expect(isTaken && status.messages == 5)
        let state = await session.state
        #expect(state == .watching || state == .opening)
        await server.received("NOOP", count: 2)
        Task { await session.stop() }
      case .mailbox(.exists(4)):
        #expect(!isTaken)
        Task { await session.stop() }
      default: break
      }
    }
    #expect(server.commands.contains { $0.hasPrefix("NOTIFY SET") })
    #expect(server.commands.contains { $0.hasPrefix("IDLE") } == !isTaken)
    #expect(await session.state == .idle)
    #expect(await loop.shutdown().isClean)
  }
}
