/// What follows from a state without changing it. What every command asks is mutating all the same: the compiler copies a
/// state that it lends to others, and it is large.
extension ClientState {
  /// Whether the state forbids the command (RFC 9051, section 6).
  mutating func refusal(of command: Command) -> ConnectionError? {
    switch command {
    case .capability, .noop, .logout, .id, .language: return nil
    case .other: if session == .notAuthenticated, isWithoutTLS { return misuse(.tlsRequired) }
    case .startTLS:
      if session != .notAuthenticated || isSecure { return misuse(.wrongState) }
    case .login:
      if session != .notAuthenticated { return misuse(.wrongState) }
      if isWithoutTLS { return misuse(.tlsRequired) }
      // RFC 9051, section 6.2.3: the client MUST NOT issue LOGIN then.
      if capabilities?.contains(.loginDisabled) ?? false { return misuse(.loginDisabled) }
    case .authenticate:
      if session != .notAuthenticated { return misuse(.wrongState) }
      if isWithoutTLS { return misuse(.tlsRequired) }
    case .unauthenticate:
      if session != .authenticated && session != .selected { return misuse(.wrongState) }
      // RFC 8437, section 4.1: it ends the compression in the middle of both streams, for which there is no event.
      if isCompressed { return misuse(.wrongState) }
    case .compress:
      if session != .authenticated && session != .selected { return misuse(.wrongState) }
      // RFC 4978, section 3: a second layer is not possible.
      if isCompressed { return misuse(.wrongState) }
    case .enable:
      if session != .authenticated && session != .selected { return misuse(.wrongState) }
      // RFC 5161, section 3.1: not once a mailbox was selected, even if none is now.
      if hasSelected { return misuse(.enableAfterSelect) }
    case .select(_, let parameters), .examine(_, let parameters):
      if session != .authenticated && session != .selected { return misuse(.wrongState) }
      // RFC 7162, section 3.2.5: only once the server has said that QRESYNC is enabled.
      if parameters.qResync != nil, !enabled.contains(.qResync) { return misuse(.notEnabled) }
      // RFC 9586: sequence numbers are of no use then.
      if parameters.qResync?.sequenceMatch != nil, enabled.contains(.uidOnly) { return misuse(.sequenceNumbers) }
    case .proxyAuth, .comparator, .namespace, .getJMAPAccess, .idle, .notify, .applePushService,
      .list, .lsub, .xlist, .rlist, .rlsub, .conversions, .status, .create, .delete, .rename, .subscribe, .unsubscribe,
      .setACL, .deleteACL, .getACL, .listRights, .myRights, .getQuota, .getQuotaRoot, .setQuota,
      .getMetadata, .setMetadata, .getAnnotation, .setAnnotation, .generateURLAuth, .fetchURLs, .resetKey,
      .multiSearch:
      if session != .authenticated && session != .selected { return misuse(.wrongState) }
    case .append(let request):
      if session != .selected, session != .authenticated || request.replacing != nil { return misuse(.wrongState) }
      // RFC 7889, section 2: "a client can avoid trying to APPEND mail more than the advertised limit".
      if let limit = limit(of: request), request.messages.contains(where: { $0.byteCount > limit }) {
        return .limit(LimitExceeded(limit: .appendedMessage, value: limit, offset: parser.offset))
      }
    case .fetch(_, _, let modifiers):
      if session != .selected { return misuse(.wrongState) }
      // RFC 7162, section 3.2.6.
      if modifiers.vanished, !enabled.contains(.qResync) { return misuse(.notEnabled) }
    case .close, .unselect, .check, .expunge, .uidExpunge, .search, .sort, .thread, .cancelUpdate, .uidBatches,
      .store, .storeLabels, .storeAnnotations, .partial, .convert, .copy, .move:
      if session != .selected { return misuse(.wrongState) }
    }
    return nil
  }

  /// Whether the caller gave up the SASL exchange that owns the sending direction.
  var isCancelled: Bool { if case .authenticating(_, .cancelled) = flow { true } else { false } }

  var isIdling: Bool { if case .idle(_, .active) = flow { true } else { false } }

  /// Whether TLS must come and has not.
  var isWithoutTLS: Bool { configuration.requiresTLS && !isSecure }

  /// Whether sequence numbers are forbidden and the command uses some.
  mutating func refusal(of command: Command, _ traits: borrowing CommandTraits) -> ConnectionError? {
    let usesNumbers = traits.contains(.usesSequenceNumbers)
    // RFC 9586: commands that name messages by sequence number are gone altogether, those with `$` as well.
    if usesNumbers || command.isInSequenceForm, enabled.contains(.uidOnly) { return misuse(.sequenceNumbers) }
    // RFC 5465, section 5.3: the meaning of a sequence number can change while the command is on its way.
    if usesNumbers, mayExpungeAnytime { return misuse(.sequenceNumbers) }
    return nil
  }

  /// The largest message that the request may have: what is known of the mailbox goes before what is said of all.
  private func limit(of request: AppendRequest) -> UInt64? {
    switch request.limit {
    case .some(.bytes(let count)): count
    case .some(.none): nil
    case nil: appendLimit
    }
  }

  /// The largest message for any mailbox (RFC 7889, section 2).
  var appendLimit: UInt64? {
    for capability in capabilities ?? [] where capability.rawValue.hasPrefix("APPENDLIMIT=") {
      return UInt64(capability.rawValue.dropFirst("APPENDLIMIT=".count))
    }
    return nil
  }

  /// Whether the server says when SELECT has closed the mailbox that was selected before: RFC 7162, section 3.2.11 and
  /// RFC 9051, section 7.1 make it do so.
  var saysClosed: Bool {
    let extensions: [Capability] = [.condStore, .qResync, .imap4rev2]
    return extensions.contains { capabilities?.contains($0) ?? false || enabled.contains($0) }
  }

  /// A map for a mailbox that is being selected; nil where none is wanted. With UIDONLY there is nothing to map.
  var newUIDMap: UIDMap? {
    guard configuration.mapsUIDs, !enabled.contains(.uidOnly) else { return nil }
    return UIDMap(limit: configuration.maximumUIDRanges)
  }

  /// Whether the server includes modification sequences by itself (RFC 7162, section 3.1).
  var isCondStoreOn: Bool {
    hasTurnedCondStoreOn || enabled.contains(.condStore) || enabled.contains(.qResync)
  }

  static func kind(of command: Command) -> InFlight.Kind {
    switch command {
    case .login, .authenticate: .login
    case .logout: .logout
    case .startTLS: .startTLS
    case .compress: .compress
    case .unauthenticate: .unauthenticate
    case .idle: .idle
    case .select, .examine: .select
    case .notify(let request): .notify(expungesAnytime: request.expungesAnytime)
    case .close, .unselect: .deselect
    case .append(let request): request.namesURL ? .secret : .plain
    case .generateURLAuth, .fetchURLs, .applePushService, .other: .secret
    default: .plain
    }
  }

  // MARK: Time

  /// Whether every byte of the server puts the deadline off. Not where one line is all that is waited for, and at once: a
  /// greeting, or the answer to what is sent alone and takes no work, LOGOUT, IDLE and DONE. A server that goes on with
  /// something else would hold up all commands for ever. Neither behind BYE, which servers are known to say without end.
  var isPatient: Bool {
    if session == .greeting || isLoggingOut || byeText != nil { return false }
    if case .idle = flow { return false }
    return true
  }

  var nextDeadline: MonotonicInstant? {
    if reason != nil { return nil }
    if session == .greeting { return lastProgress.advanced(by: configuration.greetingTimeout) }
    if isLoggingOut || byeText != nil { return lastProgress.advanced(by: configuration.logoutTimeout) }
    switch flow {
    case .upgrading: return nil
    case .idle(_, .active(let renewAt)): return renewAt
    // The caller has the next step, unless the server does not read what was given to it.
    case .append(_, _, isReady: true, wantsMore: false) where outbound.isEmpty: return nil
    case .authenticating(_, .asked) where outbound.isEmpty: return nil
    default:
      if inFlight.isEmpty, outbound.isEmpty { return nil }
      return lastProgress.advanced(by: patience)
    }
  }

  /// How long the server may be silent. Nobody knows which of the commands in flight it is at: the longest time counts.
  private var patience: Duration {
    let limits = configuration.timeouts
    if limits.isEmpty || inFlight.isEmpty { return configuration.commandTimeout }
    var longest: Duration?
    for index in 0..<inFlight.count {
      let limit = limits[inFlight[index].limit] ?? configuration.commandTimeout
      longest = max(longest ?? limit, limit)
    }
    return longest ?? configuration.commandTimeout
  }

  /// What the server did not do before ``nextDeadline``.
  var overdue: TimeoutKind {
    if session == .greeting { return .greeting }
    if isLoggingOut { return .logout }
    if !outbound.isEmpty { return .sending }
    switch flow {
    case .literal, .append: return .continuation
    case .authenticating: return .authentication
    case .idle(_, .ending): return .done
    case .idle: return .idle
    case .open, .padding, .upgrading:
      return inFlight.contains { $0.kind == .startTLS } ? .startTLS : .command
    }
  }
}

extension Command {
  /// Whether it is FETCH, STORE, COPY, MOVE, CONVERT or PARTIAL, without UID.
  fileprivate var isInSequenceForm: Bool {
    switch self {
    case .fetch(.sequence, _, _), .store(.sequence, _, _), .storeLabels(.sequence, _, _),
      .storeAnnotations(.sequence, _, _), .copy(.sequence, _), .move(.sequence, _), .partial, .convert(.sequence, _):
      true
    default: false
    }
  }
}

extension NotifyRequest {
  /// Whether removals from the selected mailbox are told as they happen (RFC 5465, section 5.3).
  fileprivate var expungesAnytime: Bool {
    guard case .set(_, let groups) = self else { return false }
    return groups.contains { $0.filter == .selected && $0.events.contains(.messageExpunge) }
  }
}
