/// Commands about mailboxes, and APPEND.
extension CommandEncoder {
  /// Writes `command` if it is one of these.
  mutating func encodeMailboxes(_ command: Command) throws(EncodingError) -> Bool {
    switch command {
    case .list(let request): try encodeList(request)
    case .lsub(let reference, let pattern): try two("LSUB ", reference, pattern)
    case .xlist(let reference, let pattern): try two("XLIST ", reference, pattern)
    case .rlist(let reference, let pattern): try two("RLIST ", reference, pattern)
    case .rlsub(let reference, let pattern): try two("RLSUB ", reference, pattern)
    case .status(let name, let items):
      try one("STATUS ", name)
      output.append(UInt8(ascii: " "))
      try statusItems(items)
    case .create(let name, let uses):
      try one("CREATE ", name)
      if uses.isEmpty { break }
      output.append(" (USE ")
      try flags(uses)
      output.append(UInt8(ascii: ")"))
    case .delete(let name): try one("DELETE ", name)
    case .rename(let name, let newName): try two("RENAME ", name, newName)
    case .subscribe(let name): try one("SUBSCRIBE ", name)
    case .unsubscribe(let name): try one("UNSUBSCRIBE ", name)
    case .select(let name, let parameters):
      try one("SELECT ", name)
      try selectParameters(parameters)
    case .examine(let name, let parameters):
      try one("EXAMINE ", name)
      try selectParameters(parameters)
    case .append(let request): try encodeAppend(request)
    default: return false
    }
    return true
  }

  mutating func one(_ name: StaticString, _ mailbox: MailboxName) throws(EncodingError) {
    output.append(name)
    try self.mailbox(mailbox)
  }

  private mutating func two(
    _ name: StaticString, _ first: MailboxName, _ second: MailboxName
  ) throws(EncodingError) {
    try one(name, first)
    output.append(UInt8(ascii: " "))
    try mailbox(second)
  }

  private mutating func statusItems(_ items: [StatusItem]) throws(EncodingError) {
    place = .statusItem
    try parentheses(items) { encoder, item throws(EncodingError) in encoder.output.append(item.rawValue) }
  }

  // MARK: LIST

  private mutating func encodeList(_ request: ListRequest) throws(EncodingError) {
    output.append("LIST ")
    if !request.selection.isEmpty {
      try selection(request.selection)
    } else if request.isExtended, request.patterns.count == 1, request.returning.isEmpty {
      output.append("() ")
    }
    try mailbox(request.reference)
    output.append(UInt8(ascii: " "))
    if request.patterns.count == 1, let pattern = request.patterns.first {
      try mailbox(pattern)
    } else {
      try mailboxes(request.patterns)
    }
    if request.returning.isEmpty { return }
    output.append(" RETURN ")
    try parentheses(request.returning) { encoder, option throws(EncodingError) in try encoder.returning(option) }
  }

  private mutating func selection(_ options: [ListSelectionOption]) throws(EncodingError) {
    place = .option
    // RFC 5258, section 3.1: RECURSIVEMATCH is nothing by itself, nor with REMOTE.
    if options.contains(.recursiveMatch), options.allSatisfy({ $0 == .recursiveMatch || $0 == .remote }) {
      throw EncodingError()
    }
    try parentheses(options) { encoder, option throws(EncodingError) in
      switch option {
      case .subscribed: encoder.output.append("SUBSCRIBED")
      case .remote: encoder.output.append("REMOTE")
      case .recursiveMatch: encoder.output.append("RECURSIVEMATCH")
      case .specialUse: encoder.output.append("SPECIAL-USE")
      case .other(let name, let value):
        try encoder.atom(name)
        try encoder.optionalArgument(value)
      }
    }
    output.append(UInt8(ascii: " "))
  }

  private mutating func returning(_ option: ListReturnOption) throws(EncodingError) {
    place = .option
    switch option {
    case .subscribed: output.append("SUBSCRIBED")
    case .children: output.append("CHILDREN")
    case .specialUse: output.append("SPECIAL-USE")
    case .status(let items):
      output.append("STATUS ")
      try statusItems(items)
    case .myRights: output.append("MYRIGHTS")
    case .metadata(let entries):
      output.append("METADATA ")
      place = .entry
      try strings(entries)
    case .other(let name, let value):
      try atom(name)
      try optionalArgument(value)
    }
  }

  // MARK: SELECT

  private mutating func selectParameters(_ parameters: SelectParameters) throws(EncodingError) {
    if parameters.isEmpty { return }
    output.append(" (")
    let start = output.count
    if parameters.condStore { output.append("CONDSTORE") }
    if let known = parameters.qResync {
      // RFC 7162, section 7: uidvalidity and the modification sequence are above 0.
      if known.uidValidity == 0 || known.modSeq.rawValue == 0 {
        place = known.uidValidity == 0 ? .uidValidity : .modSeq
        throw EncodingError(rule: .zero)
      }
      output.append(output.count > start ? " QRESYNC (" : "QRESYNC (")
      output.append(decimal: known.uidValidity)
      output.append(UInt8(ascii: " "))
      try modSeq(known.modSeq)
      if let uids = known.knownUIDs {
        output.append(UInt8(ascii: " "))
        try finite(uids)
      }
      if let match = known.sequenceMatch {
        output.append(" (")
        try finite(match.sequence)
        output.append(UInt8(ascii: " "))
        try finite(match.uids)
        output.append(UInt8(ascii: ")"))
      }
      output.append(UInt8(ascii: ")"))
    }
    if parameters.annotate { output.append(output.count > start ? " ANNOTATE" : "ANNOTATE") }
    output.append(UInt8(ascii: ")"))
  }

  /// RFC 7162, section 7: "`*` is not allowed", nor is `$`.
  private mutating func finite<Number>(_ numbers: MessageSet<Number>) throws(EncodingError) {
    if numbers.isSavedResult || numbers.ranges.contains(where: { $0.first == .star || $0.last == .star }) {
      place = .messages
      throw EncodingError()
    }
    try set(numbers)
  }

  // MARK: APPEND

  private mutating func encodeAppend(_ request: AppendRequest) throws(EncodingError) {
    switch request.replacing {
    case nil: output.append("APPEND ")
    case .sequence(let number)?:
      output.append("REPLACE ")
      try replaced(number?.rawValue)
    case .uid(let uid)?:
      output.append("UID REPLACE ")
      try replaced(uid?.rawValue)
    }
    // RFC 8508, section 3.4: REPLACE takes one message.
    place = .message
    if request.replacing != nil, request.messages.count > 1 { throw EncodingError() }
    try mailbox(request.mailbox)
    output.append(UInt8(ascii: " "))
    place = .message
    try list(request.messages) { encoder, message throws(EncodingError) in try encoder.appended(message) }
  }

  private mutating func replaced(_ number: UInt32?) throws(EncodingError) {
    place = .messages
    if number == 0 { throw EncodingError(rule: .zero) }
    if let number { output.append(decimal: number) } else { output.append(UInt8(ascii: "*")) }
    output.append(UInt8(ascii: " "))
  }

  private mutating func appended(_ message: AppendMessage) throws(EncodingError) {
    if !message.flags.isEmpty {
      try flags(message.flags)
      output.append(UInt8(ascii: " "))
    }
    if let date = message.date {
      output.append(UInt8(ascii: "\""))
      output.append(date.description)
      output.append("\" ")
    }
    if !message.annotations.isEmpty {
      output.append("ANNOTATION ")
      try annotations(message.annotations)
      output.append(UInt8(ascii: " "))
    }
    switch message.data {
    case .literal(let count): hole(count, binary: false)
    case .binary(let count): hole(count, binary: true)
    case .utf8(let count):
      output.append("UTF8 (")
      hole(count, binary: true)
      output.append(UInt8(ascii: ")"))
    case .catenate(let parts):
      output.append("CATENATE ")
      place = .message
      try parentheses(parts) { encoder, part throws(EncodingError) in
        switch part {
        case .url(let url):
          encoder.output.append("URL ")
          try encoder.string(url)
        case .text(let count, let isBinary):
          encoder.output.append("TEXT ")
          encoder.hole(count, binary: isBinary)
        }
      }
    }
  }

  /// The header of a literal whose bytes are streamed.
  private mutating func hole(_ count: UInt64, binary isBinary: Bool) {
    if isBinary { output.append(UInt8(ascii: "~")) }
    literalHeader(count)
    holes.append(Hole(position: output.count, byteCount: count))
  }
}
