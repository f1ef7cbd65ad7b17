import IMAPStateMachine

/// Reads every field of every event through borrowed views, and sums up what it reads. It makes no owned value.
struct FieldReader {
  private(set) var sum: UInt64 = 0
  /// Responses that were read to their end.
  private(set) var responses = 0

  /// Reads `event`. False where more input is needed.
  mutating func read(_ event: borrowing ResponseEvent) -> Bool {
    switch copy event {
    case .needMoreInput, .endOfInput: return false
    case .tagged(let tag, let status):
      add(tag)
      read(status)
      responses += 1
    case .untagged(let view):
      read(view)
      responses += 1
    case .continuation(let text):
      add(text)
      responses += 1
    case .fetchBegin(let sequence): add(UInt64(sequence.rawValue))
    case .uidFetchBegin(let uid): add(UInt64(uid.rawValue))
    case .fetchAttribute(let attribute): read(attribute)
    case .literalBegin(let section, let header):
      read(section)
      add(header.byteCount)
    case .literalChunk(let bytes, let remaining):
      add(ByteView(bytes))
      add(remaining)
    case .literalEnd: break
    case .fetchEnd: responses += 1
    case .unknown(let line):
      add(line)
      responses += 1
    case .malformed(let line, let error):
      add(line)
      add(error.offset)
    }
    return true
  }

  private mutating func add(_ number: UInt64) { sum &+= number }
  private mutating func add(_ number: Int) { sum &+= UInt64(truncatingIfNeeded: number) }
  private mutating func add(_ flag: Bool) { sum &+= flag ? 1 : 0 }
  private mutating func add(_ bound: MessageBound) { add(UInt64(bound.number ?? 0)) }

  /// Takes the length and both ends of a run of bytes: whoever has these has all of it.
  private mutating func add(_ view: borrowing ByteView) {
    let count = view.bytes.count
    add(count)
    if count > 0 { sum = sum &* 31 &+ UInt64(view.bytes[0]) &+ UInt64(view.bytes[count - 1]) }
  }

  private mutating func add(_ view: borrowing StringView) {
    add(view.raw)
    add(view.hasEscapes)
  }

  private mutating func add(_ view: borrowing StringView?) {
    switch copy view {
    case .some(let view): add(view)
    case .none: add(1)
    }
  }

  private mutating func read(_ date: InternalDate) {
    add(date.year &+ date.month &+ date.day &+ date.hour &+ date.minute &+ date.second &+ date.zone)
  }

  private mutating func read(_ status: borrowing StatusView) {
    add(status.condition == .ok)
    switch status.code {
    case .some(let code):
      add(code.name)
      add(code.arguments)
    case .none: break
    }
    add(status.text)
  }

  private mutating func read(_ words: borrowing FlagListView) {
    var list = copy words
    while let word = list.next() { add(word) }
  }

  private mutating func read(_ capabilities: borrowing CapabilityListView) {
    var list = copy capabilities
    while let name = list.next() { add(name) }
  }

  private mutating func read(_ strings: borrowing StringListView) {
    var list = copy strings
    while let string = list.next() { add(string) }
  }

  private mutating func read(_ set: borrowing MessageSetView) {
    add(set.raw)
    var ranges = copy set
    while let range = ranges.next() {
      add(range.first)
      add(range.last)
    }
  }

  private mutating func read(_ numbers: borrowing SearchView) {
    var list = copy numbers
    while let number = list.next() { add(UInt64(number)) }
    add(list.modSeq()?.rawValue ?? 0)
  }

  private mutating func read(_ attribute: borrowing AttributeView) {
    add(attribute.name)
    add(attribute.value)
  }

  private mutating func read(_ section: borrowing SectionView) {
    add(section.raw)
    add(UInt64(section.origin ?? 0))
    add(section.isWholeMessage)
  }
}

// MARK: - Responses

extension FieldReader {
  private mutating func read(_ view: borrowing UntaggedView) {
    switch copy view {
    case .status(let view): read(view)
    case .capability(let view), .enabled(let view): read(view)
    case .id(let view):
      add(view.isNil)
      var fields = view
      while let field = fields.next() { read(field) }
    case .namespace(let view):
      read(view.personal)
      read(view.otherUsers)
      read(view.shared)
    case .list(let view), .lsub(let view): read(view)
    case .mailboxStatus(let view):
      add(view.name)
      var items = view
      while let item = items.next() {
        add(item.name)
        add(item.raw)
        add(item.value ?? 0)
        add(item.objectID)
      }
    case .flags(let view), .language(let view): read(view)
    case .search(let view), .sort(let view): read(view)
    case .exists(let count), .recent(let count): add(UInt64(count))
    case .expunge(let sequence): add(UInt64(sequence.rawValue))
    case .vanished(let view):
      add(view.isEarlier)
      read(view.uids)
    case .thread(let view):
      var tokens = view
      while let token = tokens.next() { add(token == .open) }
    case .extendedSearch(let view): read(view)
    default: readRare(view)
    }
  }

  private mutating func readRare(_ view: borrowing UntaggedView) {
    switch copy view {
    case .acl(let view):
      add(view.mailbox)
      var entries = view
      while let entry = entries.next() {
        add(entry.identifier)
        add(entry.rights)
      }
    case .listRights(let view):
      add(view.mailbox)
      add(view.identifier)
      add(view.required)
      read(view.optional)
    case .myRights(let view):
      add(view.mailbox)
      add(view.rights)
    case .quota(let view):
      add(view.root)
      var resources = view
      while let resource = resources.next() {
        add(resource.name)
        add(resource.usage)
        add(resource.limit)
      }
    case .quotaRoots(let view):
      add(view.mailbox)
      read(view.roots)
    case .metadata(let view):
      add(view.mailbox)
      add(view.hasValues)
      var entries = view
      while let entry = entries.next() { read(entry) }
    case .comparator(let view):
      add(view.active)
      read(view.matching)
    case .authorizedURLs(let view): read(view)
    case .jmapAccess(let url): add(url)
    case .uidBatches(let view):
      add(view.tag)
      read(view.batches)
    case .annotation(let view):
      add(view.mailbox)
      add(view.annotation.entry)
      var attributes = view.annotation
      while let attribute = attributes.next() { read(attribute) }
    case .fetchedURLs(let view):
      var urls = view
      while let url = urls.next() { read(url) }
    default: break
    }
  }

  private mutating func read(_ namespaces: borrowing NamespaceListView) {
    var list = copy namespaces
    while let namespace = list.next() {
      add(namespace.prefix)
      add(UInt64(namespace.delimiter ?? 0))
      var extensions = namespace
      while let item = extensions.next() {
        add(item.name)
        read(item.values)
      }
    }
  }

  private mutating func read(_ listing: borrowing MailboxListingView) {
    read(listing.attributes)
    add(UInt64(listing.delimiter ?? 0))
    add(listing.name)
    add(listing.isXList)
    var items = listing.extended
    while let item = items.next() {
      switch item {
      case .childInfo(let words): read(words)
      case .oldName(let name): add(name)
      case .unknown(let name, let value):
        add(name)
        add(value)
      case .invalid(let name, let value, let error):
        add(name)
        add(value)
        add(error.offset)
      }
    }
  }

  private mutating func read(_ result: borrowing ExtendedSearchView) {
    add(result.isUID)
    add(UInt64(result.uidValidity ?? 0))
    add(result.tag)
    add(result.mailbox)
    var items = copy result
    while let item = items.next() {
      switch item {
      case .min(let number), .max(let number): add(UInt64(number))
      case .count(let count): add(count)
      case .all(let set): read(set)
      case .modSeq(let value): add(value.rawValue)
      case .partial(let window, let set):
        add(UInt64(window.first))
        switch set {
        case .some(let set): read(set)
        case .none: break
        }
      case .addTo(let list), .removeFrom(let list):
        var updates = list
        while let update = updates.next() {
          add(UInt64(update.position))
          read(update.messages)
        }
      case .relevancy(let scores): read(scores)
      case .unknown(let name, let value):
        add(name)
        add(value)
      case .invalid(let name, let value, let error):
        add(name)
        add(value)
        add(error.offset)
      }
    }
  }

  private mutating func read(_ url: borrowing FetchedURLView) {
    add(url.url)
    add(url.data)
    add(url.isExtended)
    var parts = copy url
    while let part = parts.next() {
      switch part {
      case .structure(let structure): add(structure.raw)
      case .body(let data), .binary(let data): add(data)
      case .unknown(let name, let value):
        add(name)
        add(value)
      case .invalid(let name, let value, let error):
        add(name)
        add(value)
        add(error.offset)
      }
    }
  }
}

// MARK: - Messages

extension FieldReader {
  private mutating func read(_ attribute: borrowing FetchAttributeView) {
    switch copy attribute {
    case .uid(let uid): add(UInt64(uid.rawValue))
    case .flags(let flags): read(flags)
    case .internalDate(let date): read(date)
    case .rfc822Size(let size): add(size)
    case .modSeq(let value): add(value.rawValue)
    case .envelope(let envelope): read(envelope)
    case .bodyStructure(let body), .body(let body):
      add(body.raw)
      read(body.fields)
      var walk = body.walk
      while let step = walk.next() { read(step) }
    case .binarySize(let section, let size):
      read(section)
      add(size)
    case .preview(let text): add(text)
    case .saveDate(let date): if let date { read(date) }
    case .emailID(let id), .threadID(let id): add(id)
    case .gmailMessageID(let id), .gmailThreadID(let id): add(id)
    case .gmailLabels(let labels): read(labels)
    case .annotations(let annotations):
      var list = annotations
      while let annotation = list.next() {
        add(annotation.entry)
        var attributes = annotation
        while let attribute = attributes.next() { read(attribute) }
      }
    case .section(let section, let string):
      read(section)
      add(string)
    case .unknown(let name, let value):
      add(name)
      add(value)
    case .invalid(let name, let value, let error):
      add(name)
      add(value)
      add(error.offset)
    }
  }

  private mutating func read(_ envelope: borrowing EnvelopeView) {
    add(envelope.raw)
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
    var damage = envelope.invalid
    while let item = damage.next() {
      add(Int(item.field.rawValue))
      add(item.value)
    }
  }

  private mutating func read(_ addresses: borrowing AddressListView) {
    add(addresses.count)
    var list = copy addresses
    while let address = list.next() {
      add(address.name)
      add(address.route)
      add(address.mailbox)
      add(address.host)
    }
  }

  private mutating func read(_ step: borrowing BodyStepView) {
    switch copy step {
    case .part(let fields), .messageBegin(let fields), .messageEnd(let fields), .multipartEnd(let fields): read(fields)
    case .multipartBegin(let childCount): add(childCount)
    }
  }

  private mutating func read(_ fields: borrowing BodyFieldsView) {
    add(fields.isMultipart)
    add(fields.type)
    add(fields.subtype)
    read(fields.parameters)
    add(fields.id)
    add(fields.description)
    add(fields.encoding)
    add(fields.octets)
    add(fields.lines ?? 0)
    switch fields.envelope {
    case .some(let envelope): read(envelope)
    case .none: break
    }
    add(fields.childCount)
    var children = fields.children
    while let child = children.next() { add(child.raw) }
    add(fields.md5)
    add(fields.hasExtension)
    add(fields.hasDisposition)
    add(fields.disposition)
    read(fields.dispositionParameters)
    var languages = fields.languages
    while let language = languages.next() { add(language) }
    add(fields.location)
    var damage = fields.invalid
    while let item = damage.next() {
      add(Int(item.field.rawValue))
      add(item.value)
    }
  }

  private mutating func read(_ parameters: borrowing BodyParameterListView) {
    add(parameters.count)
    var list = copy parameters
    while let parameter = list.next() { read(parameter) }
  }
}
