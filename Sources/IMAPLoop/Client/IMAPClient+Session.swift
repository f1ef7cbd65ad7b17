import IMAPStateMachine

/// What concerns the session and no mailbox.
extension IMAPClient {
  /// Sends a command that has no function of its own, and returns its status and all that came while it was in flight and that
  /// is not news of the mailbox. Errors name it by its word on the wire.
  ///
  /// Throws `.misuse` where the command has no form on the wire, and for those that take more than one answer: STARTTLS,
  /// AUTHENTICATE, COMPRESS, IDLE, APPEND and LOGOUT.
  public func run(_ command: Command) async throws(IMAPError) -> (status: Status, responses: [Response]) {
    switch command {
    case .startTLS, .authenticate, .compress, .idle, .append, .logout:
      throw .connection(.misuse(ConnectionError.Misuse(.wrongState, state: channel.state.description)))
    default: break
    }
    if !command.touchesMarks { return try await perform(command) }
    return try await marking(command.name) { () async throws(IMAPError) -> (status: Status, responses: [Response]) in
      try await perform(command)
    }
  }

  private func perform(_ command: Command) async throws(IMAPError) -> (status: Status, responses: [Response]) {
    // Written on this actor's thread only, before `run` returns.
    var responses: [Response] = []
    var collector = FetchCollector()
    let takeData: DataHandler = { view in
      switch copy view {
      // The answer to a modifier (RFC 7162, section 3.2.6).
      case .vanished(let vanished) where vanished.isEarlier:
        responses.append(view.copy())
        return true
      // These go to ``events()`` as ever.
      case .status, .exists, .recent, .expunge, .vanished: return false
      default:
        responses.append(view.copy())
        return true
      }
    }
    let takeFetch: FetchHandler = { event in
      if let response = collector.add(event) { responses.append(.fetch(response)) }
    }
    let status: Status
    switch command {
    case .fetch, .store, .storeLabels, .storeAnnotations, .partial, .other:
      status = try await runFetch(command.name, command) { waiter in
        waiter.dataHandler = takeData
        waiter.fetchHandler = takeFetch
        if case .other = command { waiter.unknownHandler = { responses.append(.unknown($0)) } }
      }
    case .close, .unselect, .unauthenticate:
      status = try await runLeaving(command.name, command) { $0.dataHandler = takeData }
    case .select, .examine:
      // With QRESYNC they are answered by FETCH responses, too.
      status = try await runLeaving(command.name, command) { waiter in
        waiter.dataHandler = takeData
        waiter.fetchHandler = takeFetch
      }
    default: status = try await run(command.name, command) { $0.dataHandler = takeData }
    }
    return (status, responses)
  }

  /// As ``run(_:)-(Command)``, for a command that the library does not know. It is sent alone, as nobody knows what it does; untagged
  /// responses that the library does not know either are its answer.
  public func run(_ command: GenericCommand) async throws(IMAPError) -> (status: Status, responses: [Response]) {
    try await run(.other(command))
  }

  /// LANGUAGE (RFC 5255, section 3): asks for the first of `languages` that the server has; without any, for those that it
  /// has.
  public func language(_ languages: [String] = []) async throws(IMAPError) -> [String] {
    try await gather("LANGUAGE", .language(languages), into: []) { view, answer in
      guard case .language(let list) = copy view else { return false }
      answer = list.copy().map(\.rawValue)
      return true
    }.value
  }

  /// COMPARATOR (RFC 5255, section 4): asks for the first of `names` that the server has; without any, for that in use.
  public func comparator(_ names: [String] = []) async throws(IMAPError) -> Comparator? {
    try await gather("COMPARATOR", .comparator(names), into: nil) { view, answer in
      guard case .comparator(let comparator) = copy view else { return false }
      answer = comparator.copy()
      return true
    }.value
  }

  /// GETJMAPACCESS (RFC 9698): the URL of the account's JMAP session.
  public func jmapAccess() async throws(IMAPError) -> String? {
    try await gather("GETJMAPACCESS", .getJMAPAccess, into: nil) { view, answer in
      guard case .jmapAccess(let url) = copy view else { return false }
      answer = url.lossyString()
      return true
    }.value
  }

  /// UNAUTHENTICATE (RFC 8437): another user may log in on the same connection.
  public func unauthenticate() async throws(IMAPError) { try await runLeaving("UNAUTHENTICATE", .unauthenticate) }

  /// PROXYAUTH: an administrator goes on as `user`.
  public func proxyAuthenticate(as user: String) async throws(IMAPError) {
    try await run("PROXYAUTH", .proxyAuth(user: user))
  }

  /// XAPPLEPUSHSERVICE: asks for push notifications.
  public func requestPush(_ request: ApplePushRequest) async throws(IMAPError) {
    try await run("XAPPLEPUSHSERVICE", .applePushService(request))
  }

  /// Whether the server has what `capability` stands for and IMAP4rev2 includes (RFC 9051, appendix E).
  func has(_ capability: Capability) async throws(IMAPError) -> Bool {
    if try await supports(capability) { return true }
    return try await supports(.imap4rev2)
  }

  /// Throws `.capabilityMissing` where the server has not announced `capability`.
  func require(_ capability: Capability, for command: String) async throws(IMAPError) {
    if try await !supports(capability) { throw .capabilityMissing(capability, command: command) }
  }
}
