import IMAPLoop
import IMAPStateMachine
import Testing

@testable import IMAPTestServer

/// What the client does on servers that lack something, and what it makes of bad sources.
@Suite struct ClientFallbackTests {
  private func withClient(
    without capabilities: Set<Capability>, _ body: (IMAPTestServer, IMAPClient) async throws -> Void
  ) async throws {
    try await withTestServer(.init(without: capabilities)) { server in
      for number in 1...6 { try await server.append(user: "user", message: .numbered(number)) }
      let client = try await IMAPClient.connect(
        .init(host: "127.0.0.1", port: server.plainPort, security: .plain), on: server.loop)
      let result: Result<Void, any Error>
      do {
        try await client.login(user: "user", password: Secret("password"))
        try await client.select(.inbox)
        try await body(server, client)
        result = .success(())
      } catch {
        result = .failure(error)
      }
      await client.close()
      try result.get()
    }
  }

  private static let old: Set<Capability> = [
    .move, .uidPlus, .unselect, .imap4rev2, Capability("ESEARCH"),
  ]

  @Test func expungeWithoutUIDPlusTakesTheNamedOnly() async throws {
    try await withClient(without: Self.old) { _, client in
      #expect(try await client.supports(.uidPlus) == false)
      try await client.addFlags([.deleted], to: [1, 2, 5])
      try await client.expunge([2, 3])
      #expect(try await client.search(.all) == [1, 3, 4, 5, 6])
      #expect(try await client.search(.flag(.deleted)) == [1, 5])
    }
  }

  @Test func moveWithoutMove() async throws {
    try await withClient(without: Self.old) { server, client in
      try await client.create("Archive")
      try await client.addFlags([.deleted], to: [1])
      try await client.move(.uids([2, 3]), to: "Archive")
      #expect(try await client.search(.all) == [1, 4, 5, 6])
      #expect(try await client.search(.flag(.deleted)) == [1])
      #expect(try await server.messages(user: "user", mailbox: "Archive").count == 2)
      await #expect(throws: IMAPError.capabilityMissing(.move, command: "MOVE")) {
        try await client.move(.sequence([1]), to: "Archive")
      }
    }
  }

  @Test func unselectWithoutUnselectExpungesNothing() async throws {
    try await withClient(without: Self.old) { server, client in
      try await client.addFlags([.deleted], to: [1])
      try await client.unselect()
      #expect(await client.selected == nil)
      #expect(await client.phase == .authenticated)
      #expect(try await server.messages(user: "user").count == 6)
    }
  }

  @Test func extendedSearchWithoutIt() async throws {
    try await withClient(without: Self.old) { _, client in
      let result = try await client.search(.not(.uid([1])), returning: [.min, .max, .count, .all])
      #expect(result.items == [.min(2), .max(6), .count(5), .all(.uids(UIDSet(2...6)))])
      await #expect(throws: IMAPError.capabilityMissing(Capability("ESEARCH"), command: "SEARCH")) {
        try await client.search(.all, returning: [.save])
      }
    }
  }

  @Test(arguments: [(5, "5 bytes of 10 are missing"), (11, "there are more bytes than were announced")])
  func sourcesThatLie(_ count: Int, _ reason: String) async throws {
    try await withClient(without: [.literalPlus]) { _, client in
      let (pieces, writer) = AsyncStream.makeStream(of: [UInt8].self)
      writer.yield([UInt8](repeating: 0x61, count: count))
      writer.finish()
      let error = IMAPError.source(command: "APPEND", reason)
      await #expect(throws: error) { try await client.append(pieces, byteCount: 10, to: .inbox) }
      #expect(error.reason == .sourceFailed && !error.isOutcomeUnknown)
      await client.waitUntilClosed()
    }
  }

  /// Bytes that are not as many as the request says are not sent.
  @Test func bytesThatAreTooFew() async throws {
    try await withClient(without: []) { _, client in
      let request = AppendRequest(mailbox: .inbox, byteCount: 10)
      let error = await #expect(throws: IMAPError.self) { try await client.append(request, Array("abc".utf8)) }
      #expect(error == .source(command: "APPEND", "7 bytes of 10 are missing"))
      #expect(error?.reason == .sourceFailed)
      #expect(error?.isOutcomeUnknown == false)
      try await client.noop()
    }
  }

  /// The server refuses before a byte is asked for: the connection stays.
  @Test func refusedBeforeTheFirstPiece() async throws {
    try await withClient(without: [.literalPlus, Capability("LITERAL-"), .imap4rev2]) { _, client in
      let (pieces, _) = AsyncStream.makeStream(of: [UInt8].self)
      await #expect { try await client.append(pieces, byteCount: 100, to: "nowhere") } throws: {
        ($0 as? IMAPError)?.reason == .noSuchMailbox
      }
      try await client.noop()
    }
  }

  // MARK: Messages one by one

  /// As many messages as are held back, more than twice.
  private func fill(_ server: IMAPTestServer) async throws {
    for number in 7...700 { try await server.append(user: "user", message: .numbered(number)) }
  }

  /// A FETCH inside the loop over another, whose messages nobody takes meanwhile.
  @Test func oneLoopInsideAnother() async throws {
    try await withClient(without: []) { server, client in
      try await fill(server)
      try await client.noop()
      var (outer, inner) = (0, 0)
      for try await _ in client.messages(.uids(.all), [.uid, .section(.full)]) {
        outer += 1
        if outer % 300 != 1 { continue }
        for try await _ in client.messages(.uids([3]), [.uid]) { inner += 1 }
        #expect(try await client.flags(of: [4]).count == 1)
      }
      #expect(outer == 700)
      #expect(inner == 3)
    }
  }

  /// One that nobody goes on with does not hold up the next.
  @Test func oneIsLeftWhereItIs() async throws {
    try await withClient(without: []) { server, client in
      try await fill(server)
      try await client.noop()
      var first = client.messages(.uids(.all), [.uid]).makeAsyncIterator()
      #expect(try await first.next() != nil)
      try await client.noop()
      var count = 0
      for try await _ in client.messages(.uids(.all), [.uid, .section(.full)]) { count += 1 }
      #expect(count == 700)
      while try await first.next() != nil { count += 1 }
      #expect(count == 1399)
    }
  }

  /// An IDLE can't begin before the FETCH is over, whose messages nobody takes meanwhile.
  @Test func anIdleInsideALoop() async throws {
    try await withClient(without: []) { server, client in
      try await fill(server)
      try await client.noop()
      var count = 0
      for try await _ in client.messages(.uids(.all), [.uid, .section(.full)]) {
        count += 1
        if count != 1 { continue }
        try await client.idle { Task { await client.endIdle() } }
      }
      #expect(count == 700)
    }
  }

  @Test func aCancelledLoopSaysSo() async throws {
    try await withClient(without: []) { server, client in
      try await fill(server)
      let task = Task {
        var count = 0
        for try await _ in client.messages(.uids(.all), [.uid]) {
          count += 1
          unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
        }
        return count
      }
      await #expect { try await task.value } throws: { ($0 as? IMAPError)?.reason == .cancelled }
      try await client.noop()
    }
  }

  /// The last bytes go when the source has ended: what has more than was said is not stored in part.
  @Test func aSourceWithWhatWasAnnounced() async throws {
    try await withClient(without: [.literalPlus, Capability("LITERAL-"), .imap4rev2]) { _, client in
      let source = AsyncThrowingStream<[UInt8], any Error> { continuation in
        continuation.yield(Array("Subject: x\r\n\r\n".utf8))
        continuation.yield(Array("ab\r\n".utf8))
        continuation.finish()
      }
      #expect(try await client.append(source, byteCount: 18, to: .inbox)?.destination == [7])
      try await client.noop()
    }
  }

  @Test(arguments: [0, 4] as [UInt64])
  func aSourceWithMore(than announced: UInt64) async throws {
    try await withClient(without: []) { server, client in
      let (source, continuation) = AsyncStream<[UInt8]>.makeStream()
      for _ in 0..<2 { continuation.yield(Array("ab\r\n".utf8)) }
      continuation.finish()
      await #expect(throws: IMAPError.source(command: "APPEND", "there are more bytes than were announced")) {
        try await client.append(source, byteCount: announced, to: .inbox)
      }
      #expect(try await server.messages(user: "user").count == 6)
      // Where nothing was announced nothing was sent.
      if announced == 0 { try await client.noop() }
    }
  }

  /// A source that gives what was announced and never ends, nor says that there is more: nobody waits for it for ever.
  @Test(arguments: [0, 10] as [UInt64], [false, true])
  func aSourceThatDoesNotEnd(_ count: UInt64, _ isDeaf: Bool) async throws {
    try await withClient(without: []) { server, client in
      let source = EndlessSource(first: [UInt8](repeating: 0x61, count: Int(count)), isDeaf: isDeaf)
      if count > 0 {
        #expect(try await client.append(source, byteCount: count, to: .inbox)?.destination == [7])
        #expect(try await server.messages(user: "user").last?.bytes.count == Int(count))
      } else {
        // Nothing was there to be sent: it is for the server to say what it makes of that.
        _ = try? await client.append(source, byteCount: 0, to: .inbox)
      }
      try await client.noop()
      source.end()
    }
  }

  /// What comes between the copy and the expunge stays.
  @Test func moveOfAllTakesWhatThereIs() async throws {
    try await withClient(without: Self.old) { server, client in
      try await client.create("Archive")
      try await client.move(.uids(.all), to: "Archive")
      try await server.append(user: "user", message: .numbered(7))
      try await client.noop()
      #expect(try await client.search(.all) == [7])
      #expect(try await server.messages(user: "user", mailbox: "Archive").count == 6)
    }
  }

  /// A message that is refused in its middle goes on as blanks, whatever its size, and the connection stays.
  @Test func aLargeMessageThatIsRefused() async throws {
    try await withClient(without: []) { _, client in
      let message = [UInt8](repeating: 0x61, count: 70 << 20)
      await #expect { try await client.append(message, to: .inbox) } throws: { ($0 as? IMAPError)?.reason == .limit }
      try await client.noop()
    }
  }
}

/// Gives one piece and then nothing, until it is ended; a deaf one not even where its task is cancelled.
private struct EndlessSource: AsyncSequence, Sendable {
  let first: [UInt8]
  let isDeaf: Bool
  private let rest = AsyncStream.makeStream(of: Void.self)

  init(first: [UInt8], isDeaf: Bool) {
    self.first = first
    self.isDeaf = isDeaf
  }

  func end() { rest.continuation.finish() }

  func makeAsyncIterator() -> Iterator { Iterator(source: self) }

  struct Iterator: AsyncIteratorProtocol {
    let source: EndlessSource
    private var isFirst = true

    init(source: EndlessSource) { self.source = source }

    mutating func next() async -> [UInt8]? {
      defer { isFirst = false }
      if isFirst { return source.first }
      let stream = source.rest.stream
      if source.isDeaf {
        await Task.detached { for await _ in stream {} }.value
      } else {
        for await _ in stream {}
      }
      return nil
    }
  }
}
