import IMAPStateMachine

@testable import IMAPTestServer

/// Sessions without sockets: clients that speak bytes to a session, all on one core.
final class SessionBench {
  let core: ServerCore
  /// INBOX of the first user.
  let inbox: Mailbox
  private var ends: [End] = []
  private let queue = Queue()

  /// What was put off.
  private final class Queue {
    var work: [() -> Void] = []
  }

  init(
    withheld: Set<Capability> = [], requiresTLS: Bool = false, quota: Int = 1 << 30,
    users: [String] = ["user"], offersStartTLS: Bool = true
  ) {
    var limits = StoreLimits()
    limits.bytes = quota
    let store = MailStore(uidValidity: 1, limits: limits)
    for user in users { store.addUser(user, password: Secret("password")) }
    inbox = users.first.flatMap { store.account($0)?.mailbox(.inbox) } ?? emptyMailbox()
    core = ServerCore(
      store: store, withheld: withheld, requiresTLS: requiresTLS, offersStartTLS: offersStartTLS,
      clock: { 1_700_000_000 }, later: { [queue] in queue.work.append($0) })
  }

  // A session and its connection hold each other until the connection is over.
  deinit { for end in ends { end.session.closed() } }

  /// A connection that was greeted.
  func connect(isSecure: Bool = false) -> Client {
    let end = End(core, isSecure: isSecure)
    ends.append(end)
    end.session.greet()
    settle()
    return Client(self, end)
  }

  /// A connection whose user has logged in, with `mailbox` selected where one is named.
  func user(_ name: String = "user", selecting mailbox: String? = nil) -> Client {
    let client = connect()
    client.send("x LOGIN \(name) password\r\n")
    if let mailbox { client.send("x SELECT \(mailbox)\r\n") }
    _ = client.take()
    return client
  }

  /// Fills INBOX with messages of `texts`, whose line breaks become CRLF.
  func deliver(_ texts: String..., flags: [Flag] = []) throws {
    for text in texts {
      try inbox.append(
        StoredMessage(crlf(text), internalDate: InternalDate(unixSeconds: 1_600_000_000)), flags: flags)
    }
    settle()
  }

  /// Runs everything until nothing more happens.
  func settle() {
    // Bounded: sessions that keep each other busy are a bug that must fail, not hang.
    for _ in 0..<100_000 {
      var isBusy = false
      while !queue.work.isEmpty {
        queue.work.removeFirst()()
        isBusy = true
      }
      for end in ends where end.drive() { isBusy = true }
      if !isBusy { return }
    }
    for end in ends { end.note("LIVELOCK") }
  }

  /// One connection, as its client sees it. The bench does not hold it: it holds the bench, so that a test needs no other reference
  /// to that.
  final class Client {
    private let bench: SessionBench
    private let end: End

    fileprivate init(_ bench: SessionBench, _ end: End) {
      self.bench = bench
      self.end = end
    }

    /// Whether the client reads what it is sent.
    var reads: Bool {
      get { end.reads }
      set { end.reads = newValue }
    }

    /// Says `text` and returns the answer.
    @discardableResult
    func send(_ text: String) -> String { send(Array(text.utf8)) }

    @discardableResult
    func send(_ bytes: [UInt8]) -> String {
      end.receive(bytes)
      bench.settle()
      return take()
    }

    /// Sends a command and returns the lines of the answer without their ends.
    func lines(_ command: String) -> [String] {
      let text = send(command + "\r\n")
      return text.split(separator: "\r\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }

    /// Closes the client's end.
    func hangUp() {
      end.hangUp()
      bench.settle()
    }

    /// What was sent to the client since the last call.
    func take() -> String { end.take() }

    /// How many bytes wait for the client to read.
    var waiting: Int { end.waiting }
  }

  /// The end of one connection that a session answers on, with what the client has said and heard.
  fileprivate final class End: SessionPeer {
    private(set) lazy var session = TestServerSession(self, core: core)
    var isSecure: Bool
    private let core: ServerCore
    private var machine: ServerConnection
    private var input = ReceiveBuffer()
    private var output: [UInt8] = []
    private let now = MonotonicInstant(nanoseconds: 0)
    private var hasNews = false
    var reads = true

    init(_ core: ServerCore, isSecure: Bool) {
      self.core = core
      self.isSecure = isSecure
      var configuration = ServerConnection.Configuration()
      configuration.isEncrypted = isSecure
      machine = ServerConnection(configuration, now: now)
    }

    func withConnection<Result, Failure: Error>(
      _ body: (inout ServerConnection) throws(Failure) -> Result
    ) throws(Failure) -> Result {
      hasNews = true
      return try body(&machine)
    }

    func close() {
      machine.close(now: now)
      hasNews = true
    }

    func receive(_ bytes: [UInt8]) {
      input.append(bytes.span)
      hasNews = true
    }

    func hangUp() {
      input.close()
      hasNews = true
    }

    func take() -> String {
      defer { output = [] }
      return String(decoding: output, as: UTF8.self)
    }

    func note(_ text: String) { output += Array(text.utf8) }

    var waiting: Int { machine.outboundCount }

    /// Goes on as far as possible. Returns whether anything happened.
    func drive() -> Bool {
      if !hasNews && (machine.outboundCount == 0 || !reads) { return false }
      hasNews = false
      while step(&input) {}
      if reads, machine.outboundCount > 0 {
        let count = Self.flush(&machine, into: &output)
        hasNews = true
        // As a channel: told only where more was waiting than its high watermark.
        if count > 64 * 1024 { session.resume() }
      }
      return true
    }

    /// A span of a class's property cannot be named, that of an `inout` argument can.
    private static func flush(_ machine: inout ServerConnection, into output: inout [UInt8]) -> Int {
      let count = machine.outboundCount
      output += machine.outbound.array(0..<count)
      machine.consumeOutbound(count)
      return count
    }

    private func step(_ input: inout ReceiveBuffer) -> Bool {
      do throws(ConnectionError) {
        let event = try machine.next(&input, now: now)
        switch event {
        case .needMoreInput, .paused: return false
        case .closed:
          session.closed()
          _ = Self.flush(&machine, into: &output)
          output += Array("<closed>".utf8)
          return false
        case .upgrade(let upgrade, _):
          session.handle(event)
          _ = Self.flush(&machine, into: &output)
          output += Array("<\(upgrade)>".utf8)
          if upgrade == .tls { isSecure = true }
          machine.upgraded(upgrade, now: now)
        default: session.handle(event)
        }
        return true
      } catch {
        output += Array("<\(error)>".utf8)
        return false
      }
    }
  }
}
