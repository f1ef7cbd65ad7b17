import IMAPLoop
import IMAPStateMachine

/// One client of the server: what it may see, what it has open, and the command that it waits for. It gives the machine
/// its answers; what a client may say when is the machine's business.
final class TestServerSession {
  let core: ServerCore
  /// The connection; nil when it is over.
  private(set) var peer: (any SessionPeer)?
  /// Who logged in.
  var account: MailAccount?
  /// The mailbox that is selected.
  private(set) var view: SelectedView?
  /// Whether the client gave a command that makes FETCH responses tell modification sequences (RFC 7162, section 3.1).
  var usesCondStore = false
  /// The AUTHENTICATE that is running.
  var exchange: ServerExchange?
  /// What the command that is being handled goes on with.
  var activity = Activity.none
  /// Whether the client has switched compression on.
  private(set) var isCompressed = false
  /// How many flags of the mailbox the client was told of.
  var knownFlags = 0

  /// What a command goes on with.
  enum Activity {
    /// Nothing: no command, or one that is answered at once.
    case none
    /// The answer is written piece by piece.
    case job(Job)
    /// A message arrives.
    case appending(Intake)
    /// IDLE. `isDue` says that there is news which the client could not take yet.
    case idling(isDue: Bool)
  }

  /// An answer too long to be written at once.
  struct Job {
    /// Writes a piece. Returns whether there are more.
    var step: (inout ServerConnection) throws(ConnectionError) -> Bool
    /// Completes the command.
    var finish: () -> Void
  }

  /// A message that arrives.
  struct Intake {
    var mailbox: Mailbox
    var request: AppendRequest
    /// What its sender has announced and the account's quota is holding free.
    var reserved: Int
    var bytes: [UInt8] = []
  }

  init(_ peer: any SessionPeer, core: ServerCore) {
    self.peer = peer
    self.core = core
    core.add(self)
  }

  /// Whether the client idles.
  var isIdle: Bool {
    if case .idling = activity { return true }
    return false
  }

  // MARK: What happened

  /// The client did something.
  func handle(_ event: borrowing ServerEvent) {
    switch copy event {
    case .command(let id, let view): run(id, view.copy())
    case .literalOffered(let id, let request, let header): offered(id, request, header)
    case .literalChunk(_, let bytes, _): arrived(bytes)
    case .literalEnd(let id): appended(id)
    case .literalAborted(let id, _):
      dropIntake()
      finish(id, Status(.bad, "Something follows the message"))
    case .saslResponse(let id, let bytes): authenticate(id, bytes.bytes)
    case .saslCancelled(let id):
      exchange = nil
      finish(id, Status(.bad, "Authentication cancelled"))
    case .idleDone(let id):
      view?.stopListening()
      activity = .none
      finish(id, Status(.ok, "Idle ended"))
    case .upgrade(.deflate, _): isCompressed = true
    case .malformed, .upgrade, .needMoreInput, .paused, .closed: break
    }
  }

  /// What waited to be sent is on its way.
  func resume() {
    switch activity {
    case .job: runJob()
    case .idling(isDue: true): pushNews()
    case .none, .appending, .idling: break
    }
  }

  /// The connection is over.
  func closed() {
    dropIntake()
    activity = .none
    closeView()
    peer = nil
    core.remove(self)
  }

  // MARK: Answering

  /// Lets `body` use the machine. It refuses only what does not fit its state: then the connection cannot go on.
  func perform(_ body: (inout ServerConnection) throws(ConnectionError) -> Void) {
    guard let peer else { return }
    do throws(ConnectionError) { try peer.withConnection(body) } catch { peer.close() }
  }

  /// Tells the news and completes a command. `expunges` says whether messages may go away with it: not with FETCH, STORE
  /// and SEARCH (RFC 9051, section 7.5.1).
  func finish(_ id: ServerCommandID, _ status: Status, expunges: Bool = true) {
    perform { machine throws(ConnectionError) in
      try announce(to: &machine, expunges: expunges)
      try machine.complete(id, status)
    }
  }

  /// Completes a command that the store refused.
  func finish(_ id: ServerCommandID, _ error: StoreError, expunges: Bool = true) {
    // A number that no message has is the client's mistake, and so is what was not announced.
    let condition: Status.Condition = error == .invalidSequence || error == .notOffered ? .bad : .no
    finish(id, Status(condition, code: error.code, error.text), expunges: expunges)
  }

  /// Sends `responses`, the news, and completes a command.
  func finish(_ id: ServerCommandID, _ status: Status, sending responses: [Response]) {
    perform { machine throws(ConnectionError) in
      for response in responses { try machine.respond(response) }
      try announce(to: &machine, expunges: true)
      try machine.complete(id, status)
    }
  }

  /// Refuses a command that the server does not offer.
  func refuse(_ id: ServerCommandID, _ what: String) { finish(id, Status(.bad, "\(what) is not offered")) }

  /// Starts a long answer.
  func start(_ job: Job) {
    activity = .job(job)
    runJob()
  }

  /// Writes as much of the answer as may wait to be sent at a time. The rest follows in ``resume()``, or soon.
  private func runJob() {
    guard case .job(let job) = activity else { return }
    var isFull = false
    var isDone = false
    perform { machine throws(ConnectionError) in
      var pieces = 0
      while !isDone, !isFull, pieces < Self.piecesPerTurn {
        isDone = try !job.step(&machine)
        isFull = machine.outboundCount > Self.bytesPerTurn
        pieces += 1
      }
    }
    if isDone {
      activity = .none
      job.finish()
    } else if !isFull {
      // Other connections have their turn.
      core.later { [weak self] in self?.runJob() }
    }
  }

  // MARK: The selected mailbox

  /// Opens a mailbox in place of the one that is open.
  func open(_ mailbox: Mailbox, readOnly: Bool) -> SelectedView {
    closeView()
    let opened = mailbox.open(readOnly: readOnly)
    opened.onChange = { [weak self] in
      guard let self else { return }
      core.wake(self)
    }
    view = opened
    knownFlags = mailbox.flagTable.flags.count
    return opened
  }

  /// Closes the open mailbox, if there is one.
  func closeView() {
    view?.close()
    view = nil
  }

  /// Starts to tell the client at once what happens in its mailbox.
  func idle(_ id: ServerCommandID) {
    activity = .idling(isDue: false)
    perform { machine throws(ConnectionError) in try machine.startIdle(id) }
    pushNews()
  }

  /// Tells an idle client the news, unless it has not taken yet what it was told before.
  func pushNews() {
    guard case .idling = activity, let view else { return }
    var isFull = false
    perform { machine throws(ConnectionError) in
      isFull = machine.outboundCount > Self.bytesPerTurn
      if !isFull { try announce(to: &machine, expunges: true) }
    }
    activity = .idling(isDue: isFull)
    if !isFull { view.listen() }
  }

  /// Writes what changed in the selected mailbox.
  func announce(to machine: inout ServerConnection, expunges: Bool) throws(ConnectionError) {
    guard let view, view.hasNews else { return }
    try announceFlags(to: &machine)
    var failure: ConnectionError?
    view.announce(expunges: expunges) { item in
      do throws(ConnectionError) {
        switch item {
        case .expunge(let number): try machine.respond(.expunge(number))
        case .exists(let count): try machine.respond(.exists(count))
        case .recent(let count): try machine.respond(.recent(count))
        case .flags(let number, let index):
          let message = view.mailbox.messages[index]
          machine.writeFetch(number) { writer in
            // RFC 9051, section 7.5.2: "If the server chooses to send unsolicited FETCH responses, they MUST include UID".
            writer.uid(UID(rawValue: message.uid))
            if usesCondStore { writer.modSeq(ModSeq(rawValue: message.modSeq)) }
            writer.flags(view.flags(message))
          }
        }
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }

  /// Tells the client of keywords that the mailbox did not have before.
  func announceFlags(to machine: inout ServerConnection) throws(ConnectionError) {
    guard let view else { return }
    let table = view.mailbox.flagTable
    if table.flags.count == knownFlags { return }
    knownFlags = table.flags.count
    try machine.respond(.flags(table.flags))
    try machine.respond(.status(permanentFlags(view)))
  }

  /// The flags that this session can change for good.
  func permanentFlags(_ view: SelectedView) -> Status {
    if view.isReadOnly { return Status(.ok, code: .permanentFlags([]), "No flag can be changed") }
    let table = view.mailbox.flagTable
    return Status(
      .ok, code: .permanentFlags(table.flags + (table.hasRoom ? [.anyKeyword] : [])), "Flags that can be set")
  }

  /// Bytes that a long answer leaves waiting before it rests. More than a channel's high watermark of 64 KiB, below which
  /// nobody would wake it.
  private static let bytesPerTurn = 128 * 1024
  /// Pieces of a long answer at a time: messages that a FETCH passes over cost time, too.
  private static let piecesPerTurn = 1024
}

extension TestServerSession: ServerChannelDelegate {
  func channelConnected(_ channel: ServerChannel) { greet() }

  func channel(_ channel: ServerChannel, received event: borrowing ServerEvent) { handle(event) }

  func channelWritable(_ channel: ServerChannel) { resume() }

  func channelClosed(_ channel: ServerChannel, reason: CloseReason) { closed() }
}
