import Testing

@testable import IMAPStateMachine

/// Commands that are taken back, and when an IDLE is renewed.
@Suite struct ClientWithdrawTests {
  private static func sent(_ client: inout ClientConnection) -> String {
    let text = String(decoding: client.outbound.copy(), as: UTF8.self)
    client.consumeOutbound(client.outboundCount)
    return text
  }

  private static func read(_ client: inout ClientConnection, _ text: String, _ now: MonotonicInstant) throws
    -> [CommandID]
  {
    var input = ReceiveBuffer()
    input.append(Array(text.utf8).span)
    var over: [CommandID] = []
    while true {
      let event = try client.next(&input, now: now)
      switch event {
      case .completed(let id, _): over.append(id)
      case .failed(let id, _): over.append(id)
      case .needMoreInput, .paused: return over
      default: break
      }
    }
  }

  @Test func whatWaitsIsTakenBackAndTheRestGoesOn() throws {
    var configuration = ClientConnection.Configuration()
    configuration.maximumInFlight = 1
    let now = MonotonicInstant(nanoseconds: 0)
    var client = ClientConnection(configuration, now: now)
    let early = try client.enqueue(.noop, now: now)
    var isTaken = client.withdraw(early, now: now)
    #expect(isTaken)
    #expect(try Self.read(&client, "* PREAUTH hi\r\n", now) == [])
    #expect(Self.sent(&client) == "")
    let first = try client.enqueue(.create("a"), now: now)
    let second = try client.enqueue(.create("b"), now: now)
    let third = try client.enqueue(.create("c"), now: now)
    #expect(Self.sent(&client) == "A1 CREATE \"a\"\r\n")
    isTaken = client.withdraw(first, now: now)
    #expect(!isTaken)
    isTaken = client.withdraw(second, now: now)
    #expect(isTaken)
    isTaken = client.withdraw(second, now: now)
    #expect(!isTaken)
    #expect(try Self.read(&client, "A1 OK done\r\n", now) == [first])
    #expect(Self.sent(&client) == "A2 CREATE \"c\"\r\n")
    #expect(try Self.read(&client, "A2 OK done\r\n", now) == [third])
    let mayHaveBeenDone = client.mayHaveBeenDone(second)
    #expect(!mayHaveBeenDone)
  }

  /// What waits behind it for its sake goes at once.
  @Test func whatItHeldUpGoes() throws {
    let now = MonotonicInstant(nanoseconds: 0)
    var client = ClientConnection(now: now)
    _ = try Self.read(&client, "* PREAUTH hi\r\n", now)
    let first = try client.enqueue(.noop, now: now)
    let barrier = try client.enqueue(.idle, now: now)
    let behind = try client.enqueue(.capability, now: now)
    #expect(Self.sent(&client) == "A1 NOOP\r\n")
    let isTaken = client.withdraw(barrier, now: now)
    #expect(isTaken)
    #expect(Self.sent(&client) == "A2 CAPABILITY\r\n")
    #expect(try Self.read(&client, "A2 OK x\r\nA1 OK x\r\n", now) == [behind, first])
  }

  /// Of a command in parts what the server has ends it.
  @Test func whatWasSentInPart() throws {
    var configuration = ClientConnection.Configuration()
    configuration.maximumInFlight = 1
    configuration.maximumLineLength = 60
    let now = MonotonicInstant(nanoseconds: 0)
    var client = ClientConnection(configuration, now: now)
    _ = try Self.read(&client, "* PREAUTH hi\r\n", now)
    _ = try client.enqueue(.select(.inbox), now: now)
    _ = try Self.read(&client, "A1 OK done\r\n", now)
    _ = Self.sent(&client)
    let uids = UIDSet((1...60).map { UID(rawValue: $0 * 2) })
    let id = try client.enqueue(.store(.uids(uids), StoreOperation(.add, [.seen])), now: now)
    let isTaken = client.withdraw(id, now: now)
    #expect(!isTaken)
    #expect(try Self.read(&client, "A2 OK done\r\n", now) == [id])
    #expect(Self.sent(&client).split(separator: "\r\n").count == 1)
    _ = try client.enqueue(.noop, now: now)
    #expect(Self.sent(&client).hasSuffix("NOOP\r\n"))
  }

  /// Sooner than it must be, and not all at once.
  @Test func idlesThatBeganTogetherAreNotRenewedTogether() throws {
    var configuration = ClientConnection.Configuration()
    configuration.idleRenewal = .seconds(29 * 60)
    configuration.idleJitter = .seconds(60)
    var times: Set<Int64> = []
    for number in 0..<200 {
      let now = MonotonicInstant(nanoseconds: Int64(number) * 1000)
      var client = ClientConnection(configuration, now: now)
      _ = try Self.read(&client, "* PREAUTH hi\r\n", now)
      _ = try client.enqueue(.idle, now: now)
      _ = Self.sent(&client)
      // A sign of life is no reason to wait longer.
      _ = try Self.read(&client, "+ idling\r\n* OK Still here\r\n", now)
      let next = client.nextDeadline
      let deadline = try #require(next)
      let wait = now.duration(to: deadline)
      #expect(wait >= .seconds(28 * 60) && wait <= .seconds(29 * 60))
      times.insert(Int64(wait / .seconds(1)))
      client.handleTimeout(now: deadline)
      #expect(Self.sent(&client) == "DONE\r\n")
      _ = try Self.read(&client, "A1 OK done\r\n", deadline)
      #expect(Self.sent(&client) == "A2 IDLE\r\n")
    }
    #expect(times.count > 30)
  }

  @Test(arguments: [
    ("  Hello,\n\n\tworld  ", false, 200, "Hello, world"), ("", false, 200, ""), ("abcdef", false, 3, "abc"),
    ("ab cdef", false, 3, "ab"), ("a<b>&amp;</b>", false, 200, "a<b>&amp;</b>"), ("a<b>&amp;</b>c", true, 200, "a & c"),
    ("<STYLE>x</STYLE>y", true, 200, "y"), ("a<!-- > -->b<im", true, 200, "a b"),
    ("&#65;&#x42;&#xD800;&x", true, 200, "AB&#xD800;&x"),
    ("<style>never ends", true, 200, ""), ("a\u{fffd}", false, 200, "a"),
  ])
  func previews(_ text: String, _ isHTML: Bool, _ length: Int, _ preview: String) {
    #expect(PreviewText.make(text, isHTML: isHTML, length: length) == preview)
  }

  @Test func aTreeOfMailboxes() {
    let listings = ["a/b", "a", "c/d/e", "x"].map {
      MailboxListing(attributes: [], delimiter: "/", name: MailboxName($0))
    }
    let tree = MailboxTree(listings)
    #expect(tree.roots.map(\.name) == ["a", "c", "x"])
    #expect(tree.roots.map { tree.children(of: $0).map(\.name) } == [["b"], ["d"], []])
    #expect(tree.roots[1].listing == nil)
    #expect(tree.children(of: tree.roots[0]).first?.listing?.name == "a/b")
  }

  /// A tree follows what NOTIFY tells.
  @Test func aTreeThatIsKeptUpToDate() {
    func listing(_ name: MailboxName, _ attributes: [Flag] = [], from old: MailboxName? = nil) -> MailboxListing {
      var listing = MailboxListing(attributes: attributes, delimiter: "/", name: name)
      listing.oldName = old
      return listing
    }
    func names(_ tree: MailboxTree) -> [String] {
      var names: [String] = []
      tree.walk { node, _, _ in names += (node.listing?.name.description).map { [$0] } ?? [] }
      return names
    }
    var tree = MailboxTree((["INBOX", "INBOX/x", "a", "a/b", "a/b/c", "ab"] as [MailboxName]).map { listing($0) })
    tree.apply(listing("new"))
    #expect(names(tree) == ["INBOX", "INBOX/x", "a", "a/b", "a/b/c", "ab", "new"])
    tree.apply(listing("a/b", ["\\HasNoChildren"]))
    #expect(tree.children(of: tree.roots[1]).first?.listing?.attributes == ["\\HasNoChildren"])
    tree.apply(listing("z", from: "a"))
    #expect(names(tree) == ["INBOX", "INBOX/x", "z", "z/b", "z/b/c", "ab", "new"])
    tree.apply(listing("z/b", ["\\NonExistent"]))
    #expect(names(tree) == ["INBOX", "INBOX/x", "z", "z/b/c", "ab", "new"])
    tree.apply(listing("old", from: .inbox))
    #expect(names(tree).sorted() == ["INBOX", "INBOX/x", "ab", "new", "old", "z", "z/b/c"])
    tree.apply(listing("nothing", ["\\NonExistent"]))
    tree.apply(listing("ab", from: "new"))
    #expect(names(tree).sorted() == ["INBOX", "INBOX/x", "ab", "old", "z", "z/b/c"])
  }
}
