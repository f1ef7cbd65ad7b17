import IMAPLoop
import IMAPStateMachine
import Testing

@testable import IMAPTestServer

/// What the client does on servers that lack something, and what it makes of bad sources.
@Suite struct ClientFallbackTests {
  private func withClient(
    without capabilities: Set<Capability>, _ body: (IMAPTestServer, IMAPClient) async throws -> Void
  ) async throws {
    let loop = try EventLoop.start(name: "test")
    let result: Result<Void, any Error>
    do {
      var configuration = IMAPTestServer.Configuration()
      configuration.withheldCapabilities = capabilities
      let server = try await IMAPTestServer.start(configuration, on: loop)
      for number in 1...6 {
        try await server.append(
          user: "user", message: IMAPTestServer.Configuration.Message("Subject: \(number)\n\ntext\n"))
      }
      let client = try await IMAPClient.connect(
        .init(host: "127.0.0.1", port: server.plainPort, security: .plain), on: loop)
      do {
        try await client.login(user: "user", password: Secret("password"))
        try await client.select(.inbox)
        try await body(server, client)
        result = .success(())
      } catch {
        result = .failure(error)
      }
      await client.close()
      await server.shutdown()
    } catch {
      result = .failure(error)
    }
    #expect(await loop.shutdown().isClean)
    try result.get()
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
      await #expect(throws: IMAPError.source(command: "APPEND", reason)) {
        try await client.append(pieces, byteCount: 10, to: .inbox)
      }
      await client.waitUntilClosed()
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
}
