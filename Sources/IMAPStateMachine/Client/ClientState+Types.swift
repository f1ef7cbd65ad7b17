import DequeModule

/// What a client connection can be in the middle of. The transitions are in `ClientState.swift` and
/// `ClientState+Reading.swift`.
extension ClientState {
  /// Who the user is to the server (RFC 9051, section 3).
  enum Session {
    case greeting
    case notAuthenticated
    case authenticated
    case selected
  }

  /// Who owns the sending direction and the next continuation request.
  enum Flow {
    /// Commands are sent as they may be.
    case open
    /// `+` lets the next bytes of a command with literals go. They are in ``ClientState/held``.
    case literal(CommandID)
    /// A message of an APPEND, or a part of one: `+` must come first, or it may be written. `wantsMore` says that the
    /// caller had more than fit.
    case append(CommandID, remaining: UInt64, isReady: Bool, wantsMore: Bool)
    /// An APPEND was refused in the middle of its message. The server still counts the bytes that were announced, so
    /// blanks stand in for them.
    case padding(remaining: UInt64)
    /// AUTHENTICATE.
    case authenticating(CommandID, Authentication)
    /// IDLE.
    case idle(CommandID, Idle)
    /// STARTTLS was agreed on; nothing is sent or read before TLS is up.
    case upgrading(Upgrade)
  }

  enum Authentication {
    /// The initial response, to be sent when the server asks for it.
    case initial(Secret)
    /// It went with the command. A server that still asks with an empty challenge gets it again.
    case initialSent(Secret)
    /// The caller answers.
    case manual
    /// A challenge is open.
    case asked
    /// The caller gave it up. Only a refusal may follow.
    case cancelled

    var isCancelled: Bool { if case .cancelled = self { true } else { false } }
  }

  enum Idle {
    /// IDLE was sent, `+` has not come. `endWhenAsked` says that DONE is due as soon as it has.
    case starting(endWhenAsked: Bool, isRenewal: Bool)
    /// The server pushes. IDLE is renewed at this time.
    case active(renewAt: MonotonicInstant)
    /// DONE was sent. For `renew`, IDLE follows under the same identifier.
    case ending(renew: Bool)
  }

  /// What is still to be sent of a command with literals that the server must allow, or that are streamed.
  final class HeldBytes {
    // Referred to here only, so that they are zeroed in place.
    var bytes: [UInt8]
    /// Bytes that were sent already, and are zeroed.
    var sent = 0
    /// Lengths of `bytes` at which the next continuation request must come.
    var stops: ArraySlice<Int>
    /// Where the bytes of messages belong.
    var holes: ArraySlice<CommandEncoder.Hole>

    init(bytes: [UInt8], stops: ArraySlice<Int>, holes: ArraySlice<CommandEncoder.Hole>) {
      self.bytes = bytes
      self.stops = stops
      self.holes = holes
    }
  }

  /// What is known of the end, once there is something to know.
  struct Ending {
    var byeText: String?
    var reason: CloseReason?
    var unanswered: [CommandID] = []

    var isEnding: Bool { reason != nil || byeText != nil }
  }

  /// A completion that is told later.
  struct Refusal {
    var condition: Status.Condition
    /// As ``StatusView/line``.
    var line: [UInt8]
  }

  /// What the parts of one command have in common, which was too long for one line.
  final class Parts {
    /// How many are not over: in flight or in the queue.
    var left: Int
    /// How the command ends, where that is known before the last part is over.
    var ending: Ending?
    /// Whether the server was sent one of them.
    var wasSent = false
    /// Whether they are of a FETCH.
    let isFetch: Bool
    /// Whether ``ending`` says only that messages are gone: what stops the other parts says more.
    var isEndingMinor = false
    /// Whether the command has ended with the connection.
    private var isOver = false

    /// Whether the command has not ended yet. It has then.
    func isFirstToEnd() -> Bool {
      defer { isOver = true }
      return !isOver
    }

    enum Ending {
      /// The first part that the server refused.
      case refused(Refusal)
      /// The first part that could not be sent.
      case failed(ConnectionError)
    }

    init(_ count: Int, of command: borrowing Command) {
      left = count
      if case .fetch = copy command { isFetch = true } else { isFetch = false }
    }

    /// Whether a part that was refused in this way says nothing of those that were not sent yet.
    func goOn(behind status: borrowing StatusView) -> Bool {
      isFetch && status.condition == .no && status.copy().saysSomeAreGone
    }
  }

  enum PendingEvent {
    case readyForLiteral(CommandID, UInt64)
    case refused(CommandID, Refusal)
    case failed(CommandID, ConnectionError)
    case closed(CloseReason)
  }

  struct InFlight {
    var id: CommandID
    var tag: UInt32
    var traits: CommandTraits
    var kind: Kind
    /// Which of ``CommandTimeouts`` is for it.
    var limit: UInt8 = 0
    var sequel = Sequel.none

    /// What may come behind the completion.
    enum Sequel {
      case none
      /// Other parts of the same command.
      case parts(Parts)
      /// The search once more, in another charset.
      case search(Box<Command>)
    }

    /// What the completion changes.
    enum Kind: Equatable {
      case plain, login, logout, startTLS, compress, unauthenticate, idle
      /// As plain; it, or what answers it, may hold a secret.
      case secret
      case select, deselect
      case notify(expungesAnytime: Bool)
    }
  }

  /// The commands in flight, oldest first. One needs no storage of its own: an idle connection has one, IDLE, or none.
  struct InFlightList {
    private(set) var first: InFlight?
    private var others = Deque<InFlight>()
    /// How many of them do more than read; see ``CommandTraits/isOnlyReading``.
    private var disturbing: UInt32 = 0

    /// Whether all of them only read.
    var areOnlyReading: Bool { disturbing == 0 }

    /// What identifies the oldest one, without a copy of it.
    var firstNumbers: (id: CommandID, tag: UInt32)? {
      switch first {
      case .some(let command): (command.id, command.tag)
      case .none: nil
      }
    }

    var count: Int { first == nil ? 0 : others.count + 1 }
    var isEmpty: Bool { first == nil }

    /// `index` is below ``count``.
    subscript(index: Int) -> InFlight {
      if index == 0, let first { return first }
      return others[index - 1]
    }

    func contains(where holds: (InFlight) -> Bool) -> Bool {
      if let first, holds(first) { return true }
      return others.contains(where: holds)
    }

    mutating func append(_ command: consuming InFlight) {
      if !command.traits.isOnlyReading { disturbing += 1 }
      if first == nil { first = consume command } else { others.append(consume command) }
    }

    /// Takes the one with this tag out; nil where there is none. Nothing is copied.
    mutating func remove(tag: UInt32) -> InFlight? {
      guard let command = take(tag: tag) else { return nil }
      if !command.traits.isOnlyReading { disturbing -= 1 }
      return command
    }

    private mutating func take(tag: UInt32) -> InFlight? {
      if first?.tag == tag {
        var command = others.popFirst()
        swap(&command, &first)
        return command
      }
      guard let index = others.firstIndex(where: { $0.tag == tag }) else { return nil }
      return others.remove(at: index)
    }

    /// Forgets the only command, if there is one.
    mutating func removeFirst() {
      if first == nil { return }
      first = nil
      disturbing = 0
    }

    /// Forgets the commands, and with them the storage for several.
    mutating func removeAll() { self = InFlightList() }

    /// Gives back the storage for several where there are not so many.
    mutating func shrink() { if others.isEmpty { others = Deque() } }
  }

  struct Queued {
    var id: CommandID
    var command: Command
    /// What it shares with the other parts of a command that was too long.
    var parts: Parts?
    /// Whether the server has refused the charset of this search once.
    var isRetried = false
  }

  enum Readiness {
    case reading, paused
    case failed(ConnectionError)
  }

  enum Step: ~Escapable {
    case again
    case event(ClientEvent)
  }
}
