import IMAPStateMachine

/// How a workload is read.
enum Mode: String, CaseIterable {
  /// Every field of every event through borrowed views.
  case views
  /// Each response as an owned value, with its Strings and arrays.
  case owned
}

/// What else a consumer of views does.
struct Reading {
  /// Whether it reads BODYSTRUCTURE, or only takes note that it is there.
  var structures = true
  /// Whether it decodes the names of mailboxes, which makes a String of each.
  var names = false
}

/// Reads all that is in `input`.
func consume(
  _ mode: Mode, _ reading: Reading, _ parser: inout ResponseParser, _ input: inout ReceiveBuffer,
  _ sink: inout Sink
) throws(ParseError) {
  switch mode {
  case .views:
    while try readEvent(try parser.next(&input), reading, &sink) {}
  case .owned:
    while let response = try parser.nextOwned(&input) {
      sink.responses += 1
      switch response {
      case .unknown: sink.untyped += 1
      case .malformed: sink.refused += 1
      case .search(let result): sink.numbers += result.numbers.count
      case .fetch(let fetch): sink.add(UInt64(fetch.attributes.count))
      default: break
      }
      sink.keep(response)
    }
  }
}

/// Reads every field of one event. False where more input is needed.
@inline(__always)
private func readEvent(
  _ event: borrowing ResponseEvent, _ reading: Reading, _ sink: inout Sink
) throws(ParseError) -> Bool {
  switch event {
  case .needMoreInput, .endOfInput: return false
  case .tagged(let tag, let status):
    sink.add(tag)
    sink.read(status)
    sink.responses += 1
  case .untagged(let view):
    sink.read(view, reading)
    sink.responses += 1
  case .continuation(let text):
    sink.add(text)
    sink.responses += 1
  case .fetchBegin(let sequence): sink.add(UInt64(sequence.rawValue))
  case .uidFetchBegin(let uid): sink.add(UInt64(uid.rawValue))
  case .fetchAttribute(let attribute): try sink.read(attribute, reading)
  case .literalBegin(let section, let header):
    sink.add(section.raw)
    sink.add(header.byteCount)
  case .literalChunk(let bytes, let remaining):
    sink.add(bytes)
    sink.add(remaining)
  case .literalEnd: break
  case .fetchEnd: sink.responses += 1
  case .unknown(let line):
    sink.add(line)
    sink.untyped += 1
    sink.responses += 1
  case .malformed(let line, _):
    sink.add(line)
    sink.refused += 1
  }
  return true
}

extension Sink {
  @inline(__always)
  fileprivate mutating func read(_ status: borrowing StatusView) {
    switch status.condition {
    case .ok: add(1)
    case .no: add(2)
    case .bad: add(3)
    case .bye: add(4)
    case .preauth: add(5)
    }
    switch status.code {
    case .some(let code):
      add(code.name)
      add(code.arguments)
    case .none: break
    }
    add(status.text)
  }

  @inline(__always)
  fileprivate mutating func read(_ flags: borrowing FlagListView) {
    var flags = copy flags
    while let flag = flags.next() { add(flag) }
  }

  @inline(__always)
  fileprivate mutating func read(_ view: borrowing UntaggedView, _ reading: Reading) {
    switch view {
    case .status(let view): read(view)
    case .capability(let view), .enabled(let view):
      var list = view
      while let capability = list.next() { add(capability) }
    case .list(let view), .lsub(let view): read(view, reading)
    case .mailboxStatus(let view):
      add(view.name)
      var items = view
      while let item = items.next() {
        add(item.name)
      }
    case .flags(let view): read(view)
    case .search(let view):
      var list = view
      while let number = list.next() {
        add(UInt64(number))
        numbers += 1
      }
    case .extendedSearch(let view):
      var items = view
      while let item = items.next() { read(item) }
    case .exists(let count), .recent(let count): add(UInt64(count))
    case .expunge(let sequence): add(UInt64(sequence.rawValue))
    default: untyped += 1
    }
  }

  @inline(__always)
  private mutating func read(_ item: borrowing ExtendedSearchItemView) {
    switch copy item {
    case .min(let number), .max(let number): add(UInt64(number))
    case .count(let count): add(count)
    case .modSeq(let value): add(value.rawValue)
    case .all(let set):
      var ranges = set
      while let range = ranges.next() {
        add(UInt64(range.first.number ?? 0))
        add(UInt64(range.last.number ?? 0))
      }
    case .invalid(let name, _, _):
      add(name)
      refused += 1
    default: untyped += 1
    }
  }

  @inline(__always)
  fileprivate mutating func read(_ listing: borrowing MailboxListingView, _ reading: Reading) {
    read(listing.attributes)
    add(UInt64(listing.delimiter ?? 0))
    add(listing.name)
    if reading.names { add(MailboxName(wire: listing.name.copy()).description) }
  }

  @inline(__always)
  fileprivate mutating func read(
    _ attribute: borrowing FetchAttributeView, _ reading: Reading
  ) throws(ParseError) {
    switch attribute {
    case .uid(let uid): add(UInt64(uid.rawValue))
    case .flags(let view): read(view)
    case .internalDate(let date):
      add(UInt64(truncatingIfNeeded: date.year ^ date.month ^ date.day ^ date.hour ^ date.minute ^ date.second))
      add(UInt64(truncatingIfNeeded: date.zone))
    case .rfc822Size(let size): add(size)
    case .modSeq(let value): add(value.rawValue)
    case .envelope(let view): read(view)
    case .bodyStructure(let view), .body(let view):
      if reading.structures { read(view) } else { add(view.raw) }
    case .section(let section, let string):
      add(section.raw)
      add(string)
    case .unknown(let name, let value):
      add(name)
      add(value)
      untyped += 1
    case .invalid(let name, _, _):
      add(name)
      refused += 1
    default: untyped += 1
    }
  }

  mutating func read(_ envelope: borrowing EnvelopeView) {
    add(envelope.date)
    add(envelope.subject)
    read(envelope.from)
    read(envelope.sender)
    read(envelope.replyTo)
    read(envelope.to)
    read(envelope.cc)
    read(envelope.bcc)
    add(envelope.inReplyTo)
    add(envelope.messageID)
    refused += envelope.invalid.count
  }

  @inline(__always)
  private mutating func read(_ addresses: borrowing AddressListView) {
    var list = copy addresses
    while let address = list.next() {
      add(address.name)
      add(address.route)
      add(address.mailbox)
      add(address.host)
    }
  }
}
