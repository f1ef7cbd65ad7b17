import IMAPStateMachine
import Testing

/// A recorded conversation of a client and what its machine must make of it. One line each:
///
///     # a comment
///     ! option            a setting of the connection: secure, requires-tls, one-in-flight, two-queued, map, map-limit 9, line-limit 80,
///                         in-flight 2, input-line 80, input-literal 80, input-nesting 5, input-elements 9;
///                         or of the replay: whole, where what arrives at once is the point
///     > LOGIN joe secret  the user enqueues a command, written as on the wire
///                         (`\n` is CRLF, for literals, and `\xFC` that byte)
///     > .limit 5 APPEND   the same for a mailbox that takes messages of 5 bytes, or of any size: `.limit none`
///     > .done A3          another verb of the machine: .done, .write, .answer, .cancel, .tls, .deflate, .close, .eof, .fail
///     > .mailbox          a question, whose answer is an event: .phase, .tag A3, .selected, .known, .mailbox, .uids, .where 7,
///                         .capabilities, .enabled, .append-limit, .deadline
///     > .at 30            time passes: seconds since the start
///     C: A1 LOGIN ...     exactly this is sent next, and before the server says more; `\xFC` is that byte
///     S: * OK hi          the server sends this and CRLF; `\n` is CRLF, where two lines must come at once
///     S|: abc             the server sends this and nothing behind it
///     E: greeting OK "hi" the next event
///
/// The runner replays it whole, byte by byte and with each server block cut at each point, with garbage in the memory behind
/// what was received, and a response behind it all that has no end. Events between two lines that are no `E:` must match
/// exactly: nothing more and nothing less.
struct Transcript {
  enum Line {
    case option(String)
    case user(String)
    case client(String)
    case server([UInt8])
    case event(String)
  }

  var lines: [(number: Int, line: Line)] = []

  init(_ text: String) {
    for (index, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let line = raw.drop { $0 == " " }
      func rest(_ prefix: String) -> String? {
        guard line.hasPrefix(prefix) else { return nil }
        let rest = line.dropFirst(prefix.count)
        return String(rest.first == " " ? rest.dropFirst() : rest)
      }
      let parsed: Line? =
        if let text = rest("!") {
          .option(text)
        } else if let text = rest(">") {
          .user(text)
        } else if let text = rest("C:") {
          .client(text)
        } else if let text = rest("S:") {
          .server(Array((text.split(separator: "\\n").joined(separator: "\r\n") + "\r\n").utf8))
        } else if let text = rest("S|:") {
          .server(Array(text.utf8))
        } else if let text = rest("E:") {
          .event(text)
        } else {
          nil
        }
      if let parsed { lines.append((index + 1, parsed)) }
    }
  }

  /// Whether what arrives at once is the point.
  var isWhole: Bool { lines.contains { if case .option("whole") = $0.line { true } else { false } } }

  /// The ways to feed the server's bytes.
  var feeds: [Feed] { isWhole ? [.whole] : StateMachineTests.feeds(serverByteCount) }

  /// How many bytes the server sends in all.
  var serverByteCount: Int {
    lines.reduce(0) { sum, entry in
      if case .server(let bytes) = entry.line { sum + bytes.count } else { sum }
    }
  }

  /// Replays the conversation, server bytes fed as `feed` says, counted over the whole conversation.
  func replay(_ feed: Feed, observer: (@Sendable (WireLine) -> Void)? = nil) -> [String] {
    var player = TranscriptPlayer(self, observer: observer)
    return player.run(feed)
  }

  /// As ``replay(_:)``, but between two reads the connection is put to rest wherever it can be, and goes on in another one.
  /// Returns also how often that was.
  func replayResting(_ feed: Feed) -> (problems: [String], rests: Int) {
    var player = TranscriptPlayer(self)
    player.rests = 0
    let problems = player.run(feed)
    return (problems, player.rests ?? 0)
  }
}

struct TranscriptPlayer: ~Copyable {
  private let transcript: Transcript
  private var machine: ClientConnection
  private var input = ReceiveBuffer()
  private var log = EventLog()
  private var seen = 0
  private var now = MonotonicInstant(nanoseconds: 0)
  private var ids: [String: CommandID] = [:]
  private var problems: [String] = []
  private var fed = 0
  /// How often the connection was put to rest; nil where it is not to be.
  fileprivate(set) var rests: Int?

  init(_ transcript: Transcript, observer: (@Sendable (WireLine) -> Void)? = nil) {
    self.transcript = transcript
    var configuration = ClientConnection.Configuration()
    configuration.wireObserver = observer
    for case (_, .option(let option)) in transcript.lines {
      switch option {
      case "secure": configuration.isSecure = true
      case "requires-tls": configuration.requiresTLS = true
      case "one-in-flight": configuration.maximumInFlight = 1
      case "two-queued": configuration.maximumQueued = 2
      case "map": configuration.mapsUIDs = true
      case "whole": break
      case _ where option.hasPrefix("line-limit "):
        configuration.maximumLineLength = Int(option.dropFirst("line-limit ".count)) ?? 0
      case _ where option.hasPrefix("in-flight "):
        configuration.maximumInFlight = Int(option.dropFirst("in-flight ".count)) ?? 0
      case _ where option.hasPrefix("input-"): Self.limit(&configuration.limits, option)
      case _ where option.hasPrefix("map-limit "):
        configuration.mapsUIDs = true
        configuration.maximumUIDRanges = Int(option.dropFirst("map-limit ".count)) ?? 0
      default: problems.append("unknown option \(option)")
      }
    }
    machine = ClientConnection(configuration, now: now)
  }

  private static func limit(_ limits: inout ParserLimits, _ option: String) {
    let words = option.split(separator: " ")
    let value = words.count > 1 ? Int(words[1]) ?? 0 : 0
    switch words.first {
    case "input-line": limits.line = value
    case "input-literal": limits.literal = UInt64(value)
    case "input-nesting": limits.nesting = value
    case "input-elements": limits.listElements = value
    default: limits.line = 0
    }
  }

  mutating func run(_ feed: Feed) -> [String] {
    for (number, line) in transcript.lines {
      switch line {
      case .option: break
      case .user(let text):
        expectNoEvents(number)
        perform(text, number)
        drain()
      case .client(let text): expectSent(text, number)
      case .server(let bytes):
        // Whatever is sent is written down before the server goes on: nothing may be sent too early.
        if machine.outbound.count > 0 { problems.append("line \(number): unexpected bytes: \(takeOutbound())") }
        receive(bytes, feed)
      case .event(let text):
        if seen < log.lines.count {
          if log.lines[seen] != text { problems.append("line \(number): event \(log.lines[seen]), expected \(text)") }
          seen += 1
        } else {
          problems.append("line \(number): no event, expected \(text)")
        }
      }
      if case .event = line { continue }
    }
    expectNoEvents(0)
    passCanary()
    if machine.outbound.count > 0 { problems.append("unexpected bytes at the end: \(takeOutbound())") }
    return problems
  }

  private mutating func expectNoEvents(_ number: Int) {
    while seen < log.lines.count {
      problems.append("line \(number): unexpected event \(log.lines[seen])")
      seen += 1
    }
  }

  /// The start of a response behind all others: it stays where it is and changes nothing.
  private mutating func passCanary() {
    guard machine.phase != .closed, !input.isClosed else { return }
    let unread = input.unread
    let canary = Array("* 9 EXPUN".utf8)
    append(canary[...])
    drain()
    expectNoEvents(0)
    if input.unread != unread + canary.count { problems.append("bytes behind the end were read") }
  }

  /// Adds `bytes`, with what must never be read in the memory behind them.
  private mutating func append(_ bytes: ArraySlice<UInt8>) {
    let all = Array(bytes) + Self.garbage
    let free = unsafe input.prepareForRead(suggested: all.count)
    // Safe: `prepareForRead` returned at least `all.count` bytes.
    unsafe free.copyBytes(from: all)
    input.commitRead(bytes.count)
  }

  private static let garbage = Array("\"}\r\n)\r\n* 7 EXPUNGE\r\nA1 OK x\r\n+ \r\n".utf8)

  private mutating func receive(_ bytes: [UInt8], _ feed: Feed) {
    switch feed {
    case .whole:
      append(bytes[...])
      drain()
    case .pieces(let sizes):
      var start = 0
      var end = 0
      // Sizes count over the whole conversation.
      for size in sizes {
        end += size
        let cut = min(end - fed, bytes.count)
        if cut <= start { continue }
        append(bytes[start..<cut])
        drain()
        start = cut
      }
      if start < bytes.count {
        append(bytes[start...])
        drain()
      }
    case .bytewise:
      for byte in bytes {
        append([byte])
        drain()
      }
    case .split(let index):
      let cut = min(max(index - fed, 0), bytes.count)
      for part in [bytes[..<cut], bytes[cut...]] where !part.isEmpty {
        append(part)
        drain()
      }
    }
    fed += bytes.count
  }

  private mutating func drain() {
    do throws(ConnectionError) {
      while try Self.note(&machine, &input, now, &log) {}
    } catch {
      log.note("throws \(error)")
    }
    if rests != nil { Self.rest(&machine, now, &rests, &problems) }
  }

  /// What the machine says of itself must be the same behind a rest, and so must everything that follows.
  private static func rest(
    _ machine: inout ClientConnection, _ now: MonotonicInstant, _ rests: inout Int?, _ problems: inout [String]
  ) {
    let before = description(machine)
    guard let resting = machine.rest() else {
      if description(machine) != before { problems.append("a rest that was refused changed something") }
      return
    }
    rests? += 1
    if resting.nextDeadline?.nanoseconds != before.deadline { problems.append("another deadline at rest") }
    // In a new one, where it rested itself, and where another one did.
    switch (rests ?? 0) % 3 {
    case 0:
      var other = ClientConnection(now: now)
      other.wake(resting)
      machine = other
    case 1: machine.wake(resting)
    default:
      var other = used(now)
      guard other.rest() != nil else { return problems.append("the other connection does not rest") }
      other.wake(resting)
      machine = other
    }
    if description(machine) != before { problems.append("\(before) became \(description(machine))") }
  }

  /// A connection of other values than the defaults, in all that it keeps, and with a damaged response behind it.
  private static func used(_ now: MonotonicInstant) -> ClientConnection {
    var configuration = ClientConnection.Configuration()
    configuration.limits.line = 1000
    configuration.isSecure = true
    configuration.mapsUIDs = true
    configuration.maximumInFlight = 2
    configuration.commandTimeouts = ["IDLE": .seconds(1)]
    var machine = ClientConnection(configuration, now: now.advanced(by: .seconds(-1)))
    var input = ReceiveBuffer()
    var log = EventLog()
    let conversation: [(Command?, String)] = [
      (nil, "* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ENABLE CONDSTORE UTF8=ACCEPT IDLE] hi\r\n"),
      (.enable([.condStore, .utf8Accept]), "* ENABLED CONDSTORE UTF8=ACCEPT\r\nA1 OK\r\n"),
      (.select(.inbox), "* 3 EXISTS\r\n* FLAGS (\\Seen)\r\nA2 OK [READ-ONLY] selected\r\n"),
      (.noop, "* 1 FETCH (UID 7 FLAGS (\\Seen) BODY[] {3}\r\nabc)\r\n* 2 FETCH (UID x)\r\nA3 OK\r\n"),
      (.idle, "+ idling\r\n"),
    ]
    for (command, answer) in conversation {
      if let command { _ = try? machine.enqueue(command, now: now) }
      machine.consumeOutbound(machine.outboundCount)
      input.append(Array(answer.utf8).span)
      while (try? note(&machine, &input, now, &log)) == true {}
    }
    return machine
  }

  private struct Description: Equatable {
    var state: String
    var deadline: Int64?
  }

  private static func description(_ machine: borrowing ClientConnection) -> Description {
    let state = [
      "\(machine.phase)", "\(machine.capabilities ?? [])", "\(machine.enabled)",
      "\(String(describing: machine.selected))",
      "\(machine.isSecure)", "\(machine.isIdling)", "\(machine.outboundCount)", "\(machine.isCondStoreEnabled)",
      "\(machine.uid(of: 1)?.rawValue ?? 0)",
    ]
    return Description(state: state.joined(separator: " "), deadline: machine.nextDeadline?.nanoseconds)
  }

  /// Adds the next event to the log; false where there is none.
  private static func note(
    _ machine: inout ClientConnection, _ input: inout ReceiveBuffer, _ now: MonotonicInstant, _ log: inout EventLog
  ) throws(ConnectionError) -> Bool {
    switch try machine.next(&input, now: now) {
    case .needMoreInput, .paused: return false
    case .greeting(let status): log.note("greeting \(status.copy())")
    case .response(let event): return log.add(event)
    case .partCompleted(let id, let status): log.note("part completed \(id) \(status.copy())")
    case .completed(let id, let status): log.note("completed \(id) \(status.copy())")
    case .challenge(let id, let challenge):
      log.note("challenge \(id) \(challenge.decode().map { log.quoted($0) } ?? "invalid")")
    case .readyForLiteral(let id, let count): log.note("ready \(id) \(count)")
    case .idling(let id): log.note("idling \(id)")
    case .upgrade(let upgrade, let id): log.note("upgrade \(upgrade) \(id)")
    case .failed(let id, let error): log.note("failed \(id) \(error)")
    case .closed(let reason): log.note("closed \(reason)")
    }
    return true
  }

  private mutating func takeOutbound() -> String {
    let bytes = machine.outbound.count
    var text: [UInt8] = []
    do {
      let outbound = machine.outbound
      for index in outbound.indices { text.append(outbound[index]) }
    }
    machine.consumeOutbound(bytes)
    return String(decoding: text, as: UTF8.self)
  }

  private mutating func expectSent(_ text: String, _ number: Int) {
    var expected = text
    // `C: bytes|` sends no line end.
    if expected.hasSuffix("|") { expected.removeLast() } else { expected += "\r\n" }
    let bytes = Self.bytes(of: expected)
    let count = bytes.count
    var sent: [UInt8] = []
    do {
      let outbound = machine.outbound
      for index in outbound.indices.prefix(count) { sent.append(outbound[index]) }
    }
    machine.consumeOutbound(count)
    drain()
    if sent != bytes {
      problems.append("line \(number): sent \(String(decoding: sent, as: UTF8.self)), expected \(expected)")
    }
  }

  /// `\xFC` is one byte, everything else itself.
  private static func bytes(of text: String) -> [UInt8] {
    var pieces = text.split(separator: "\\x", omittingEmptySubsequences: false)
    var bytes = Array(pieces.removeFirst().utf8)
    for piece in pieces {
      guard let byte = UInt8(piece.prefix(2), radix: 16) else { continue }
      bytes.append(byte)
      bytes += piece.dropFirst(2).utf8
    }
    return bytes
  }

  private mutating func perform(_ text: String, _ number: Int) {
    var text = text[...]
    var limit: AppendLimit?
    if text.hasPrefix(".limit ") {
      let words = text.split(separator: " ", maxSplits: 2)
      limit = UInt64(words[1]).map { .bytes($0) } ?? AppendLimit.none
      text = words[2]
    }
    do throws(ConnectionError) {
      if text.hasPrefix(".") {
        try verb(String(text), number)
      } else {
        let bytes = Self.bytes(of: "X \(text.split(separator: "\\n").joined(separator: "\r\n"))\r\n")
        var command: Command
        do throws(ParseError) {
          command = try CommandParser().parse(bytes.span).command
        } catch {
          problems.append("line \(number): the test's own command does not parse: \(error)")
          return
        }
        if let limit, case .append(var request) = command {
          request.limit = limit
          command = .append(request)
        }
        let id = try machine.enqueue(command, now: now)
        ids[id.description] = id
      }
    } catch {
      log.note("refused \(error)")
    }
  }

  private mutating func verb(_ text: String, _ number: Int) throws(ConnectionError) {
    let words = text.split(separator: " ", maxSplits: 2).map { String($0) }
    let id = words.count > 1 ? ids[words[1]] : nil
    let bytes = words.count > 2 ? Array(words[2].utf8) : []
    switch (words[0], id) {
    case (".done", let id?): try machine.endIdle(id, now: now)
    case (".write", let id?): log.note("wrote \(try machine.write(id, literal: bytes.span, now: now))")
    case (".answer", let id?): try machine.answer(id, challenge: bytes.span, now: now)
    case (".cancel", let id?): try machine.cancelAuthentication(id, now: now)
    case (".tls", _): machine.upgraded(.tls, now: now)
    case (".deflate", _): machine.upgraded(.deflate, now: now)
    case (".close", _): machine.close(now: now)
    case (".eof", _): input.close()
    case (".fail", _):
      machine.transportFailed(.transport(ConnectionError.TransportFailure(.read, code: 104, message: "reset")))
    case (".at", _):
      now = MonotonicInstant(nanoseconds: Int64((Double(words[1]) ?? 0) * 1e9))
      machine.handleTimeout(now: now)
    case (".tag", let id?): log.note("tag \(machine.tag(of: id) ?? "none")")
    case (".phase", _): log.note("phase \(machine.phase)")
    case (".selected", _):
      guard let selected = machine.selected else { return log.note("nothing selected") }
      log.note(
        "selected \(selected.name) exists=\(selected.exists) validity=\(selected.uidValidity ?? 0)"
          + " next=\(selected.uidNext ?? 0) flags=\(selected.flags.count)")
    case (".known", _):
      let selected = machine.selected
      log.note(
        "known permanent=\(selected?.permanentFlags.map { "\($0.count)" } ?? "unknown")"
          + " validity=\(selected?.uidValidity.map { "\($0)" } ?? "unknown")"
          + " next=\(selected?.uidNext.map { "\($0)" } ?? "unknown")")
    case (".mailbox", _): log.note(machine.selected.map { describe($0) } ?? "no mailbox")
    case (".uids", _):
      let count = min(machine.selected?.exists ?? 0, 12)
      let uids = (0..<count).map { machine.uid(of: SequenceNumber(rawValue: $0 + 1)).map { "\($0)" } ?? "?" }
      log.note("uids \(uids.joined(separator: " "))")
    case (".where", _):
      let place = machine.sequence(of: UID(rawValue: words.count > 1 ? UInt32(words[1]) ?? 0 : 0))
      log.note("at \(place.map { "\($0)" } ?? "?")")
    case (".enabled", _):
      let words = machine.enabled.map(\.rawValue) + (machine.isCondStoreEnabled ? ["(with MODSEQ)"] : [])
      log.note("enabled \(words.joined(separator: " "))")
    case (".append-limit", _): log.note("append limit \(machine.appendLimit.map { "\($0)" } ?? "none")")
    case (".capabilities", _):
      log.note("capabilities \(machine.capabilities?.map(\.rawValue).joined(separator: " ") ?? "unknown")")
    case (".deadline", _):
      log.note("deadline \(machine.nextDeadline.map { String($0.nanoseconds / 1_000_000_000) } ?? "none")")
    default: problems.append("line \(number): unknown verb or command \(text)")
    }
  }
}

/// What is known of `mailbox`, and nothing of what is not.
private func describe(_ mailbox: SelectedMailbox) -> String {
  var words = ["mailbox \(mailbox.name)", mailbox.isReadOnly ? "ro" : "rw", "exists=\(mailbox.exists)"]
  if mailbox.recent > 0 { words.append("recent=\(mailbox.recent)") }
  if !mailbox.flags.isEmpty { words.append("flags=\(mailbox.flags.map(\.rawValue).joined(separator: ","))") }
  if let flags = mailbox.permanentFlags { words.append("permanent=\(flags.map(\.rawValue).joined(separator: ","))") }
  if let value = mailbox.uidValidity { words.append("validity=\(value)") }
  if let uid = mailbox.uidNext { words.append("next=\(uid)") }
  if let value = mailbox.highestModSeq { words.append("modseq=\(value)") }
  if let id = mailbox.mailboxID { words.append("id=\(id)") }
  if !mailbox.keepsUIDs { words.append("no-uids") }
  if !mailbox.keepsModSeqs { words.append("no-modseqs") }
  switch mailbox.resynchronization {
  case .resynchronized?: words.append("resynchronized")
  case .uidValidityChanged(let old)?: words.append("validity-was=\(old)")
  case .unavailable?: words.append("not-resynchronized")
  case nil: break
  }
  return words.joined(separator: " ")
}
