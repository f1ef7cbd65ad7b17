import IMAPLoop
import IMAPStateMachine
import Testing

/// What is open, what a mailbox is for, and what is told of those that are not open.
extension ServerFunctionTests {
  private static func message(_ subject: String) -> [UInt8] {
    Array("From: a@example.org\r\nSubject: \(subject)\r\n\r\ntext of \(subject)\r\n".utf8)
  }

  @Test(arguments: ServerKind.all) func specialFolders(_ kind: ServerKind) async throws {
    try await withServer(kind) { _, client, _ in
      let (sent, archive) = (kind.mailbox("Sent"), kind.mailbox("2026"))
      if kind == .courier { try await client.create(sent) }
      let found = try await client.findSpecialFolder(.sent)
      #expect(found?.name == sent)
      // Courier does not say what it is for: it is called so.
      #expect(found?.source == (kind.has(.specialUse) ? .specialUse : .name))
      #expect(try await client.findSpecialFolder(.archive) == nil)
      if kind.has("CREATE-SPECIAL-USE") {
        try await client.create(archive, specialUse: ["\\Archive"])
        #expect(try await client.findSpecialFolder(.archive)?.name == archive)
      } else {
        await #expect(throws: IMAPError.capabilityMissing("CREATE-SPECIAL-USE", command: "CREATE")) {
          try await client.create(archive, specialUse: ["\\Archive"])
        }
      }
      if kind.has("XLIST") {
        let listings = try await client.listX()
        #expect(listings.contains { $0.name == sent && $0.attributes.contains("\\Sent") }, "\(listings)")
      } else {
        await #expect(throws: IMAPError.capabilityMissing("XLIST", command: "XLIST")) { try await client.listX() }
      }
    }
  }

  @Test(arguments: ServerKind.all) func openingAndClosing(_ kind: ServerKind) async throws {
    try await withServer(kind) { _, client, _ in
      let other = kind.mailbox("Other")
      try await client.create(other)
      for number in 1...3 { try await client.append(Self.message("\(number)"), to: .inbox) }
      try await client.append(Self.message("4"), to: other)
      // Several tasks on one connection: each has its mailbox open.
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<6 {
          group.addTask {
            let name = number % 2 == 0 ? MailboxName.inbox : other
            try await client.withMailbox(name, readOnly: number < 3) { mailbox in
              #expect(mailbox.name == name)
              let found = try await client.search(.all)
              #expect(found == (number % 2 == 0 ? [1, 2, 3] : [1]))
            }
          }
        }
        try await group.waitForAll()
      }
      try await client.select(.inbox)
      try await client.addFlags([.deleted], to: [2])
      try await client.closeMailbox()
      #expect(await client.selected == nil)
      #expect(try await client.examine(.inbox).isReadOnly)
      #expect(try await client.search(.all) == [1, 3])

      // In the order of the names, and then what has changed.
      var changes = client.statusChanges(of: [.inbox, other], [.messages], every: .milliseconds(1)).makeAsyncIterator()
      let first = [try await changes.next(), try await changes.next()]
      #expect(first.map { $0?.mailbox } == [.inbox, other])
      #expect(first.map { $0?.messages } == [2, 1])
      try await client.append(Self.message("5"), to: other)
      let change = try await changes.next()
      #expect(change?.mailbox == other)
      #expect(change?.messages == 2)
    }
  }

  @Test(arguments: ServerKind.all) func watching(_ kind: ServerKind) async throws {
    try await withServer(kind) { server, client, loop in
      let other = try await server.client(on: loop)
      try await client.select(.inbox)
      let (idling, accepted) = AsyncStream.makeStream(of: Void.self)
      let idle = Task { try await client.idle { accepted.finish() } }
      for await _ in idling {}
      await client.endIdle()
      try await idle.value

      for number in 1...2 as ClosedRange<UInt32> {
        // Before the IDLE or in it: it is told.
        let appending = Task { try await other.append(Self.message("\(number)"), to: .inbox) }
        for try await event in client.watch() where event == .exists(number) { break }
        _ = try await appending.value
        // The loop was left, and the connection is free at once.
        #expect(try await client.search(.all).count == Int(number))
      }
      await other.logout()
    }
  }

  /// News of all mailboxes, without asking (RFC 5465), and a result that is kept up to date (RFC 5267).
  @Test(arguments: ServerKind.all) func newsOfOtherMailboxes(_ kind: ServerKind) async throws {
    try await withServer(kind) { server, client, loop in
      let news: [NotifyEvent] = [.messageNew(), .messageExpunge]
      let request = NotifyRequest.set(status: true, [NotifyGroup(.selected, news), NotifyGroup(.personal, news)])
      try await client.append(Self.message("1"), to: .inbox)
      try await client.select(.inbox)
      guard kind.has("NOTIFY") else {
        await #expect(throws: IMAPError.capabilityMissing("NOTIFY", command: "NOTIFY")) {
          try await client.notify(request)
        }
        await #expect(throws: IMAPError.capabilityMissing("CONTEXT=SEARCH", command: "CANCELUPDATE")) {
          try await client.cancelUpdate(tags: ["A1"])
        }
        return
      }
      let found = try await client.search(.all, returning: [.all, .update()])
      #expect(found.all == .uids([1]))
      let tag = try #require(found.tag)
      let answer = try await client.notify(request)
      #expect(answer.statuses.first { $0.mailbox == "Sent" }?.messages == 0, "\(answer)")
      var events = await client.events().makeAsyncIterator()
      let other = try await server.client(on: loop)
      try await other.append(Self.message("2"), to: "Sent")
      while let event = await events.next() {
        if case .mailboxStatus(let status) = event, status.mailbox == "Sent", status.messages == 1 { break }
      }
      try await other.append(Self.message("3"), to: .inbox)
      while let event = await events.next() {
        guard case .searchUpdate(let update) = event else { continue }
        #expect(update.tag == tag)
        #expect(update.items == [.addTo([.init(position: 0, messages: .uids([2]))])], "\(update)")
        break
      }
      try await client.cancelUpdate(tags: [tag])
      try await client.notify(.none)
      await other.logout()
    }
  }
}
