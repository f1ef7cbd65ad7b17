import IMAPLoop
import IMAPStateMachine
import Synchronization

extension ServerCheck {
  /// All that is done, in this order: later operations use what earlier ones have made.
  static let operations: [Operation] = session + mailboxes + messages + reading + changing + extensions + removing

  private static let session: [Operation] = [
    Operation(name: "capability", isInside: false) { check in
      let list = try await check.client.capability()
      try check.expect(list.contains(.imap4rev1) || list.contains(.imap4rev2), "neither IMAP4rev1 nor IMAP4rev2")
    },
    Operation(name: "noop", isInside: false) { try await $0.client.noop() },
    Operation(name: "id", needs: [.id], isInside: false) { _ = try await $0.client.id(nil) },
    Operation(name: "namespace", needs: [.namespace, .imap4rev2], isInside: false) { check in
      try check.expect(try await !check.client.namespace().personal.isEmpty, "the user has no namespace")
    },
    Operation(name: "list", isInside: false) { check in
      try check.expect(try await check.client.mailboxExists(.inbox), "INBOX is not listed")
    },
    Operation(name: "status", isInside: false) { check in
      let status = try await check.client.status(.inbox, [.messages, .unseen, .uidNext, .uidValidity])
      try check.expect(status?.messages != nil && status?.uidNext != nil, "no answer, or half of one")
    },
  ]

  private static let mailboxes: [Operation] = [
    Operation(name: "create", isInside: false) { check in
      try await check.makeScratch()
      try check.expect(try await check.client.mailboxExists(check.box()), "it is not there afterwards")
    },
    Operation(name: "create, name in Unicode") { check in
      let name = check.name("-Entwürfe & 日本語")
      try await check.make(name)
      try check.expect(try await check.client.mailboxExists(name), "it is not there afterwards")
      try await check.client.delete(name)
      check.removed(name)
    },
    Operation(name: "create below another") { check in
      guard let delimiter = check.delimiter else { throw Mismatch("the server has no hierarchy") }
      let name = check.name("\(delimiter)below")
      try await check.make(name)
      try check.expect(try await check.client.mailboxExists(name), "it is not there afterwards")
      try await check.client.delete(name)
      check.removed(name)
    },
    Operation(name: "rename") { check in
      let (old, new) = (check.name("-old"), check.name("-new"))
      try await check.make(old)
      try await check.client.rename(old, to: new)
      check.renamed(old, new)
      let isThere = try await (check.client.mailboxExists(old), check.client.mailboxExists(new))
      try check.expect(
        isThere == (false, true),
        "the old name is \(isThere.0 ? "still" : "not") there, the new one \(isThere.1 ? "is" : "is not")")
    },
    Operation(name: "subscribe, unsubscribe") { check in
      let name = try check.box()
      try await check.client.subscribe(name)
      let subscribed = try await check.client.listSubscribed(pattern: name)
      try check.expect(subscribed.contains { $0.name == name }, "it is not among those that are subscribed")
      try await check.client.unsubscribe(name)
      let after = try await check.client.listSubscribed(pattern: name)
      try check.expect(!after.contains { $0.name == name }, "it is still subscribed afterwards")
    },
    Operation(name: "examine") { check in
      try check.expect(try await check.client.examine(check.box()).isReadOnly, "it is not read-only")
    },
    Operation(name: "select") { check in
      let selected = try await check.client.select(check.box())
      try check.expect(!selected.isReadOnly, "it is read-only")
      try check.expect(selected.uidValidity != nil, "no UIDVALIDITY")
    },
  ]

  private static let messages: [Operation] = [
    Operation(name: "append") { check in
      try await check.client.append(check.text("plain", "text"), to: check.box(), flags: [.seen])
      _ = try await check.uid("\(mark(check)) plain")
    },
    Operation(name: "append with flags and date") { check in
      let date = InternalDate(unixSeconds: 1_000_000_000)
      try await check.client.append(
        check.text("dated", "text"), to: check.box(), flags: [.flagged, .draft], date: date)
      let uid = try await check.uid("\(mark(check)) dated")
      try check.expect(try await check.flags(uid) == [.flagged, .draft], "the flags are others")
      let found = try await check.client.fetchOne(uid, [.internalDate])?.internalDate
      try check.expect(found?.unixSeconds == date.unixSeconds, "the date is \(found?.iso8601 ?? "missing")")
    },
    Operation(name: "append of a megabyte") { check in
      let body = String(repeating: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab\r\n", count: 17_000)
      try await check.client.append(check.text("large", body), to: check.box())
      _ = try await check.uid("\(mark(check)) large")
    },
    Operation(name: "append of 8-bit text") { check in
      try await check.client.append(check.text("umlauts", "Grüße aus Köln"), to: check.box())
      _ = try await check.uid("\(mark(check)) umlauts")
    },
  ]

  private static let reading: [Operation] = [
    Operation(name: "search") { check in
      let all = try await check.client.search(.all)
      try check.expect(all.count == 4, "\(all.count) messages instead of 4")
      let flagged = try await check.client.search(.flag(.flagged))
      try check.expect(flagged == [try await check.uid("\(mark(check)) dated")], "those with a flag are others")
      let both = try await check.client.search(.and([.not(.flag(.flagged)), .larger(100_000)]))
      try check.expect(both == [try await check.uid("\(mark(check)) large")], "those that are large are others")
    },
    Operation(name: "search for text in Unicode") { check in
      let found = try await check.client.search(.body("Köln"), charset: "UTF-8")
      try check.expect(found == [try await check.uid("\(mark(check)) umlauts")], "what was found is something else")
    },
    Operation(name: "sort", needs: ["SORT"]) { check in
      let sorted = try await check.client.sort([SortCriterion(.size, reversed: true)])
      try check.expect(sorted.first == (try await check.uid("\(mark(check)) large")), "the largest is not the first")
    },
    Operation(name: "thread", needs: ["THREAD=REFERENCES"]) { check in
      try check.expect(try await !check.client.thread().isEmpty, "no thread at all")
    },
    Operation(name: "fetch of an envelope and a structure") { check in
      let uid = try await check.uid("\(mark(check)) plain")
      let message = try await check.client.fetchOne(uid, [.envelope, .bodyStructure, .rfc822Size])
      try check.expect(message?.envelope?.decodedSubject == "imap check \(mark(check)) plain", "the subject is another")
      try check.expect(message?.bodyStructure != nil && message?.size != nil, "no structure, or no size")
    },
    Operation(name: "fetch of a message") { check in
      let uid = try await check.uid("\(mark(check)) umlauts")
      let bytes = try await check.client.fetchOne(uid, [.section(.full)])?.bytes(of: .full)
      try check.expect(bytes == check.text("umlauts", "Grüße aus Köln"), "it is not what was added")
      try check.expect(try await !check.flags(uid).contains(.seen), "looking at it has marked it as read")
    },
    Operation(name: "fetch of a header") { check in
      let section = Section(.headerFields(["subject"]))
      let uid = try await check.uid("\(mark(check)) plain")
      var fields: [HeaderField] = []
      // Servers may name the field as they like.
      for case .section(_, _, let bytes) in try await check.client.fetchOne(uid, [.section(section)])?.attributes ?? []
      {
        fields += HeaderField.fields(bytes ?? [])
      }
      try check.expect(fields.count == 1, "\(fields.count) fields instead of one")
    },
    Operation(name: "fetch of a megabyte") { check in
      let uid = try await check.uid("\(mark(check)) large")
      let count = Counter()
      try await check.client.fetch(.uids(UIDSet(uid)), [.section(.full)]) { event in
        if case .literalChunk(let bytes, _) = copy event { count.add(ByteView(bytes).copy().count) }
      }
      try check.expect(count.count > 1_000_000, "\(count.count) bytes")
    },
    Operation(name: "fetch one by one") { check in
      var count = 0
      for try await _ in check.client.messages(.uids(.all), [.uid, .flags]) { count += 1 }
      try check.expect(count == 4, "\(count) messages instead of 4")
    },
  ]

  private static let changing: [Operation] = [
    Operation(name: "store") { check in
      let uid = try await check.uid("\(mark(check)) umlauts")
      let set = UIDSet(uid)
      let steps: [(change: StoreOperation, flags: Set<MessageFlag>)] = [
        (StoreOperation(.add, [.seen, .flagged], silent: true), [.seen, .flagged]),
        (StoreOperation(.remove, [.seen], silent: true), [.flagged]),
        (StoreOperation(.replace, [.answered], silent: true), [.answered]),
      ]
      for (action, expected) in steps {
        try await check.client.store(.uids(set), action)
        let flags = try await check.flags(uid)
        try check.expect(flags == expected, "the flags are \(flags.map(\.rawValue).sorted().joined(separator: " "))")
      }
    },
    Operation(name: "store of a keyword") { check in
      let permanent = await check.client.selected?.permanentFlags
      if let permanent, !permanent.contains("\\*") { throw IMAPError.capabilityMissing("\\*", command: "STORE") }
      let uid = try await check.uid("\(mark(check)) umlauts")
      try await check.client.store(.uids(UIDSet(uid)), StoreOperation(.add, ["imapcheck"], silent: true))
      try check.expect(try await check.flags(uid).contains("imapcheck"), "it is not among the flags")
    },
    Operation(name: "copy") { check in
      let uid = try await check.uid("\(mark(check)) plain")
      let target = check.name("-copies")
      try await check.make(target)
      try await check.client.copy(.uids(UIDSet(uid)), to: target)
      let status = try await check.client.status(target, [.messages])
      try check.expect(status?.messages == 1, "the other mailbox has \(status?.messages ?? 0) messages")
    },
    Operation(name: "move") { check in
      let uid = try await check.uid("\(mark(check)) dated")
      let target = check.name("-moved")
      try await check.make(target)
      try await check.client.move(.uids(UIDSet(uid)), to: target)
      let status = try await check.client.status(target, [.messages])
      try check.expect(status?.messages == 1, "the other mailbox has \(status?.messages ?? 0) messages")
      try check.expect(try await check.client.search(.uid(UIDSet(uid))).isEmpty, "it is still there")
    },
    Operation(name: "idle", needs: [.idle]) { check in
      let client = check.client
      try await client.idle { Task { await client.endIdle() } }
    },
    Operation(name: "commands at once") { check in
      let client = check.client
      let boxes = try [check.box(), check.name("-copies"), check.name("-moved")]
      let right = try await withThrowingTaskGroup(of: Bool.self) { group in
        for box in boxes + boxes + boxes {
          group.addTask { try await client.status(box, [.messages])?.mailbox == box }
          group.addTask { try await client.list(pattern: box).map(\.name) == [box] }
        }
        return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
      }
      try check.expect(right == 18, "\(right) of 18 answers are those to the question")
    },
  ]

  private static let extensions: [Operation] = [
    Operation(name: "search with ESEARCH", needs: ["ESEARCH", .imap4rev2]) { check in
      let result = try await check.client.search(.all, returning: [.count])
      try check.expect(result.count == 3, "\(result.count.map { String($0) } ?? "no") messages instead of 3")
    },
    Operation(name: "fetch of what has changed", needs: ["CONDSTORE"]) { check in
      let uid = try await check.uid("\(mark(check)) plain")
      guard let before = try await check.client.fetchOne(uid, [.modSeq])?.modSeq else { throw Mismatch("no MODSEQ") }
      try await check.client.store(.uids(UIDSet(uid)), StoreOperation(.add, [.flagged], silent: true))
      let changed = try await check.client.fetch(.uids(.all), [.uid, .flags], changedSince: before)
      try check.expect(changed.contains { $0.uid == uid }, "what was changed is not among it")
    },
    Operation(name: "quota", needs: ["QUOTA"]) { check in _ = try await check.client.quotas(of: check.box()) },
    Operation(name: "acl", needs: ["ACL"]) { check in
      let rights = try await check.client.myRights(check.box())
      try check.expect(!rights.rawValue.isEmpty, "the owner may do nothing")
    },
    Operation(name: "metadata", needs: ["METADATA"]) { check in
      let entry = "/private/comment"
      let value = Metadata.Entry(name: Array(entry.utf8), value: Array("imap check".utf8))
      try await check.client.setMetadata(of: check.box(), [value])
      let found = try await check.client.metadata(of: check.box(), [entry])
      try check.expect(found.first?.value == value.value, "it is not what was set")
      try await check.client.setMetadata(of: check.box(), [Metadata.Entry(name: Array(entry.utf8), value: nil)])
    },
  ]

  private static let removing: [Operation] = [
    Operation(name: "expunge of some") { check in
      let (kept, gone) = try await (check.uid("\(mark(check)) plain"), check.uid("\(mark(check)) umlauts"))
      try await check.client.store(.uids(UIDSet([kept, gone])), StoreOperation(.add, [.deleted], silent: true))
      try await check.client.expunge(UIDSet(gone))
      let left = try await check.client.search(.all)
      try check.expect(left.contains(kept) && !left.contains(gone), "what is left is something else")
    },
    Operation(name: "expunge") { check in
      try await check.client.expunge()
      let left = try await check.client.search(.all)
      try check.expect(left.count == 1, "\(left.count) messages are left instead of 1")
    },
    Operation(name: "unselect") { check in
      try await check.client.unselect()
      try check.expect(await check.client.selected == nil, "the mailbox is still open")
    },
    Operation(name: "close") { check in
      try await check.client.select(check.box())
      try await check.client.closeMailbox()
      try check.expect(await check.client.selected == nil, "the mailbox is still open")
    },
    Operation(name: "delete of a mailbox") { check in
      let name = check.name("-gone")
      try await check.make(name)
      try await check.client.delete(name)
      check.removed(name)
      try check.expect(try await !check.client.mailboxExists(name), "it is still there")
    },
  ]

  private static func mark(_ check: ServerCheck) -> String { check.mark }
}

extension ServerCheck {
  /// A message of this check.
  fileprivate func text(_ subject: String, _ body: String) -> [UInt8] {
    Array(
      """
      From: imap check <check@example.org>\r
      Subject: imap check \(mark) \(subject)\r
      MIME-Version: 1.0\r
      Content-Type: text/plain; charset=utf-8\r
      Content-Transfer-Encoding: 8bit\r
      \r
      \(body)\r

      """.utf8)
  }
}
