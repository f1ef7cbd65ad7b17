import Testing

@testable import IMAPStateMachine

/// Which commands may be sent before others are completed (RFC 9051, section 5.5).
@Suite struct PipeliningTests {
  private static let fetch = Command.fetch(.sequence([1]), [.envelope])
  private static let fetchFlags = Command.fetch(.sequence([1]), [.flags])
  private static let fetchBody = Command.fetch(.sequence([1]), [.section(.full, peek: false)])
  private static let peekBody = Command.fetch(.sequence([1]), [.section(.full)])
  private static let uidFetch = Command.fetch(.uids([1]), [.envelope])
  private static let store = Command.store(.sequence([1]), StoreOperation(.add, [.seen]))
  private static let uidStore = Command.store(.uids([1]), StoreOperation(.add, [.seen]))
  private static let search = Command.search(.subject("x"), uid: false)
  private static let searchUnseen = Command.search(.noFlag(.seen), uid: false)
  private static let uidSearch = Command.search(.subject("x"))
  private static let uidSearchBySequence = Command.search(.or(.subject("x"), .not(.and([.all, .sequence([1])]))))
  private static let copy = Command.copy(.sequence([1]), "x")
  private static let uidCopy = Command.copy(.uids([1]), "x")
  private static let list = Command.list(reference: "", pattern: "%")

  struct Sequence: Sendable, CustomTestStringConvertible {
    var name: String
    var commands: [Command]
    /// How many of them are in flight at once.
    var inFlight: Int
    var testDescription: String { name }

    init(_ name: String, _ commands: [Command], _ inFlight: Int) {
      self.name = name
      self.commands = commands
      self.inFlight = inFlight
    }
  }

  static let sequences: [Sequence] = [
    // The examples of RFC 9051 and RFC 3501 that are invalid.
    Sequence("FETCH + NOOP + STORE", [fetch, .noop, store], 2),
    Sequence("STORE + COPY + FETCH", [store, copy, fetch], 2),
    Sequence("COPY + COPY", [copy, copy], 1),
    Sequence("CHECK + FETCH", [.check, fetch], 1),
    // Those that are valid.
    Sequence("FETCH + STORE + SEARCH + NOOP", [fetch, store, search, .noop], 4),
    Sequence("FETCH + STORE + SEARCH + CHECK", [fetch, store, search, .check], 4),
    Sequence("STORE + COPY + EXPUNGE", [store, copy, .expunge], 3),
    Sequence("UID SEARCH + UID SEARCH", [uidSearch, uidSearch], 2),
    Sequence("UID SEARCH + UID SEARCH with sequence numbers", [uidSearch, uidSearchBySequence], 1),
    // What is in flight counts, not only what is last: the second FETCH may follow the first and not NOOP.
    Sequence("FETCH + NOOP + UID FETCH + FETCH", [fetch, .noop, uidFetch, fetch], 3),
    Sequence("STORE + UID SEARCH SUBJECT + UID SEARCH UNSEEN", [uidStore, uidSearch, .search(.noFlag(.seen))], 2),
    // The ambiguity that the section names first.
    Sequence("FETCH that sets \\Seen + SEARCH UNSEEN", [fetchBody, searchUnseen], 1),
    Sequence("FETCH that peeks + SEARCH UNSEEN", [peekBody, searchUnseen], 2),
    Sequence("FETCH that sets \\Seen + SEARCH SUBJECT", [fetchBody, search], 2),
    Sequence("SEARCH UNSEEN + FETCH FLAGS", [searchUnseen, fetchFlags], 2),
    // And the one of RFC 3501: FETCH and STORE of the same message's flags, in either order.
    Sequence("FETCH FLAGS + STORE", [fetchFlags, store], 1),
    Sequence("STORE + FETCH FLAGS", [store, fetchFlags], 1),
    Sequence("FETCH FLAGS + FETCH that sets \\Seen", [fetchFlags, fetchBody], 1),
    Sequence("SEARCH UNSEEN + STORE", [searchUnseen, store], 1),
    Sequence("STORE + STORE", [store, store], 1),
    Sequence("STORE + STORE of others", [store, .store(.sequence([2]), StoreOperation(.add, [.seen]))], 2),
    Sequence("UID STORE + UID FETCH FLAGS of others", [uidStore, .fetch(.uids([2, 3]), [.flags])], 2),
    Sequence("UID STORE + UID FETCH FLAGS 2:*", [uidStore, .fetch(.uids(UIDSet(2...)), [.flags])], 1),
    Sequence("UID STORE + UID FETCH FLAGS $", [uidStore, .fetch(.uids(.savedResult), [.flags])], 1),
    Sequence(
      "UID STORE 5:3 + UID FETCH FLAGS 4",
      [
        .store(.uids(UIDSet(ranges: [.init(5, 3)])), StoreOperation(.add, [.seen])), .fetch(.uids([4]), [.flags]),
      ], 1),
    Sequence(
      "STORE + conditional STORE", [store, .store(.sequence([1]), StoreOperation(.add, []), unchangedSince: 1)], 1),
    Sequence("STORE + FETCH CHANGEDSINCE", [store, .fetch(.sequence([1]), [.uid], changedSince: 1)], 1),
    Sequence("STORE + FETCH MODSEQ", [store, .fetch(.sequence([1]), [.modSeq])], 1),
    Sequence("STORE + SEARCH MODSEQ", [store, .search(.modSeq(1), uid: false)], 1),
    Sequence("STORE + SEARCH NOT NEW", [store, .search(.or(.all, .not(.new)), uid: false)], 1),
    // EXPUNGE may come during every command but FETCH, STORE and SEARCH.
    Sequence("UID FETCH + FETCH", [uidFetch, fetch], 1),
    Sequence("UID STORE + FETCH", [uidStore, fetch], 1),
    Sequence("NOOP + UID FETCH", [.noop, uidFetch], 2),
    Sequence("FETCH + UID FETCH + NOOP", [fetch, uidFetch, .noop], 3),
    Sequence("CAPABILITY + SEARCH", [.capability, search], 1),
    // RFC 6851, section 3.3.
    Sequence("MOVE + EXPUNGE", [.move(.sequence([1]), "x"), .expunge], 1),
    Sequence("UID MOVE + UID MOVE of others", [.move(.uids([1]), "x"), .move(.uids([2]), "x")], 2),
    Sequence("UID MOVE + UID SEARCH", [.move(.uids([1]), "x"), uidSearch], 1),
    Sequence("UID MOVE + LIST", [.move(.uids([1]), "x"), list], 2),
    // RFC 5182, section 2.3: the examples 7 and 9.
    Sequence(
      "SEARCH RETURN (SAVE) + COPY $ + STORE $",
      [
        .search(.flag(Flag("$Junk")), uid: false, returning: [.save]), .copy(.sequence(.savedResult), "Junk"),
        .store(.sequence(.savedResult), StoreOperation(.add, [.deleted], silent: true)),
      ], 2),
    Sequence(
      "SEARCH RETURN (SAVE) + SEARCH RETURN (SAVE)",
      [.search(.flag(.answered), uid: false, returning: [.save]), .search(.all, uid: false, returning: [.save])], 2),
    // Mailboxes.
    Sequence("CREATE + STATUS", [.create("x"), .status("x", [.messages])], 1),
    Sequence("CREATE + STATUS of another", [.create("x"), .status("y", [.messages])], 2),
    Sequence("CREATE + CREATE below it", [.create("x"), .create("x/y")], 1),
    Sequence("RENAME + STATUS of its new name", [.rename("x", to: "y"), .status("y", [.messages])], 1),
    Sequence("RENAME + CREATE of its old name", [.rename("x", to: "y"), .create("x")], 1),
    Sequence("CREATE + LIST", [.create("x"), list], 1),
    Sequence("STATUS + STATUS + LIST", [.status("x", [.messages]), .status("y", [.messages]), list], 3),
    Sequence("STATUS + DELETE", [.status("x", [.messages]), .delete("x")], 2),
    Sequence("UID COPY + UID COPY", [uidCopy, uidCopy], 2),
    Sequence("UID COPY + UID FETCH", [uidCopy, uidFetch], 2),
    Sequence("UID COPY + STATUS of its target", [uidCopy, .status("x", [.messages])], 1),
    Sequence("UID COPY into the selected mailbox + UID SEARCH", [.copy(.uids([1]), .inbox), uidSearch], 1),
    Sequence("UID STORE + STATUS UNSEEN", [uidStore, .status(.inbox, [.unseen])], 1),
    Sequence("UID STORE + STATUS UNSEEN of another", [uidStore, .status("x", [.unseen])], 2),
    Sequence("SUBSCRIBE + LSUB", [.subscribe("x"), .lsub(reference: "", pattern: "*")], 1),
    Sequence("SUBSCRIBE + LIST", [.subscribe("x"), list], 2),
    // Whoever leaves a mailbox waits; what does not need the new one follows (RFC 4314, section 5.1.1: SELECT + MYRIGHTS).
    Sequence("SELECT + UID FETCH", [.select("x"), uidFetch], 1),
    Sequence("UID FETCH + SELECT", [uidFetch, .select("x")], 1),
    Sequence("SELECT + MYRIGHTS + FETCH", [.select("x"), .myRights("x"), fetch], 2),
    Sequence("SELECT + SELECT", [.select("x"), .select("y")], 1),
    Sequence("NOOP + CLOSE", [.noop, .close], 1),
    Sequence("CLOSE + STATUS", [.close, .status(.inbox, [.messages])], 1),
    Sequence("CLOSE + STATUS of another + SELECT", [.close, .status("x", [.messages]), .select("x")], 2),
    // What changes the state, or the meaning of a continuation request, is alone.
    Sequence("NOOP + LOGOUT", [.noop, .logout], 1),
    Sequence("IDLE + NOOP", [.idle, .noop], 1),
    Sequence("NOOP + an unknown command + NOOP", [.noop, .other(GenericCommand("X")), .noop], 1),
  ]

  @Test(arguments: sequences) func asEarlyAsTheRuleLetsIt(_ sequence: Sequence) {
    let bench = Bench(.selected)
    #expect(bench.sent(sequence.commands) == sequence.inFlight)
    // What is not sent is forbidden, or not asked for.
    for (index, command) in sequence.commands.enumerated() {
      switch PipeliningReference.verdict(Array(sequence.commands[..<index]), command) {
      case .mustWait(let reason): #expect(index >= sequence.inFlight, "\(reason)")
      case .mayGo: if index == sequence.inFlight { Issue.record("number \(index) waits without need") }
      case .either: break
      }
    }
  }

  /// Nothing is selected yet: RFC 5161, section 3.1, "no limitations on pipelining ENABLE".
  @Test(arguments: [
    Sequence("NAMESPACE + LIST + SELECT + MYRIGHTS", [.namespace, list, .select("x"), .myRights("x")], 4),
    Sequence("ENABLE + ENABLE + CAPABILITY", [.enable([.condStore]), .enable([.qResync]), .capability], 3),
    // Whether names are in UTF-8 is known behind ENABLED only.
    Sequence("ENABLE + LIST", [.enable([.utf8Accept]), list], 1),
    Sequence("LIST + ENABLE", [list, .enable([.utf8Accept])], 1),
    Sequence("SELECT + EXAMINE", [.select("x"), .examine("y")], 1),
    Sequence("SELECT + ENABLE", [.select("x"), .enable([.condStore])], 1),
  ]) func beforeAMailboxIsSelected(_ sequence: Sequence) {
    let bench = Bench(.authenticated)
    #expect(bench.sent(sequence.commands) == sequence.inFlight)
    for (index, command) in sequence.commands.enumerated() where index <= sequence.inFlight {
      let verdict = PipeliningReference.verdict(Array(sequence.commands[..<index]), command, selected: nil)
      switch verdict {
      case .mustWait(let reason): #expect(index >= sequence.inFlight, "\(reason)")
      case .mayGo: #expect(index < sequence.inFlight, "number \(index) waits without need")
      case .either: break
      }
    }
  }

  /// The machine does for every pair what the texts say. What they leave open is counted, so that a change of it is seen.
  @Test func everyPairIsDecidedAsTheTextsSay() {
    let commands = PipeliningRepresentatives.all
    #expect(Set(commands.map(PipeliningRepresentatives.kind)) == Set(PipeliningRepresentatives.Kind.allCases))
    var counts = (waits: 0, goes: 0, openGoes: 0, openWaits: 0)
    for earlier in commands {
      let state: Bench.State =
        switch earlier {
        case .startTLS, .login, .authenticate: .notAuthenticated
        case .enable: .authenticated
        default: .selected
        }
      let selected: MailboxName? = state == .selected ? .inbox : nil
      for later in commands {
        let isSent = Bench(state).sendsSecond(earlier, later)
        switch PipeliningReference.verdict(earlier, later, selected: selected) {
        case .mustWait(let reason):
          if isSent { Issue.record("\(later) goes behind \(earlier): \(reason)") }
          counts.waits += 1
        case .mayGo:
          if !isSent { Issue.record("\(later) waits behind \(earlier), and no text asks for it") }
          counts.goes += 1
        case .either: if isSent { counts.openGoes += 1 } else { counts.openWaits += 1 }
        }
      }
    }
    let size = commands.count
    #expect(counts.waits + counts.goes + counts.openGoes + counts.openWaits == size * size)
    // Where the texts leave it open, 1087 of 3797 pairs go: what is known to be safe with every server.
    #expect(counts == (5628, 12479, 1087, 2710))
  }

  /// RFC 9051, section 5.5: a continuation must be over before any other command is begun.
  @Test func nothingIsSentWhileALiteralWaits() throws {
    let pair = try Pair(capabilities: [], selecting: true)
    pair.script = { _, _, _ in true }
    let before = pair.sentByClient.count
    _ = try pair.enqueue(.append(AppendRequest(mailbox: "x", byteCount: 5)))
    _ = try pair.enqueue(.noop)
    pair.settle()
    #expect(String(decoding: pair.sentByClient[before...], as: UTF8.self) == "A2 APPEND \"x\" {5}\r\n")
  }

  /// The limit holds at every moment, with and without commands that are sent alone, and one below one is one.
  @Test(arguments: [-1, 0, 1, 2, 20, 1000])
  func noMoreThanTheMaximumIsInFlight(_ maximum: Int) {
    let bench = Bench(.selected, maximumInFlight: maximum)
    let commands = (0..<100).map { $0 % 25 == 24 ? Command.other(GenericCommand("X")) : .noop }
    for command in commands { bench.enqueue(command) }
    var most = 0
    // Answered in an order of no kind: the last, the first, the last …
    for round in 0..<commands.count {
      most = max(most, bench.inFlight.count)
      if bench.inFlight.contains(where: { $0.hasSuffix(" X") }) { #expect(bench.inFlight.count == 1) }
      guard !bench.inFlight.isEmpty else { break }
      bench.complete(round % 2 == 0 ? bench.inFlight.count - 1 : 0)
    }
    #expect(bench.endings == commands.count)
    #expect(most == min(max(1, maximum), 24))
  }

  // MARK: Parts

  /// A client whose server answers nothing by itself.
  final class Bench {
    enum State { case notAuthenticated, authenticated, selected }

    private var client: ClientConnection
    private var input = ReceiveBuffer()
    private let now = MonotonicInstant(nanoseconds: 0)
    private var failures: Set<CommandID> = []
    /// The lines of commands that are not completed.
    private(set) var inFlight: [String] = []
    private(set) var endings = 0

    init(_ state: State, maximumInFlight: Int? = nil) {
      var configuration = ClientConnection.Configuration()
      configuration.maximumInFlight = maximumInFlight ?? configuration.maximumInFlight
      client = ClientConnection(configuration, now: now)
      // Literals need no answer.
      feed("* \(state == .notAuthenticated ? "OK" : "PREAUTH") [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR] hi\r\n")
      guard state == .selected else { return }
      enqueue(.select(.inbox))
      complete(0)
      endings = 0
    }

    /// How many of `commands` go without waiting.
    func sent(_ commands: [Command]) -> Int { commands.prefix { enqueue($0) }.count }

    /// Whether `later` does not wait for the end of `earlier`. One that the state refuses right away has not waited.
    func sendsSecond(_ earlier: Command, _ later: Command) -> Bool {
      guard enqueue(earlier), failures.isEmpty else {
        Issue.record("\(earlier) cannot be sent")
        return false
      }
      return enqueue(later)
    }

    /// Whether `command` was sent, or refused, at once.
    @discardableResult
    func enqueue(_ command: Command) -> Bool {
      let count = inFlight.count
      guard let id = try? client.enqueue(command, now: now) else { return false }
      settle()
      return inFlight.count > count || failures.contains(id)
    }

    func complete(_ index: Int) {
      let line = inFlight.remove(at: index)
      feed("\(line.prefix { $0 != " " }) OK done\r\n")
    }

    private func feed(_ text: String) {
      input.append(Array(text.utf8).span)
      settle()
    }

    private func settle() {
      while step(&input) {}
      let text = String(decoding: client.outbound.copy(), as: UTF8.self)
      client.consumeOutbound(text.utf8.count)
      // Messages consist of `#`.
      inFlight += text.split(separator: "\r\n").map(String.init).filter { $0.hasPrefix("A") }
    }

    private func step(_ input: inout ReceiveBuffer) -> Bool {
      do throws(ConnectionError) {
        switch try client.next(&input, now: now) {
        case .needMoreInput, .paused: return false
        case .readyForLiteral(let id, let count):
          let bytes = [UInt8](repeating: UInt8(ascii: "#"), count: Int(clamping: count))
          _ = try client.write(id, literal: bytes.span, now: now)
        case .completed: endings += 1
        case .failed(let id, _): failures.insert(id)
        default: break
        }
        return true
      } catch {
        Issue.record("\(error)")
        return false
      }
    }
  }
}
