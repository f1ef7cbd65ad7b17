/// A FETCH response that is being collected.
struct OwnedFetch {
  var response = FetchResponse(sequence: 0, attributes: [])
  /// The UID of a UIDFETCH response.
  var uid: UID?
  /// The section whose literal is being read.
  var section: SectionName?
  var origin: UInt32?
  var data: [UInt8] = []
}

extension ResponseParser {
  /// The next response as an owned value; nil where more input is needed, or none will come. FETCH responses come whole,
  /// sections included, so memory grows with them up to ``ParserLimits/literal``: for large bodies use ``next(_:)``.
  /// Of a FETCH response with a damaged line the damage comes first, a literal behind it in as many pieces as arrived, then
  /// the items that were read.
  /// Throws as ``next(_:)`` does.
  public mutating func nextOwned(_ input: inout ReceiveBuffer) throws(ParseError) -> Response? {
    var fetch = OwnedFetch()
    if isInsideResponse, let owned { swap(&fetch, &owned.value) }
    while true {
      switch try next(&input) {
      case .needMoreInput, .endOfInput:
        keep(&fetch)
        return nil
      case .tagged(let tag, let status): return .tagged(tag: tag.lossyString(), status.copy())
      case .untagged(let view): return view.copy()
      case .continuation(let text): return .continuation(text: text.copy())
      case .unknown(let line): return .unknown(line.copy())
      case .malformed(let line, let error):
        keep(&fetch)
        return .malformed(line.copy(), error)
      case .fetchBegin(let sequence): fetch.start(sequence)
      case .uidFetchBegin(let uid):
        fetch.start(0)
        fetch.uid = uid
      case .fetchAttribute(let attribute): fetch.response.attributes.append(attribute.copy())
      case .literalBegin(let section, let header): fetch.begin(section, header)
      case .literalChunk(let bytes, _): fetch.append(bytes)
      case .literalEnd: fetch.end()
      case .fetchEnd: return fetch.whole
      }
    }
  }

  /// Puts away what was collected of a response that is not over.
  private mutating func keep(_ fetch: inout OwnedFetch) {
    if !isInsideResponse { return }
    if let owned { swap(&fetch, &owned.value) } else { owned = Box(fetch) }
  }
}

extension OwnedFetch {
  /// What was collected as a response.
  var whole: Response { uid.map { .uidFetch($0, response.attributes) } ?? .fetch(response) }

  mutating func start(_ sequence: SequenceNumber) {
    self = OwnedFetch()
    response.sequence = sequence
    // Hardly a response has more items.
    response.attributes.reserveCapacity(8)
  }

  mutating func begin(_ view: borrowing SectionView, _ header: LiteralHeader) {
    // A declared size is not believed: what is larger than this has to arrive before it gets memory.
    data.reserveCapacity(Int(min(header.byteCount, 64 << 10)))
    section = view.copy()
    origin = view.origin
  }

  mutating func append(_ bytes: Span<UInt8>) {
    // Nothing is reserved here: the array then grows by factors, so that its bytes move a constant number of times.
    unsafe bytes.withUnsafeBufferPointer { unsafe data.append(contentsOf: $0) }
  }

  mutating func end() {
    if let section { response.attributes.append(.section(section, origin: origin, data: data)) }
    data = []
  }
}

extension UntaggedView {
  /// An owned copy.
  public func copy() -> Response {
    switch self {
    case .status(let view): .status(view.copy())
    case .capability(let view): .capability(view.copy())
    case .enabled(let view): .enabled(view.copy())
    case .id(let view): .id(view.copy())
    case .namespace(let view): .namespace(view.copy())
    case .list(let view): .list(view.copy())
    case .lsub(let view): .lsub(view.copy())
    case .mailboxStatus(let view): .mailboxStatus(view.copy())
    case .flags(let view): .flags(view.copy())
    case .search(let view): .search(view.copy())
    case .exists(let count): .exists(count)
    case .recent(let count): .recent(count)
    case .expunge(let sequence): .expunge(sequence)
    case .vanished(let view): .vanished(view.uids.copy(), earlier: view.isEarlier)
    case .sort(let view): .sort(view.copy())
    case .thread(let view): .thread(view.copy())
    case .extendedSearch(let view): .extendedSearch(view.copy())
    case .acl(let view): .acl(view.copy())
    case .listRights(let view): .listRights(view.copy())
    case .myRights(let view): .myRights(view.copy())
    case .quota(let view): .quota(view.copy())
    case .quotaRoots(let view): .quotaRoots(view.copy())
    case .metadata(let view): .metadata(view.copy())
    case .language(let view): .language(view.strings())
    case .comparator(let view): .comparator(view.copy())
    case .authorizedURLs(let view): .authorizedURLs(view.copy())
    case .fetchedURLs(let view): .fetchedURLs(view.copy())
    case .jmapAccess(let url): .jmapAccess(url.copy())
    case .uidBatches(let view): .uidBatches(view.copy())
    case .annotation(let view): view.copy()
    }
  }
}

extension FetchAttributeView {
  /// An owned copy.
  public func copy() -> FetchAttribute {
    switch self {
    case .uid(let uid): return .uid(uid)
    case .flags(let view): return .flags(view.copy())
    case .internalDate(let date): return .internalDate(date)
    case .rfc822Size(let size): return .rfc822Size(size)
    case .modSeq(let value): return .modSeq(value)
    case .envelope(let view): return .envelope(view.copy())
    case .bodyStructure(let view): return .bodyStructure(view.copy())
    case .body(let view): return .body(view.copy())
    case .binarySize(let section, let size):
      guard case .binary(let part) = section.copy() else {
        return .unknown(name: section.raw.copy(), value: Array(String(size).utf8))
      }
      return .binarySize(part: part, size)
    case .preview(let text): return .preview(Self.bytes(text))
    case .saveDate(let date): return .saveDate(date)
    case .emailID(let id): return .emailID(Self.text(id))
    case .threadID(let id): return .threadID(Self.text(id))
    case .gmailMessageID(let id): return .gmailMessageID(id)
    case .gmailThreadID(let id): return .gmailThreadID(id)
    case .gmailLabels(let view):
      var labels: [GmailLabel] = []
      var iterator = view
      while let label = iterator.next() { labels.append(GmailLabel(wire: label.copy()), room: iterator.count) }
      return .gmailLabels(labels)
    case .annotations(let view): return .annotations(view.copy())
    case .section(let section, let string):
      return .section(section.copy(), origin: section.origin, data: Self.bytes(string))
    case .unknown(let name, let value): return .unknown(name: name.copy(), value: value.copy())
    case .invalid(let name, let value, let error):
      return .invalid(name: name.copy(), value: value.copy(), reason: error)
    }
  }

  private static func text(_ view: borrowing StringView?) -> String? {
    switch copy view {
    case .some(let view): view.lossyString()
    case .none: nil
    }
  }

  private static func bytes(_ view: borrowing StringView?) -> [UInt8]? {
    switch copy view {
    case .some(let view): view.copy()
    case .none: nil
    }
  }
}
