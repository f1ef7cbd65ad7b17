import IMAPLoop
import IMAPStateMachine
import Testing

/// What callers of `withClient` do in the mailbox that is watched.
@Suite(.serialized, .timeLimit(.minutes(1))) struct SessionOwnChangesTests {
  private static let flagged = MailboxEvent.changed(
    FetchResponse(sequence: 2, attributes: [.uid(2), .flags([.flagged]), .modSeq(12)]))
  private static let seen = MailboxEvent.changed(
    FetchResponse(sequence: 2, attributes: [.uid(2), .flags([.seen]), .modSeq(12)]))

  /// What the session tells of what `body` does.
  private func news(of body: @Sendable (IMAPClient) async throws -> Void) async throws -> [MailboxEvent] {
    let server = try ScriptedServer(capabilities: "UIDPLUS MOVE") { _, command in
      let words = command.split(separator: " ").map { String($0) }
      return switch (words[0], words.count > 1 ? words[1] : "") {
      case ("SELECT", _): ["* 3 EXISTS", "* OK [UIDVALIDITY 1] x"]
      case ("FETCH", _): (1...3).map { "* \($0) FETCH (UID \($0) FLAGS ())" }
      case ("UID", "FETCH") where command.contains("RFC822"):
        ["* 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (12) RFC822 {4}\r\ntext)"]
      case ("UID", "FETCH"): [#"* 2 FETCH (UID 2 FLAGS (\Seen) MODSEQ (12))"#]
      case ("UID", "STORE") where command.contains("SILENT"): []
      case ("UID", "STORE"): [#"* 2 FETCH (UID 2 FLAGS (\Flagged) MODSEQ (12))"#]
      case ("UID", "EXPUNGE"), ("UID", "MOVE"), ("EXPUNGE", _): ["* 2 EXPUNGE"]
      case ("NOOP", _): ["* 9 EXISTS"]
      case ("LOGOUT", _): ["* BYE"]
      default: nil
      }
    }
    defer { server.stop() }
    let loop = try EventLoop.start()
    var configuration = IMAPSession.Configuration.scripted(server)
    configuration.pollInterval = .seconds(3600)
    let session = IMAPSession(configuration, on: loop)
    var events = await session.start().makeAsyncIterator()
    await events.skip { if case .connected = $0 { true } else { false } }
    try await session.withClient { client in
      try await body(client)
      // Behind all that was said before.
      try await client.noop()
    }
    var news: [MailboxEvent] = []
    while case .mailbox(let event)? = await events.next(), event != .exists(9) { news.append(event) }
    await session.stop()
    #expect(await loop.shutdown().isClean)
    return news
  }

  @Test func flagsThatAreStored() async throws {
    #expect(try await news { try await $0.addFlags([.flagged], to: [2]) } == [Self.flagged])
    #expect(try await news { try await $0.store(.uids([2]), StoreOperation(.add, [.flagged])) } == [Self.flagged])
    let command = Command.store(.uids([2]), StoreOperation(.add, [.flagged]))
    #expect(try await news { _ = try await $0.run(command) } == [Self.flagged])
  }

  /// The server says nothing, and the caller knows.
  @Test func flagsThatAreStoredSilently() async throws {
    #expect(
      try await news { try await $0.store(.uids([2]), StoreOperation(.add, [.flagged], silent: true)) } == [])
  }

  /// The mark that a message was read comes with it, in whatever way it is taken.
  @Test func messagesThatAreRead() async throws {
    let items: [FetchItem] = [.rfc822]
    #expect(try await news { _ = try await $0.fetch(.uids([2]), items) } == [Self.seen])
    #expect(try await news { try await $0.fetch(.uids([2]), items) { _ in } } == [Self.seen])
    #expect(try await news { for try await _ in $0.messages(.uids([2]), items) {} } == [Self.seen])
  }

  /// The caller has asked for them, and has them.
  @Test func flagsThatAreAskedFor() async throws {
    #expect(try await news { _ = try await $0.flags(of: [2]) } == [])
    #expect(try await news { _ = try await $0.fetch(.uids([2]), [.uid, .flags, .rfc822]) } == [])
  }

  @Test func messagesThatAreRemoved() async throws {
    #expect(try await news { try await $0.delete([2]) } == [.expunged(2)])
    #expect(try await news { try await $0.move(.uids([2]), to: "Other") } == [.expunged(2)])
    #expect(try await news { try await $0.expunge() } == [.expunged(2)])
    #expect(try await news { _ = try await $0.run(.expunge) } == [.expunged(2)])
  }
}
