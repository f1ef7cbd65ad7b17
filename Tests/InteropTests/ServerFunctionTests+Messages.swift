import Foundation
import IMAPLoop
import IMAPStateMachine
import Synchronization
import Testing

/// Messages and their parts, on each real server.
extension ServerFunctionTests {
  private static let image: [UInt8] = Array(0...255)

  /// A text in an old charset, and an attachment.
  private static let message: [UInt8] = Array(
    """
    From: a@example.org\r
    Subject: parts\r
    MIME-Version: 1.0\r
    Content-Type: multipart/mixed; boundary=b\r
    \r
    --b\r
    Content-Type: text/plain; charset=iso-8859-1\r
    Content-Transfer-Encoding: quoted-printable\r
    \r
    Gr=FC=DFe aus K=F6ln\r
    --b\r
    Content-Type: image/png; name=image.png\r
    Content-Disposition: attachment; filename=image.png\r
    Content-Transfer-Encoding: base64\r
    \r
    \(Data(image).base64EncodedString())\r
    --b--\r

    """.utf8)

  private actor Collected {
    var bytes: [UInt8] = []
    func add(_ more: [UInt8]) { bytes += more }
  }

  @Test(arguments: ServerKind.all) func parts(_ kind: ServerKind) async throws {
    try await withServer(kind) { _, client, _ in
      try await client.append(Self.message, to: .inbox)
      try await client.select(.inbox)
      let uid: UID = 1
      let response = try #require(try await client.fetchOne(uid, [.bodyStructure, .rfc822Size]))
      #expect(response.uid == uid)
      #expect(try await client.fetchOne(1 as SequenceNumber, [.uid])?.uid == uid)
      #expect(try await client.fetchOne(9 as UID, [.uid]) == nil)
      let structure = try #require(response.bodyStructure)
      let (text, image) = (try #require(structure.textPart), try #require(structure.attachments.first))
      #expect(try await client.preview(of: uid) == "Gr\u{fc}\u{df}e aus K\u{f6}ln")

      let whole = Collected()
      let count = try await client.download(uid, chunkSize: 100) { await whole.add($0) }
      #expect(await whole.bytes == Self.message)
      #expect(count == UInt64(Self.message.count))
      let rest = Collected()
      try await client.download(uid, from: 100) { await rest.add($0) }
      #expect(await rest.bytes == Array(Self.message[100...]))
      let decoded = Collected()
      try await client.downloadDecoded(uid, text, chunkSize: 7) { await decoded.add($0) }
      #expect(await String(decoding: decoded.bytes, as: UTF8.self) == "Gr\u{fc}\u{df}e aus K\u{f6}ln")
      #expect(try await client.downloadDecoded(uid, [image, text]) == [Self.image, decoded.bytes])

      let folder = try TemporaryFolder()
      let told = Mutex<[UInt64]>([])
      try await client.download(uid, to: folder.path + "/message", chunkSize: 100) { count in
        told.withLock { $0.append(count) }
      }
      #expect(folder.bytes("message") == Self.message)
      #expect(told.withLock { $0.count > 2 && $0.last == UInt64(Self.message.count) })
      try await client.downloadDecoded(uid, image, to: folder.path + "/image.png")
      #expect(folder.bytes("image.png") == Self.image)
      await #expect(throws: DownloadError.self) { try await client.download(9, to: folder.path + "/none") }
      #expect(folder.names == ["image.png", "message"])

      let octets = Mutex(0)
      try await client.fetch(.uids([1]), [.section(.full)]) { event in
        if case .literalChunk(let bytes, _) = event { octets.withLock { $0 += bytes.count } }
      }
      #expect(octets.withLock(\.self) == Self.message.count)
      #expect(try await client.retryingThrottled { try await client.search(.all) } == [uid])
    }
  }

  /// Messages that nobody else has changed, and several at once.
  @Test(arguments: ServerKind.all) func conditionalStoreAndSeveralAtOnce(_ kind: ServerKind) async throws {
    try await withServer(kind) { server, client, loop in
      let (one, two) = (Self.message, Array("Subject: two\r\n\r\ntext\r\n".utf8))
      let messages = [
        AppendMessage(flags: [.seen], byteCount: UInt64(one.count)), AppendMessage(byteCount: UInt64(two.count)),
      ]
      let request = AppendRequest(mailbox: .inbox, messages: messages)
      if kind.has("MULTIAPPEND") {
        #expect(try await client.append(request, one + two)?.destination == UIDSet(1...2))
      } else {
        await #expect(throws: IMAPError.capabilityMissing("MULTIAPPEND", command: "APPEND")) {
          try await client.append(request, one + two)
        }
        try await client.append(one, to: .inbox, flags: [.seen])
        try await client.append(two, to: .inbox)
      }
      let answered = StoreOperation(.add, [.answered])
      guard kind.has(.condStore) else {
        try await client.select(.inbox)
        await #expect(throws: IMAPError.capabilityMissing(.condStore, command: "STORE")) {
          try await client.store(.uids([1]), answered, unchangedSince: 1)
        }
        return
      }
      let known = try #require(try await client.select(.inbox, SelectParameters(condStore: true)).highestModSeq)
      let other = try await server.client(on: loop)
      try await other.select(.inbox)
      try await other.addFlags([.flagged], to: [1])
      await other.logout()
      let (changed, modified) = try await client.store(.uids([1, 2]), answered, unchangedSince: known)
      #expect(modified?.description == "1")
      // Of the first it may say what the other client did.
      #expect(changed.first { $0.uid == 2 }?.flags?.contains(.answered) == true, "\(changed)")
      #expect(changed.first { $0.modSeq.map { $0 > known } == true } != nil, "\(changed)")
      let flags = try await client.flags(of: [1, 2])
      #expect(flags[1]?.contains(.answered) == false && flags[1]?.contains(.flagged) == true, "\(flags)")
      #expect(flags[2]?.contains(.answered) == true, "\(flags)")
      // With what holds now it is done.
      let now = try #require(try await client.fetchOne(1 as UID, [.modSeq])?.modSeq)
      #expect(try await client.store(.uids([1]), answered, unchangedSince: now).modified == nil)
      #expect(try await client.flags(of: [1])[1]?.contains(.answered) == true)
      let third = try await server.client(on: loop)
      try await whatHasChanged(third, by: client, kind)
      await third.logout()
    }
  }

  /// FETCH of what another client has changed, and what has gone, on a server with QRESYNC.
  private func whatHasChanged(_ client: IMAPClient, by other: IMAPClient, _ kind: ServerKind) async throws {
    guard kind.has(.qResync) else {
      try await client.select(.inbox)
      await #expect(throws: IMAPError.self) { try await client.fetchChanges(.all, [.uid, .flags], since: 1) }
      return
    }
    try await client.enable([.qResync])
    try await client.select(.inbox)
    let before = try #require(try await client.fetch(.uids(.all), [.modSeq]).compactMap(\.modSeq).max())
    try await other.addFlags([.draft], to: [1])
    try await other.delete([2])
    try await client.noop()
    let (changed, vanished) = try await client.fetchChanges([1, 2], [.uid, .flags], since: before)
    #expect(changed.map(\.uid) == [1] && changed.first?.flags?.contains(.draft) == true, "\(changed)")
    #expect(vanished.contains(2, largest: 2), "\(vanished)")
  }
}
