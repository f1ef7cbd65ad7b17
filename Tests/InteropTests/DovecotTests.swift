import IMAPLoop
import IMAPStateMachine
import Testing

/// The client against a real server, over TLS, STARTTLS and plain TCP.
@Suite(.serialized) struct DovecotTests {
  @Test func everythingOverTLS() async throws {
    let server = try DovecotServer()
    let loop = try EventLoop.start()
    let client = try await IMAPClient.connect(
      .init(host: "localhost", port: server.tlsPort, trust: .file(server.certificateFile)), on: loop)
    try await client.login(user: "joe", password: Secret(server.password))
    #expect(await client.phase == .authenticated)
    #expect(try await client.supports(.idle))

    try await client.create("Work/Entwürfe")
    let names = try await client.list().map(\.name)
    #expect(names.contains(.inbox))
    #expect(names.contains("Work/Entwürfe"))
    #expect(try await client.namespace().personal.first?.delimiter == "/")
    #expect(try await client.id([IDField("name", "test")])?.contains { $0.value == "Dovecot" } == true)

    let uids = try await appendAll(client)
    let selected = try await client.select(.inbox)
    #expect(selected.exists == 50)
    #expect(selected.uidNext.map { UID(rawValue: $0) } ?? 0 > uids.last ?? 0)
    try await compareAll(client, uids)
    try await changeAndMove(client, uids)
    await client.logout()
    #expect(await loop.shutdown().isClean)
  }

  @Test func idleSeesWhatAnotherConnectionDelivers() async throws {
    let server = try DovecotServer()
    let loop = try EventLoop.start()
    let configuration = IMAPClient.Configuration(
      host: "localhost", port: server.tlsPort, trust: .file(server.certificateFile))
    let watcher = try await IMAPClient.connect(configuration, on: loop)
    try await watcher.signIn(user: "ann", password: Secret(server.password))
    _ = try await watcher.select(.inbox)
    let events = await watcher.events()
    let sender = try await IMAPClient.connect(configuration, on: loop)
    try await sender.signIn(user: "ann", password: Secret(server.password))

    let (idling, accepted) = AsyncStream.makeStream(of: Void.self)
    async let idle: Void = watcher.idle { accepted.finish() }
    for await _ in idling {}
    let message = SampleMessage.fifty[0]
    let appended = try await sender.append(message.bytes, to: .inbox)
    #expect(appended?.destination == UIDSet(UID(rawValue: 1)))
    for await event in events { if event == .exists(1) { break } }
    // The next command ends the IDLE by itself.
    let fetched = try await watcher.fetch(.sequence([1]), [.section(.full)])
    try await idle
    #expect(fetched.first?.attributes == [.section(.body(.full), origin: nil, data: message.bytes)])
    await watcher.logout()
    await sender.logout()
    #expect(await loop.shutdown().isClean)
  }

  @Test(arguments: [IMAPClient.Configuration.Security.startTLS, .plain])
  func otherTransports(_ security: IMAPClient.Configuration.Security) async throws {
    let server = try DovecotServer()
    let loop = try EventLoop.start()
    let client = try await IMAPClient.connect(
      .init(host: "127.0.0.1", port: server.plainPort, security: security, trust: .file(server.certificateFile)),
      on: loop)
    try await client.authenticatePlain(user: "tom", password: Secret(server.password))
    _ = try await client.append(SampleMessage.fifty[2].bytes, to: .inbox, flags: [.flagged])
    _ = try await client.examine(.inbox)
    #expect(try await client.search(.flag(.flagged)) == [1])
    await client.logout()
    #expect(await loop.shutdown().isClean)
  }

  @Test func refusals() async throws {
    let server = try DovecotServer()
    let loop = try EventLoop.start()
    let trusted = TLSContext.Trust.file(server.certificateFile)
    let client = try await IMAPClient.connect(
      .init(host: "localhost", port: server.tlsPort, trust: trusted), on: loop)
    await #expect(throws: IMAPError.self) {
      try await client.login(user: "joe", password: Secret("wrong"))
    }
    try await client.login(user: "joe", password: Secret(server.password))
    do throws(IMAPError) {
      _ = try await client.select("nowhere")
      Issue.record("a mailbox that does not exist was selected")
    } catch {
      #expect(error.status?.condition == .no)
    }
    await client.logout()
    do throws(IMAPError) {
      _ = try await IMAPClient.connect(.init(host: "localhost", port: server.tlsPort), on: loop)
      Issue.record("a certificate that nobody vouches for was accepted")
    } catch {
      guard case .connection(.transport(let failure)) = error else { throw error }
      #expect(failure.operation == .certificate)
    }
    #expect(await loop.shutdown().isClean)
  }

  @Test func theStrongestMechanismIsUsed() async throws {
    let server = try DovecotServer()
    let loop = try EventLoop.start()
    // SCRAM reveals nothing, so no leave is needed.
    let client = try await IMAPClient.connect(
      .init(host: "127.0.0.1", port: server.plainPort, security: .plain), on: loop)
    #expect(try await client.signIn(user: "joe", password: Secret(server.password)) == .scramSHA256)
    await client.logout()
    #expect(await loop.shutdown().isClean)
  }

  private func appendAll(_ client: IMAPClient) async throws -> [UID] {
    var uids: [UID] = []
    for (index, message) in SampleMessage.fifty.enumerated() {
      let date = InternalDate(unixSeconds: 1_700_000_000 + Int64(index) * 3600, zone: index % 2 == 0 ? 0 : 90)
      let flags: [Flag] = index % 3 == 0 ? [.seen, "$Label"] : []
      let result = try await client.append(message.bytes, to: .inbox, flags: flags, date: date)
      uids += try #require(result?.destination.numbers(limit: 2))
    }
    #expect(uids.count == 50)
    return uids
  }

  /// Every item of every message is what was appended; bodies byte for byte, whole, in sections and in parts.
  private func compareAll(_ client: IMAPClient, _ uids: [UID]) async throws {
    let items: [FetchItem] = [
      .uid, .flags, .internalDate, .rfc822Size, .modSeq, .envelope, .bodyStructure, .body, .section(.full),
      .section(.header), .section(.text), .section(.full, partial: PartialRange(offset: 3, count: 100)), .rfc822Header,
    ]
    let responses = try await client.fetch(.uids(.all), items)
    #expect(responses.count == 50)
    for (index, response) in responses.enumerated() {
      let message = SampleMessage.fifty[index]
      var checked = 0
      for attribute in response.attributes {
        checked += 1
        switch attribute {
        case .uid(let uid): #expect(uid == uids[index])
        case .flags(let flags):
          #expect(flags.contains(.seen) == (index % 3 == 0))
          #expect(flags.contains("$label") == (index % 3 == 0))
        case .internalDate(let date): #expect(date.unixSeconds == 1_700_000_000 + Int64(index) * 3600)
        case .rfc822Size(let size): #expect(size == UInt64(message.bytes.count), "\(message.name)")
        case .modSeq(let value): #expect(value > 0)
        case .envelope(let envelope): compare(envelope, message)
        case .bodyStructure(let structure), .body(let structure):
          #expect(shape(structure) == message.shape, "\(message.name)")
        case .section(let name, let origin, let data):
          compare(name, origin, data ?? [], message)
        default: Issue.record("\(message.name): \(attribute)")
        }
      }
      #expect(checked == items.count, "\(message.name)")
    }
  }

  private func compare(_ envelope: Envelope, _ message: SampleMessage) {
    #expect(envelope.subject.map { String(decoding: $0, as: UTF8.self) } == message.subject, "\(message.name)")
    if message.subject == nil { return }
    #expect(envelope.to.map(\.mailbox) == [Array("one".utf8), Array("two".utf8)])
    #expect(envelope.to.last?.name == Array("Two".utf8))
    #expect(envelope.from == envelope.sender)
    #expect(envelope.from.first?.host == Array("example.org".utf8))
  }

  private func compare(_ name: SectionName, _ origin: UInt32?, _ data: [UInt8], _ message: SampleMessage) {
    let bytes = message.bytes
    let separator = Array("\r\n\r\n".utf8)
    let headerEnd =
      bytes.starts(with: [0x0d, 0x0a])
      ? 2 : (0..<bytes.count - 3).first { Array(bytes[$0..<$0 + 4]) == separator }.map { $0 + 4 } ?? bytes.count
    let expected: [UInt8] =
      switch name {
      case .body(let section) where section == .full && origin != nil: Array(bytes.dropFirst(3).prefix(100))
      case .body(let section) where section == .full: bytes
      case .body(let section) where section == .text: Array(bytes[headerEnd...])
      default: Array(bytes[..<headerEnd])
      }
    #expect(data == expected, "\(message.name) \(name)")
  }

  private func shape(_ structure: BodyStructure) -> String {
    func lower(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self).lowercased() }
    switch structure {
    case .multipart(let multipart):
      return "multipart/\(lower(multipart.subtype))(\(multipart.parts.map { shape($0) }.joined(separator: " ")))"
    case .single(let part):
      let type = "\(lower(part.type))/\(lower(part.subtype))"
      if case .message(_, let inner, _) = part.content { return "\(type)<\(shape(inner))>" }
      return type
    }
  }

  private func changeAndMove(_ client: IMAPClient, _ uids: [UID]) async throws {
    let some = UIDSet(uids[0..<10])
    let stored = try await client.store(.uids(some), StoreOperation(.add, [.flagged]))
    #expect(stored.count == 10)
    #expect(try await client.search(.flag(.flagged)) == Array(uids[0..<10]))
    #expect(try await client.search(.and([.flag(.flagged), .not(.flag(.seen))])).count == 6)
    #expect(try await client.search(.subject("Five")) == [uids[49]])
    #expect(try await client.searchSequence(.larger(1 << 20)) == [50])
    _ = try await client.store(.uids(some), StoreOperation(.remove, [.flagged], silent: true))
    #expect(try await client.search(.flag(.flagged)).isEmpty)

    let copied = try await client.copy(.uids(UIDSet(uids[1])), to: "Work/Entwürfe")
    #expect(copied?.source == UIDSet(uids[1]))
    let moved = try await client.move(.uids(UIDSet(uids[40..<45])), to: "Work/Entwürfe")
    #expect(moved?.destination.count(largest: UID(rawValue: .max)) == 5)
    #expect(await client.selected?.exists == 45)
    #expect(try await client.status("Work/Entwürfe", [.messages])?.messages == 6)

    _ = try await client.store(.uids(UIDSet(uids[0..<3])), StoreOperation(.add, [.deleted]))
    try await client.expunge(UIDSet(uids[0]))
    #expect(await client.selected?.exists == 44)
    try await client.expunge()
    #expect(await client.selected?.exists == 42)
    #expect(try await client.search(.all).first == uids[3])
    try await client.unselect()
    #expect(await client.phase == .authenticated)
  }
}
