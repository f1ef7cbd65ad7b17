/// What follows from a state without changing it.
extension ClientState {
  /// Whether the state forbids the command (RFC 9051, section 6).
  func refusal(of command: borrowing Command) -> ConnectionError? {
    switch copy command {
    case .capability, .noop, .logout, .id, .language, .other: return nil
    case .startTLS:
      if session != .notAuthenticated || isSecure { return misuse(.wrongState) }
    case .login:
      if session != .notAuthenticated { return misuse(.wrongState) }
      // RFC 9051, section 6.2.3: the client MUST NOT issue LOGIN then.
      if capabilities?.contains(.loginDisabled) ?? false { return misuse(.loginDisabled) }
    case .authenticate:
      if session != .notAuthenticated { return misuse(.wrongState) }
    case .unauthenticate:
      if session != .authenticated && session != .selected { return misuse(.wrongState) }
      // RFC 8437, section 4.1: it ends the compression in the middle of both streams, for which there is no event.
      if isCompressed { return misuse(.wrongState) }
    case .compress:
      if session != .authenticated && session != .selected { return misuse(.wrongState) }
      // RFC 4978, section 3: a second layer is not possible.
      if isCompressed { return misuse(.wrongState) }
    case .proxyAuth, .enable, .comparator, .namespace, .getJMAPAccess, .idle, .notify, .applePushService,
      .list, .lsub, .xlist, .status, .create, .delete, .rename, .subscribe, .unsubscribe, .select, .examine,
      .setACL, .deleteACL, .getACL, .listRights, .myRights, .getQuota, .getQuotaRoot, .setQuota,
      .getMetadata, .setMetadata, .getAnnotation, .setAnnotation, .generateURLAuth, .fetchURLs, .resetKey,
      .multiSearch:
      if session != .authenticated && session != .selected { return misuse(.wrongState) }
    case .append(let request):
      if session != .selected, session != .authenticated || request.replacing != nil { return misuse(.wrongState) }
    case .close, .unselect, .check, .expunge, .uidExpunge, .search, .sort, .thread, .cancelUpdate, .uidBatches, .fetch,
      .store, .storeLabels, .storeAnnotations, .copy, .move:
      if session != .selected { return misuse(.wrongState) }
    }
    return nil
  }

  func kind(of command: borrowing Command) -> InFlight.Kind {
    switch copy command {
    case .login, .authenticate: .login
    case .logout: .logout
    case .startTLS: .startTLS
    case .compress: .compress
    case .unauthenticate: .unauthenticate
    case .enable: .enable
    case .idle: .idle
    case .select: .select(readOnly: false)
    case .examine: .select(readOnly: true)
    case .close, .unselect: .deselect
    default: .plain
    }
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
    case .authenticating(_, .asked): return nil
    case .padding: return lastProgress.advanced(by: configuration.commandTimeout)
    default: return inFlight.isEmpty ? nil : lastProgress.advanced(by: configuration.commandTimeout)
    }
  }
}
