import Testing

@testable import IMAPStateMachine

/// Commands that take several lines: the parts of one that is too long, and searches that go again. Servers answer them in any
/// order and in any way.
@Suite struct SplittingTests {
  @Test(arguments: 1...40 as ClosedRange<UInt64>)
  func everyCommandEndsOnceAndAsTheServerSays(_ seed: UInt64) {
    let run = Run(seed: seed &* 7919)
    run.play(150)
    #expect(run.problems.isEmpty, "seed \(seed): \(run.problems)")
    // Otherwise little was shown.
    #expect(run.mostParts > 2 && run.refused > 0 && run.retried > 0, "seed \(seed)")
  }

  /// In the middle of all that the connection ends.
  @Test(arguments: 1...40 as ClosedRange<UInt64>)
  func everyCommandEndsOnceWithTheConnection(_ seed: UInt64) {
    for calls in [3, 10, 20, 40] {
      let run = Run(seed: seed &* 1000 &+ UInt64(calls))
      run.play(calls, isCut: true)
      #expect(run.problems.isEmpty, "seed \(seed), \(calls) calls: \(run.problems)")
    }
  }

  /// What a refusal says is kept for as long as parts are in flight, and is the same then.
  @Test(arguments: [
    " OK done", " NO [X (a [b] \"c ]\")] text", "[ALERT]", "[ALERT]text", " [BADCHARSET (a b)]  two", "  [x",
    "text", "", " ", "  [ALERT] x", " [X ] y", " [] z", " [PERMANENTFLAGS (\\a [)] q",
  ]) func aStatusIsKeptAsItIs(_ text: String) {
    let bytes = Array(text.utf8)
    let status = StatusView(.no, bytes.span)
    let line = status.line
    let copy = StatusView(.no, line.span)
    #expect(copy.copy() == status.copy())
    #expect(copy.text.copy() == status.text.copy())
  }
}

/// A client with a random author, and a random server. Nothing is parsed: what is in flight is known by its tag.
private final class Run {
  private struct Sent {
    var id: CommandID
    var line: String
  }

  private struct Told {
    var command: Command
    var lines: [String] = []
    var okParts = 0
    /// The text of the first refusal.
    var refusal: String?
    /// The text of what was completed last.
    var last = ""
    var tagged = 0
    var partsCompleted = 0
    var endings: [String] = []
  }

  private var client: ClientConnection
  private var input = ReceiveBuffer()
  private let now = MonotonicInstant(nanoseconds: 0)
  private var random: Generator
  private let maximumInFlight: Int
  private var inFlight: [UInt32: Sent] = [:]
  private var told: [CommandID: Told] = [:]
  private var number = 0
  private(set) var problems: [String] = []
  private(set) var mostParts = 0
  private(set) var refused = 0
  private(set) var retried = 0

  init(seed: UInt64) {
    random = Generator(seed: seed)
    var configuration = ClientConnection.Configuration()
    configuration.maximumLineLength = 60
    maximumInFlight = [1, 2, 5, 20][random.below(4)] + 4
    configuration.maximumInFlight = maximumInFlight
    client = ClientConnection(configuration, now: now)
    feed("* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+] hi\r\n")
    _ = try? client.enqueue(.select(.inbox), now: now)
    client.consumeOutbound(.max)
    feed("A1 OK done\r\n")
  }

  func play(_ calls: Int, isCut: Bool = false) {
    for _ in 0..<calls {
      if random.chance(2) { enqueue() } else { answer() }
    }
    if isCut {
      input.close()
      settle()
    } else {
      while !inFlight.isEmpty { answer() }
    }
    for (id, told) in told { check(id, told, isCut) }
    if client.state.queue.count > 0, client.phase != .closed { problems.append("something waits for ever") }
  }

  private func check(_ id: CommandID, _ told: Told, _ isCut: Bool) {
    if told.endings.count != 1 { problems.append("\(id) ended \(told.endings)") }
    if isCut { return }
    if told.endings != [told.refusal ?? told.last] {
      problems.append("\(id) ended \(told.endings), and the server said \(told.refusal ?? told.last)")
    }
    if case .search = told.command { return }
    let isLastOfOK = told.refusal == nil
    if told.partsCompleted != told.okParts - (isLastOfOK ? 1 : 0) {
      problems.append("\(id): \(told.partsCompleted) of \(told.okParts) parts were told")
    }
    let sets = told.lines.map { $0.split(separator: " ")[$0.contains("UID") ? 3 : 1] }.joined(separator: ",")
    let all = told.command.uids
    if told.refusal == nil ? all != sets : !all.hasPrefix(sets) { problems.append("\(id): \(sets) of \(all)") }
  }

  // MARK: The author

  private func enqueue() {
    var uids = UIDSet(ranges: [])
    for _ in 0...random.below(12) {
      let first = UInt32(1 + random.below(2_000_000))
      uids.ranges.append(UIDSet.Range(first, first + (random.chance(2) ? 0 : 3)))
    }
    let command: Command =
      switch random.below(7) {
      case 0: .fetch(.uids(uids), [.flags])
      case 1: .fetch(.uids(uids), [.section(.full, peek: false)])
      case 2: .store(.uids(uids), StoreOperation(.add, [.seen]))
      case 3: .move(.uids(uids), "x")
      case 4: .uidExpunge(uids)
      case 5: .search(.text("\u{fc}"))
      default: .search(.all, charset: "UTF-8")
      }
    guard let id = try? client.enqueue(command, now: now) else { return problems.append("refused") }
    told[id] = Told(command: command)
    settle()
  }

  // MARK: The server

  private func answer() {
    guard let tag = inFlight.keys.sorted().randomElement(using: &random.random),
      let sent = inFlight.removeValue(forKey: tag)
    else { return }
    number += 1
    let text = "number \(number)"
    switch random.below(8) {
    case 0:
      refuse(sent.id, "no \(text)")
      refused += 1
      feed("A\(tag) NO \(text)\r\n")
    case 1, 2:
      // An end for a search where it is the second time, or without charset.
      let mayGoAgain = sent.line.contains("CHARSET UTF-8") && told[sent.id]?.lines.count == 1
      if mayGoAgain { retried += 1 } else { refuse(sent.id, "no \(text)") }
      feed("A\(tag) NO [BADCHARSET (ISO-8859-1)] \(text)\r\n")
      if mayGoAgain, told[sent.id]?.tagged != 1 { problems.append("a refusal was lost") }
    default:
      told[sent.id]?.okParts += 1
      told[sent.id]?.last = "ok \(text)"
      feed("A\(tag) OK \(text)\r\n")
    }
  }

  /// The first refusal counts.
  private func refuse(_ id: CommandID, _ text: String) {
    if told[id]?.refusal == nil { told[id]?.refusal = text }
  }

  private func feed(_ text: String) {
    input.append(Array(text.utf8).span)
    settle()
  }

  private func settle() {
    while step(&input) {}
    note()
    client.consumeOutbound(.max)
  }

  private func step(_ input: inout ReceiveBuffer) -> Bool {
    // Before what comes next may end it.
    note()
    do throws(ConnectionError) {
      switch try client.next(&input, now: now) {
      case .needMoreInput, .paused: return false
      case .completed(let id, let status):
        let text = "\(status.condition == .ok ? "ok" : "no") \(status.text.lossyString())"
        told[id]?.endings.append(text)
        if client.isInFlight(id) { problems.append("\(id) is in flight behind its end") }
      case .partCompleted(let id, let status):
        if status.condition != .ok { problems.append("a part that failed is told as one that did not") }
        if told[id]?.endings.isEmpty != true { problems.append("a part of \(id) behind its end") }
        told[id]?.partsCompleted += 1
      case .response(.tagged(let tag, _)):
        let number = CommandTag.number(tag.bytes)
        for (id, told) in told where told.lines.contains(where: { $0.hasPrefix("A\(number ?? 0) ") }) {
          self.told[id]?.tagged += 1
        }
      case .failed(let id, let error): told[id]?.endings.append("failed \(error)")
      default: break
      }
      return true
    } catch {
      problems.append("\(error)")
      return false
    }
  }

  /// What is new in flight.
  private func note() {
    let list = client.state.inFlight
    if list.count > maximumInFlight { problems.append("too many in flight") }
    let lines = String(decoding: client.outbound.copy(), as: UTF8.self).split(separator: "\r\n").map(String.init)
    for index in 0..<list.count where told[list[index].id] != nil {
      let (id, tag) = (list[index].id, list[index].tag)
      guard let line = lines.first(where: { $0.hasPrefix("A\(tag) ") }) else { continue }
      if inFlight[tag] != nil { continue }
      if told[id]?.refusal != nil { problems.append("\(line) was sent behind a refusal") }
      let siblings = inFlight.values.filter { $0.id == id }
      let isOneByOne = line.contains("MOVE") || line.contains("EXPUNGE")
      if isOneByOne, !siblings.isEmpty { problems.append("\(line) is too early") }
      mostParts = max(mostParts, siblings.count + 1)
      inFlight[tag] = Sent(id: id, line: line)
      told[id]?.lines.append(line)
    }
  }
}

extension Command {
  fileprivate var uids: String {
    switch self {
    case .fetch(let set, _, _), .store(let set, _, _), .move(let set, _): set.wireForm
    case .uidExpunge(let set): set.description
    default: ""
    }
  }
}
