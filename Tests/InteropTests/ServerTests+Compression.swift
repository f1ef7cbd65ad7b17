import IMAPLoop
import IMAPStateMachine
import Testing

extension ServerTests {
  /// A session in which both directions of both connections are compressed (RFC 4978).
  @Test(arguments: ServerKind.all) func compression(_ kind: ServerKind) async throws {
    try await withServer(kind) { server, client, loop in
      guard kind.has(.compressDeflate) else {
        do throws(IMAPError) {
          try await client.compress()
          Issue.record("it has it")
        } catch {
          #expect(error == .capabilityMissing(.compressDeflate, command: "COMPRESS"))
        }
        #expect(await client.isCompressed == false)
        return
      }
      try await client.compress()
      let other = try await server.client(on: loop)
      try await other.compress()
      #expect(await client.isCompressed)
      #expect(await other.isCompressed)

      let body = (0..<2000).map { "line \($0) of a message that has many of them\r\n" }.joined()
      let message = Array("From: a@example.org\r\nSubject: long\r\n\r\n\(body)".utf8)
      try await client.append(message, to: .inbox)
      #expect(try await client.select(.inbox).exists == 1)
      #expect(try await client.fetchOne(UID(rawValue: 1), [.section(.full)])?.bytes(of: .full) == message)
      let counts = try #require(await client.compression)
      #expect(counts.sent > message.count && counts.received > message.count && counts.ratio > 1, "\(counts)")

      var events = await client.events().makeAsyncIterator()
      let (idling, accepted) = AsyncStream.makeStream(of: Void.self)
      let idle = Task { try await client.idle { accepted.finish() } }
      for await _ in idling {}
      try await other.append(message, to: .inbox)
      while let event = await events.next(), event != .exists(2) {}
      try await other.select(.inbox)
      try await other.addFlags([.flagged], to: [2])
      while let event = await events.next() {
        if case .changed(let response) = event, response.flags?.contains(.flagged) == true { break }
      }
      #expect(try await client.search(.flag(.flagged)) == [2])
      try await idle.value
      await other.logout()
    }
  }

  /// Servers write header fields, and their names between the brackets, as they like.
  @Test(arguments: ServerKind.all) func headerFieldsInAnyCase(_ kind: ServerKind) async throws {
    try await withServer(kind) { _, client, _ in
      try await client.append(Array("From: a@example.org\r\nSubject: here\r\n\r\ntext\r\n".utf8), to: .inbox)
      try await client.select(.inbox)
      for names in [["subject"], ["SUBJECT"], ["Subject", "x-none"]] {
        let section = Section(.headerFields(names))
        let response = try #require(try await client.fetchOne(UID(rawValue: 1), [.section(section)]))
        let text = response.bytes(of: section).map { String(decoding: $0, as: UTF8.self) }
        #expect(text == "Subject: here\r\n\r\n", "\(names): \(response)")
        #expect(response.bytes(of: Section(.headerFields(["from"]))) == nil)
      }
    }
  }
}
