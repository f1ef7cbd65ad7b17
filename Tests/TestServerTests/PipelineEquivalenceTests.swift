import IMAPStateMachine
import Testing

@testable import IMAPTestServer

/// Commands that are all enqueued at once do the same as one after the other, whatever the pieces are in which bytes
/// travel, and where the server executes in another order what it may.
@Suite struct PipelineEquivalenceTests {
  enum Mode { case serial, pipelined, inPieces, reordered }

  @Test func pipelinedAndSerialEndTheSame() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var mostInFlight = 0
    var reordered = 0
    var parts = 0
    for number in 0..<200 {
      var random = SplitMix(seed &+ UInt64(number))
      let commands = (0..<1 + random.next(below: 30)).map { _ in Self.command(&random) }
      let takesLiterals = random.next(below: 4) > 0
      let hint = "seed \(seed), program \(number)"
      let expected = try Run(commands, .serial, seed: random.next(), takesLiterals: takesLiterals).outcome(hint)
      for mode in [.pipelined, number % 2 == 0 ? .inPieces : .reordered] as [Mode] {
        let run = try Run(commands, mode, seed: random.next(), takesLiterals: takesLiterals)
        let outcome = run.outcome(hint)
        mostInFlight = max(mostInFlight, run.mostInFlight)
        reordered += run.reordered
        parts += run.parts
        guard outcome != expected else { continue }
        Issue.record("\(hint), \(mode): \(commands)")
        for (left, right) in zip(expected.text, outcome.text) where left != right {
          Issue.record("\(hint), \(mode): \(left) became \(right)")
          break
        }
        return
      }
    }
    // Otherwise nothing was shown.
    #expect(mostInFlight > 5, "seed \(seed)")
    #expect(reordered > 50, "seed \(seed)")
    #expect(parts > 50, "seed \(seed)")
  }

  // MARK: Programs

  private static func command(_ random: inout SplitMix) -> Command {
    let low = UInt32(random.next(below: 8) + 1)
    let high = low + UInt32(random.next(below: 3))
    let uids = MessageReference.uids(
      [UIDSet(UID(rawValue: low)), UIDSet(UID(rawValue: low)...UID(rawValue: high)), .all][
        random.next(below: 3)])
    let numbers = MessageReference.sequence(
      SequenceSet(SequenceNumber(rawValue: low)...SequenceNumber(rawValue: high)))
    let set = random.next(below: 3) == 0 ? numbers : uids
    // Too long for a line, in some modes.
    let longSet = UIDSet(ranges: (1...24).map { UIDSet.Range($0, $0) })
    let name: MailboxName = [.inbox, "Archive", "Work", "Work/Old", "New"][random.next(below: 5)]
    let other: MailboxName = ["Archive", "Work", "New", "New/Below"][random.next(below: 4)]
    let flag = [Flag.seen, .deleted, .flagged, Flag("$Work")][random.next(below: 4)]
    let action = [StoreOperation.Action.add, .remove, .replace][random.next(below: 3)]
    switch random.next(below: 36) {
    case 0, 1: return .fetch(set, [.uid, .flags])
    case 2, 3: return .fetch(set, [.uid, .envelope, .rfc822Size])
    case 4: return .fetch(set, [.uid, .section(.full, peek: false)])
    case 5: return .fetch(set, [.uid, .section(Section(.text)), .bodyStructure])
    case 6, 7, 8: return .store(set, StoreOperation(action, [flag], silent: random.next(below: 2) == 0))
    case 9: return .search(.noFlag(flag))
    case 10: return .search(.subject("\(low)"), uid: false)
    case 11: return .search(.or(.sequence(SequenceSet(SequenceNumber(rawValue: low))), .flag(flag)))
    case 12, 13: return .copy(set, other)
    case 14: return .move(set, other)
    case 15: return .expunge
    case 16: return .uidExpunge(UIDSet(UID(rawValue: low)...UID(rawValue: high)))
    case 17, 18: return .append(AppendRequest(mailbox: name, flags: [flag], byteCount: UInt64(low) * 7))
    case 19: return .create(other)
    case 20: return random.next(below: 2) == 0 ? .delete(other) : .rename(other, to: "Renamed")
    case 21: return .subscribe(name)
    case 22: return .unsubscribe(name)
    case 23, 24: return .status(name, [.messages, .unseen, .uidNext])
    case 25: return .list(reference: "", pattern: "*")
    case 26: return .lsub(reference: "", pattern: "*")
    case 27, 28: return .select(random.next(below: 2) == 0 ? .inbox : name)
    case 29: return random.next(below: 3) == 0 ? .examine(name) : .namespace
    case 30: return random.next(below: 3) == 0 ? [.close, .unselect][random.next(below: 2)] : .check
    case 31: return .capability
    case 33: return .fetch(.uids(longSet), [.uid, random.next(below: 2) == 0 ? .flags : .section(.full, peek: false)])
    case 34: return .store(.uids(longSet), StoreOperation(action, [flag], silent: random.next(below: 2) == 0))
    case 32: return .id([IDField("name", "x")])
    default: return .noop
    }
  }
}

/// One program against a server of its own.
private final class Run {
  /// What can be told of it.
  struct Outcome: Equatable {
    var text: [String]
  }

  private let bench: SessionBench
  private let server: SessionBench.Client
  private let mode: PipelineEquivalenceTests.Mode
  private var random: SplitMix
  private var client: ClientConnection
  private var input = ReceiveBuffer()
  private let now = MonotonicInstant(nanoseconds: 0)
  private var program: ArraySlice<Command>
  private var ids: [CommandID] = []
  private var results: [CommandID: String] = [:]
  /// What came since the last completion.
  private var heard = ""
  /// What the server has not been given yet.
  private var toServer: [UInt8] = []
  private var toClient: [UInt8] = []
  private(set) var mostInFlight = 0
  /// How many commands were executed before one that was sent earlier.
  private(set) var reordered = 0
  /// How many parts of commands were over before the last.
  private(set) var parts = 0

  init(_ commands: [Command], _ mode: PipelineEquivalenceTests.Mode, seed: UInt64, takesLiterals: Bool) throws {
    bench = SessionBench(withheld: takesLiterals ? [] : [.literalPlus, .literalMinus])
    for number in 1...6 { try bench.deliver("Subject: number \(number)\n\nbody \(number)\n") }
    for name in ["Archive", "Work", "Work/Old"] { try bench.core.store.account("user")?.create(MailboxName(name)) }
    server = bench.connect()
    self.mode = mode
    var configuration = ClientConnection.Configuration()
    // Where the server keeps the order of commands, so that it tells of messages in their order.
    if mode == .pipelined || mode == .inPieces { configuration.maximumLineLength = 64 }
    client = ClientConnection(configuration, now: now)
    random = SplitMix(seed)
    program = [.login(user: "user", password: Secret("password")), .select(.inbox)] + commands[...]
    toClient = Array(server.take().utf8)
    if mode != .serial { while !program.isEmpty { enqueue() } }
    for _ in 0..<1_000_000 {
      if mode == .serial, results.count == ids.count, !program.isEmpty { enqueue() }
      if !turn() { break }
    }
  }

  func outcome(_ hint: String) -> Outcome {
    #expect(program.isEmpty && results.count == ids.count, "\(hint): \(mode) stopped")
    var text = ids.map { results[$0] ?? "nothing" }
    text.append("selected \(client.selected.map { "\($0)" } ?? "nothing"), \(client.phase)")
    guard let account = bench.core.store.account("user") else { return Outcome(text: text) }
    for listing in account.list(reference: "", pattern: "*") {
      guard let mailbox = account.mailbox(listing.name) else { continue }
      let messages = mailbox.messages.map {
        "\($0.uid) \(mailbox.flags($0.flags).map(\.rawValue)) \(String(decoding: $0.content.bytes, as: UTF8.self))"
      }
      text.append("\(listing.name) \(listing.attributes) \(mailbox.nextUID) \(messages)")
    }
    text.append("\(account.subscribed(reference: "", pattern: "*").map(\.name))")
    return Outcome(text: text)
  }

  private func enqueue() {
    guard let command = program.popFirst() else { return }
    do {
      ids.append(try client.enqueue(command, now: now))
    } catch {
      Issue.record("\(command): \(error)")
    }
  }

  /// Moves some bytes. False where there are none.
  private func turn() -> Bool {
    var isBusy = drain(&input)
    Self.flush(&client, into: &toServer)
    mostInFlight = max(mostInFlight, ids.count { client.isInFlight($0) })
    if let bytes = nextForServer() {
      toClient += Array(server.send(bytes).utf8)
      isBusy = true
    }
    if !toClient.isEmpty {
      let count = mode == .inPieces ? 1 + random.next(below: min(toClient.count, 40)) : toClient.count
      input.append(toClient.span.extracting(first: count))
      toClient.removeFirst(count)
      isBusy = true
    }
    return isBusy
  }

  /// A span of a class's property cannot be named, that of an `inout` argument can.
  private static func flush(_ client: inout ClientConnection, into output: inout [UInt8]) {
    let count = client.outbound.count
    output += client.outbound.array(0..<count)
    client.consumeOutbound(count)
  }

  private func nextForServer() -> [UInt8]? {
    if toServer.isEmpty { return nil }
    var range = 0..<toServer.count
    if mode == .inPieces { range = 0..<1 + random.next(below: min(toServer.count, 30)) }
    if mode == .reordered, let commands = wholeCommands() {
      // A query does not depend on what is in flight, so it may be executed at any time; a change of flags only ahead of
      // queries, since COPY takes flags along.
      let queries = commands.prefix { isQuery($0) }.count
      let movable = commands.indices.filter {
        isQuery(commands[$0]) || ($0 <= queries && words(commands[$0]).first == "STORE")
      }
      let index = movable.isEmpty ? 0 : movable[random.next(below: movable.count)]
      range = commands[index]
      if index > 0 { reordered += 1 }
    }
    defer { toServer.removeSubrange(range) }
    return Array(toServer[range])
  }

  /// Where the commands are; nil where one is not complete, or has a literal.
  private func wholeCommands() -> [Range<Int>]? {
    guard toServer.last == 0x0a, !toServer.contains(UInt8(ascii: "{")) else { return nil }
    var ranges: [Range<Int>] = []
    for (index, byte) in toServer.enumerated() where byte == 0x0a {
      ranges.append((ranges.last?.upperBound ?? 0)..<index + 1)
    }
    return ranges.allSatisfy { toServer[$0.lowerBound] == UInt8(ascii: "A") } ? ranges : nil
  }

  /// The command's name and what follows.
  private func words(_ range: Range<Int>) -> [Substring] {
    let words = String(decoding: toServer[range], as: UTF8.self).split { $0.isWhitespace }.dropFirst()
    return Array(words.first == "UID" ? words.dropFirst() : words)
  }

  private func isQuery(_ range: Range<Int>) -> Bool {
    let words = words(range)
    let isKnown = ["FETCH", "SEARCH", "STATUS", "LIST", "LSUB", "NAMESPACE", "CAPABILITY", "ID"].contains(words.first)
    // That one sets \Seen.
    return isKnown && !words.contains { $0.contains("BODY[]") }
  }

  private func drain(_ input: inout ReceiveBuffer) -> Bool {
    var isBusy = false
    while step(&input) { isBusy = true }
    return isBusy
  }

  private func step(_ input: inout ReceiveBuffer) -> Bool {
    do throws(ConnectionError) {
      switch try client.next(&input, now: now) {
      case .needMoreInput, .paused: return false
      case .greeting: break
      case .response(.untagged(let view)): heard += "\(view.copy()); "
      case .response(.fetchAttribute(let attribute)): heard += "\(attribute.copy()); "
      case .response(.literalChunk(let bytes, _)):
        heard += String(decoding: bytes.array(0..<bytes.count), as: UTF8.self)
      // Not its number: where UIDs are removed that the command does not name, it may be executed before or behind that.
      case .response(.fetchBegin): heard += "FETCH: "
      case .response(.literalBegin(_, let header)): heard += "\(header.byteCount) bytes "
      case .response(.malformed): heard += "malformed; "
      // One part of a command that another ends.
      case .response(.tagged): break
      case .response: heard += ". "
      case .completed(let id, let status):
        results[id] = "\(heard)\(status.copy())"
        heard = ""
      case .partCompleted(_, let status):
        parts += 1
        if status.condition != .ok { heard += "a part failed; " }
      case .failed(let id, let error): results[id] = "\(error)"
      case .readyForLiteral(let id, let count):
        let bytes = [UInt8](repeating: UInt8(ascii: "#"), count: Int(clamping: count))
        _ = try client.write(id, literal: bytes.span, now: now)
      default: heard += "unexpected event; "
      }
      return true
    } catch {
      Issue.record("\(error)")
      return false
    }
  }
}
