@testable import IMAPStateMachine

/// A server that knows one mailbox of three messages and never says no.
extension Pair {
  static let message = Array("Subject: hello\r\nTo: you\r\n\r\nfirst line\r\n".utf8)

  /// Answers `command` as a server might.
  func answer(_ id: ServerCommandID, _ command: Command) throws(ConnectionError) {
    var status = Status(.ok, "done")
    switch command {
    case .capability: try server.respond(.capability([.imap4rev1, .idle, .uidPlus]))
    case .noop: try server.respond(.exists(3))
    case .logout: try server.respond(.status(Status(.bye, "see you")))
    case .id: try server.respond(.id([IDField("name", "pair"), IDField("version", nil)]))
    case .startTLS, .compress, .create, .delete, .close, .unselect: break
    case .login: status = Status(.ok, code: .capability([.imap4rev1]), "in")
    case .authenticate(let exchange):
      if exchange.initialResponse == nil {
        let nothing: [UInt8] = []
        return try server.challenge(id, nothing.span)
      }
    case .enable(let list): try server.respond(.enabled(list))
    case .namespace:
      try server.respond(.namespace(Namespaces(personal: [.init(prefix: "", delimiter: "/")])))
    case .list(let request):
      for pattern in request.patterns {
        try server.respond(.list(MailboxListing(attributes: ["\\HasNoChildren"], delimiter: "/", name: pattern)))
      }
    case .status(let name, let items):
      var values = MailboxStatus(mailbox: name)
      for item in items { values[item] = 3 }
      try server.respond(.mailboxStatus(values))
    case .select, .examine: status = try select(command)
    case .append(let request): if request.hasLiterals { return try server.accept(id) }
    case .idle: return try startIdle(id)
    case .expunge, .uidExpunge: try server.respond(.expunge(1))
    case .search: try server.respond(.search(SearchResult(numbers: [1, 2, 3])))
    case .fetch(_, let items, _): server.writeFetch(2) { Self.write(items, to: &$0) }
    case .store(_, let operation, _):
      if !operation.isSilent { server.writeFetch(2) { $0.flags(operation.flags) } }
    case .copy:
      status = Status(.ok, code: .copyUID(validity: 9, source: [1], destination: [5]), "copied")
    case .move:
      try server.respond(.status(Status(.ok, code: .copyUID(validity: 9, source: [1], destination: [5]), "moved")))
      try server.respond(.expunge(1))
    default: break
    }
    try server.complete(id, status)
  }

  /// A server that takes all that there is.
  static var liberal: ServerConnection.Configuration {
    var configuration = ServerConnection.Configuration()
    configuration.takesSeveralLiterals = true
    configuration.passesUnknownCommands = true
    return configuration
  }

  private func select(_ command: Command) throws(ConnectionError) -> Status {
    try server.respond(.flags([.seen, .deleted]))
    try server.respond(.exists(3))
    try server.respond(.recent(0))
    try server.respond(.status(Status(.ok, code: .uidValidity(9), "valid")))
    try server.respond(.status(Status(.ok, code: .uidNext(4), "next")))
    if case .examine = command { return Status(.ok, code: .readOnly, "open") }
    return Status(.ok, code: .readWrite, "open")
  }

  private static func write(_ items: [FetchItem], to writer: inout FetchWriter) {
    let part = BodyStructure.Part(
      type: Array("TEXT".utf8), subtype: Array("PLAIN".utf8), octets: 12, content: .text(lines: 1))
    for item in items {
      switch item {
      case .uid: writer.uid(2)
      case .flags: writer.flags([.seen])
      case .internalDate: writer.internalDate(InternalDate(unixSeconds: 0))
      case .rfc822Size: writer.size(UInt64(message.count))
      case .modSeq: writer.modSeq(5)
      case .envelope: writer.envelope(Envelope(subject: Array("hello".utf8)))
      case .bodyStructure: writer.bodyStructure(.single(part))
      case .body: writer.body(.single(part))
      case .section(let section, _, let partial):
        writer.section(.body(section), origin: partial?.offset, bytes: message.span)
      case .rfc822: writer.section(.rfc822, bytes: message.span)
      case .rfc822Header: writer.section(.rfc822Header, bytes: message.span)
      case .rfc822Text: writer.section(.rfc822Text, bytes: message.span)
      default: break
      }
    }
  }
}

extension AppendRequest {
  /// Whether any bytes are streamed for it.
  var hasLiterals: Bool {
    messages.contains { message in
      guard case .catenate(let parts) = message.data else { return true }
      return parts.contains { if case .text = $0 { true } else { false } }
    }
  }
}
