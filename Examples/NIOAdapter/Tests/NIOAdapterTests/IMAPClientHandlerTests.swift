// Run by `swift test --package-path Examples/NIOAdapter`.

import IMAPStateMachine
import NIOCore
import NIOEmbedded
import Testing

@testable import NIOAdapter

/// How the handler behaves in a channel without a network, on a clock that the test turns.
@Suite struct IMAPClientHandlerTests {
  @Test func greetingAndLogin() throws {
    let bench = try Bench()
    try bench.receive("* OK [CAPABILITY IMAP4rev1] ready\r\n")
    #expect(bench.log.take() == ["greeting ready"])
    let login = bench.send(.login(user: "joe", password: Secret("secret")))
    #expect(try bench.sent() == "A1 LOGIN \"joe\" \"secret\"\r\n")
    #expect(!login.isDone)
    try bench.receive("A1 OK in\r\n")
    #expect(login.isDone && login.error == nil)
    #expect(bench.log.take() == ["completed A1 OK"])
    try bench.end()
  }

  @Test func aRefusedCommandFailsItsPromise() throws {
    let bench = try Bench()
    try bench.receive("* OK hi\r\n")
    let login = bench.send(.login(user: "joe", password: Secret("wrong")))
    try bench.receive("A1 NO [AUTHENTICATIONFAILED] no\r\n")
    #expect((login.error as? IMAPRefusal)?.status.code == .authenticationFailed)
    let early = bench.send(.fetch(.uids(.all), [.flags]))
    #expect(early.error is ConnectionError)
    try bench.end()
  }

  @Test(arguments: [1, 2, 7, 1000]) func literalSplitOverReads(size: Int) throws {
    let bench = try Bench()
    try bench.openMailbox()
    let fetch = bench.send(.fetch(.uids([7]), [.uid, .section(.full)]))
    #expect(try bench.sent() == "A2 UID FETCH 7 (UID BODY.PEEK[])\r\n")
    try bench.receive("* 3 FETCH (UID 7 BODY[] {26}\r\nSubject: hi\r\n\r\nA3 OK body\n)\r\nA2 OK done\r\n", size)
    #expect(fetch.isDone && fetch.error == nil)
    #expect(bench.log.message == "Subject: hi\r\n\r\nA3 OK body\n")
    #expect(bench.log.take() == ["literal 26", "end of literal", "completed A2 OK"])
    try bench.end()
  }

  @Test func idleTellsOfMessagesAndEndsForACommand() throws {
    let bench = try Bench()
    try bench.openMailbox()
    let idle = bench.send(.idle)
    #expect(try bench.sent() == "A2 IDLE\r\n")
    try bench.receive("+ idling\r\n* 4 EXISTS\r\n")
    #expect(bench.log.take() == ["idling A2", "exists 4"])
    // The command waits until the server has ended IDLE.
    let noop = bench.send(.noop)
    #expect(try bench.sent() == "DONE\r\n")
    try bench.receive("A2 OK ended\r\n")
    #expect(idle.isDone && idle.error == nil)
    #expect(try bench.sent() == "A3 NOOP\r\n")
    try bench.receive("A3 OK nothing\r\n")
    #expect(noop.isDone && noop.error == nil)
    try bench.end()
  }

  @Test func idleIsRenewedAndEndedByHand() throws {
    let bench = try Bench()
    try bench.openMailbox()
    let idle = bench.send(.idle)
    _ = try bench.sent()
    try bench.receive("+ idling\r\n")
    // A byte moves the deadline: the timer of before finds nothing due.
    bench.loop.advanceTime(by: .minutes(4))
    #expect(try bench.sent() == "")
    bench.loop.advanceTime(by: .minutes(1))
    #expect(try bench.sent() == "DONE\r\n")
    try bench.receive("A2 OK ended\r\n")
    #expect(try bench.sent() == "A3 IDLE\r\n")
    try bench.receive("+ idling\r\n")
    try bench.handler.endIdle(try #require(bench.log.idling))
    #expect(try bench.sent() == "DONE\r\n")
    try bench.receive("A3 OK ended\r\n")
    #expect(idle.isDone && idle.error == nil)
    try bench.end()
  }

  @Test func aServerThatDoesNotAnswerTimesOut() throws {
    let bench = try Bench()
    try bench.openMailbox()
    let noop = bench.send(.noop)
    _ = try bench.sent()
    bench.loop.advanceTime(by: .seconds(100))
    try bench.receive("* 5 EXISTS\r\n")
    // Every byte counts as progress.
    bench.loop.advanceTime(by: .seconds(100))
    #expect(!noop.isDone && bench.channel.isActive)
    bench.loop.advanceTime(by: .seconds(20))
    #expect(noop.error as? ConnectionError == .timedOut(.command))
    #expect(bench.log.take() == ["exists 5", "failed A2", "closed"])
    #expect(!bench.channel.isActive)
    try bench.end()
  }

  @Test func aServerThatDoesNotGreetTimesOut() throws {
    let bench = try Bench()
    bench.loop.advanceTime(by: .seconds(29))
    #expect(bench.channel.isActive)
    bench.loop.advanceTime(by: .seconds(1))
    #expect(bench.log.take() == ["closed"])
    #expect(!bench.channel.isActive)
    try bench.end()
  }

  @Test func theEndOfTheChannelFailsEveryCommand() throws {
    let bench = try Bench()
    try bench.openMailbox()
    let first = bench.send(.noop)
    let second = bench.send(.close)
    bench.channel.pipeline.fireChannelInactive()
    #expect(first.error as? ConnectionError == .closedByPeer(bye: nil))
    #expect(second.error as? ConnectionError == .closedByPeer(bye: nil))
    #expect(bench.log.take() == ["failed A2", "failed A3", "closed"])
    #expect(bench.send(.noop).error is ConnectionError)
    try bench.end()
  }

  @Test func aChannelThatIsNotWritableHoldsCommandsAndMessagesBack() throws {
    let bench = try Bench()
    try bench.openMailbox("LITERAL+")
    bench.isWritable = false
    let size = 1 << 20
    let append = bench.send(.append(AppendRequest(mailbox: .inbox, byteCount: UInt64(size))))
    #expect(try bench.sent() == "")
    let id = try #require(bench.log.ready)
    let message = [UInt8](repeating: UInt8(ascii: "x"), count: size)
    // The machine takes no more than it may hold.
    var written = try bench.handler.write(id, literal: message.span)
    #expect(written > 0 && written < size)
    #expect(try bench.handler.write(id, literal: message.span.extracting(droppingFirst: written)) == 0)
    #expect(try bench.sent() == "")
    bench.log.ready = nil
    bench.isWritable = true
    // There is room again: it asks for more until all is written.
    while written < size, let id = bench.log.ready {
      bench.log.ready = nil
      written += try bench.handler.write(id, literal: message.span.extracting(droppingFirst: written))
    }
    #expect(written == size)
    let sent = try bench.sent()
    #expect(sent.hasPrefix("A2 APPEND \"INBOX\" {1048576+}\r\nxxx") && sent.hasSuffix("xxx\r\n"))
    #expect(sent.utf8.count(where: { $0 == UInt8(ascii: "x") }) == size)
    try bench.receive("A2 OK stored\r\n")
    #expect(append.isDone && append.error == nil)
    try bench.end()
  }

  @Test func commandsOfAnEventAreSent() throws {
    let bench = try Bench { event, handler, bench in
      if case .greeting = event { bench.send(.login(user: "joe", password: Secret("secret"))) }
    }
    try bench.receive("* OK hi\r\n")
    #expect(try bench.sent() == "A1 LOGIN \"joe\" \"secret\"\r\n")
    try bench.end()
  }
}

/// A channel with the handler in it, and what has come of it.
private final class Bench {
  let loop = EmbeddedEventLoop()
  let channel: EmbeddedChannel
  let handler: IMAPClientHandler
  let log = Log()

  init(_ body: @escaping (borrowing ClientEvent, IMAPClientHandler, Bench) -> Void = { _, _, _ in }) throws {
    let log = log
    let link = Link()
    handler = IMAPClientHandler(now: loop.now) { event, handler in
      log.add(event)
      if let bench = link.bench { body(event, handler, bench) }
    }
    channel = EmbeddedChannel(handlers: [handler], loop: loop)
    link.bench = self
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 143)).wait()
  }

  var isWritable: Bool {
    get { channel.isWritable }
    set {
      channel.isWritable = newValue
      channel.pipeline.fireChannelWritabilityChanged()
    }
  }

  /// Gives the channel `text`, at most `size` bytes a read.
  func receive(_ text: String, _ size: Int = .max) throws {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      try channel.writeInbound(ByteBuffer(bytes: rest.prefix(size)))
      rest = rest.dropFirst(size)
    }
  }

  /// All bytes that were sent since the last call.
  func sent() throws -> String {
    var all = ByteBuffer()
    while var bytes = try channel.readOutbound(as: ByteBuffer.self) { all.writeBuffer(&bytes) }
    return String(buffer: all)
  }

  @discardableResult func send(_ command: Command) -> Outcome {
    let outcome = Outcome()
    channel.writeAndFlush(command).assumeIsolated().whenComplete { result in
      outcome.isDone = true
      if case .failure(let error) = result { outcome.error = error }
    }
    return outcome
  }

  /// Logs in by PREAUTH and opens INBOX.
  func openMailbox(_ capability: String = "IMAP4rev1") throws {
    try receive("* PREAUTH [CAPABILITY IMAP4rev1 \(capability)] hi\r\n")
    send(.select(.inbox))
    try receive("A1 OK open\r\n")
    _ = try sent()
    _ = log.take()
  }

  /// Closes the channel. No timer is left that would send something later.
  func end() throws {
    _ = try sent()
    _ = try channel.finish(acceptAlreadyClosed: true)
    loop.advanceTime(by: .hours(1))
    #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
  }

  private final class Link { weak var bench: Bench? }
}

private final class Outcome {
  var isDone = false
  var error: (any Error)?
}

/// Events as text.
private final class Log {
  private var lines: [String] = []
  private(set) var message = ""
  private(set) var idling: CommandID?
  var ready: CommandID?

  func add(_ event: borrowing ClientEvent) {
    switch copy event {
    case .greeting(let status): lines.append("greeting \(status.text.lossyString())")
    case .completed(let id, let status): lines.append("completed \(id) \(status.condition.rawValue)")
    case .idling(let id):
      idling = id
      lines.append("idling \(id)")
    case .readyForLiteral(let id, _): ready = id
    case .failed(let id, _): lines.append("failed \(id)")
    case .closed: lines.append("closed")
    case .response(.untagged(.exists(let count))): lines.append("exists \(count)")
    case .response(.literalBegin(_, let header)): lines.append("literal \(header.byteCount)")
    case .response(.literalChunk(let bytes, _)): message += ByteView(bytes).lossyString()
    case .response(.literalEnd): lines.append("end of literal")
    default: break
    }
  }

  func take() -> [String] {
    defer { lines = [] }
    return lines
  }
}
