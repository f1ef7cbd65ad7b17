/// What the observer of the wire is shown. The machine knows what each line is, so nothing has to be guessed from bytes.
extension ClientState {
  /// Shows the command behind the first `start` bytes that wait, of which those of messages are missing at `holes`.
  @inline(never)
  func show(_ command: borrowing Command, tag: UInt32, from start: Int, _ holes: [CommandEncoder.Hole]) {
    guard let observer = configuration.wireObserver else { return }
    let head = CommandTag.text(tag) + " " + command.name
    switch copy command {
    case .login, .fetchURLs, .applePushService: observer(WireLine(.sent, "\(head) \(WireLine.redacted)"))
    case .authenticate(let exchange):
      let mechanism = WireLine.escaped(Array(exchange.mechanism.utf8))
      let response = hasSASLIR && exchange.initialResponse != nil ? " \(WireLine.redacted)" : ""
      observer(WireLine(.sent, "\(head) \(mechanism)\(response)"))
    case .append(let request) where request.namesURL: observer(WireLine(.sent, "\(head) \(WireLine.redacted)"))
    case .other(let generic):
      let name = "\(CommandTag.text(tag)) \(WireLine.escaped(Array(generic.name.utf8)))"
      observer(WireLine(.sent, generic.arguments.isEmpty ? name : "\(name) \(WireLine.redacted)"))
    default:
      let bytes = outbound.bytes.extracting(droppingFirst: start)
      observer(WireLine(.sent, WireLine.text(bytes, of: bytes.count, holes: holes, base: start)))
    }
  }

  /// Shows a line of the client that is no command.
  @inline(never)
  func showLine(_ text: String) { configuration.wireObserver?(WireLine(.sent, text)) }

  /// What the next event may be of, kept before it borrows the buffer.
  struct Peek {
    var bytes: [UInt8] = []
    /// Where in the stream it starts.
    var position = 0
    /// Whether a continuation request has a text that is shown.
    var showsContinuation = false
    /// Whether what cannot be read could hold a secret.
    var hidesUnreadable = false
    /// Whether a tagged BAD answers a login.
    var loginTags: [UInt32] = []
  }

  @inline(never)
  func peek(_ input: borrowing ReceiveBuffer) -> Peek {
    var peek = Peek()
    let readable = input.readable
    peek.bytes = readable.extracting(first: Self.peekSize).copy()
    peek.position = parser.position
    switch flow {
    case .literal, .append, .idle(_, .starting): peek.showsContinuation = true
    case .open, .padding, .authenticating, .idle, .upgrading: break
    }
    for index in 0..<inFlight.count {
      switch inFlight[index].kind {
      case .login:
        peek.loginTags.append(inFlight[index].tag)
        peek.hidesUnreadable = true
      case .secret: peek.hidesUnreadable = true
      default: break
      }
    }
    return peek
  }

  /// Shows what `event` was made of.
  @inline(never)
  func show(_ event: borrowing ResponseEvent, _ peek: Peek) {
    guard let observer = configuration.wireObserver else { return }
    let count = parser.position - peek.position
    let endsLine = !parser.isInsideResponse
    var endsInLiteral = false
    func redacted(_ head: String) { observer(WireLine(.received, "\(head) \(WireLine.redacted)", endsLine: endsLine)) }
    let isLoggingIn = !peek.loginTags.isEmpty
    switch copy event {
    case .needMoreInput, .endOfInput, .literalChunk: return
    // Nobody can have asked for it.
    case .fetchBegin, .uidFetchBegin, .fetchAttribute, .literalBegin, .literalEnd, .fetchEnd:
      if isLoggingIn { return endsLine ? redacted("*") : () }
    default: break
    }
    switch copy event {
    case .needMoreInput, .endOfInput, .literalChunk: return
    case .literalEnd: if !endsLine { return }
    case .literalBegin: endsInLiteral = true
    case .continuation: if !peek.showsContinuation { return redacted("+") }
    case .untagged(.authorizedURLs): return redacted("* GENURLAUTH")
    case .untagged(.fetchedURLs): return redacted("* URLFETCH")
    case .untagged(.status(let status)):
      if status.namesURL { return redacted("* \(status.condition.rawValue)") }
    case .tagged(let tag, let status):
      let isOfLogin = CommandTag.number(tag.bytes).map { peek.loginTags.contains($0) } ?? false
      if status.namesURL || (isOfLogin && status.condition == .bad) {
        return redacted("\(WireLine.escaped(tag.copy())) \(status.condition.rawValue)")
      }
    case .unknown, .malformed: if peek.hidesUnreadable { return redacted("*") }
    case .untagged(.capability), .untagged(.id): break
    case .untagged: if isLoggingIn { return redacted("*") }
    case .fetchBegin, .uidFetchBegin, .fetchAttribute, .fetchEnd: break
    }
    let known = peek.bytes.span.extracting(first: count)
    // What stands before a response and belongs to none.
    var start = 0
    while start < known.count, known[start] == 0 || known[start] == 0x0d || known[start] == 0x0a { start += 1 }
    let text = WireLine.text(known.extracting(start...), of: count - start, endsInLiteral: endsInLiteral)
    observer(WireLine(.received, text, endsLine: endsLine))
  }

  /// Shows what could not be read at all.
  @inline(never)
  func show(unreadable peek: Peek) {
    guard let observer = configuration.wireObserver else { return }
    if peek.hidesUnreadable { return observer(WireLine(.received, WireLine.redacted)) }
    observer(WireLine(.received, WireLine.escaped(Array(peek.bytes.prefix(WireLine.maximumByteCount)))))
  }

  /// Bytes of an event that may be looked at. More than a piece shows, as literals are stepped over.
  private static let peekSize = 4096
}

extension AppendRequest {
  /// Whether a message is made of parts of others. A URL that lets its holder read them is as good as a password.
  var namesURL: Bool {
    messages.contains { message in
      guard case .catenate(let parts) = message.data else { return false }
      return parts.contains { if case .url = $0 { true } else { false } }
    }
  }
}

extension StatusView {
  /// RFC 4469, section 4.1: BADURL repeats the URL.
  fileprivate var namesURL: Bool {
    switch code {
    case .some(let code): code.name.equalsIgnoringCase("BADURL")
    case .none: false
    }
  }
}
