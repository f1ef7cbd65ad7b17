import IMAPStateMachine

/// Bodies of any size in constant memory: asked for piece by piece, so that nobody has to keep up with the server, other commands
/// go in between, and what was broken off can go on.
extension IMAPClient {
  /// Hands `section` of a message to `sink`, piece by piece, each of at most `chunkSize` bytes, and returns how many bytes there
  /// were. The next piece is asked for when `sink` has returned. `offset` is where to start: what was there already of a download
  /// that broke off.
  ///
  /// Throws what `sink` throws, ``DownloadError`` where there is no such message or part, or another mailbox was opened between two
  /// pieces, and as every command does.
  @discardableResult
  public func download(
    _ uid: UID, _ section: Section = .full, from offset: UInt64 = 0, chunkSize: UInt32 = 1 << 20,
    to sink: @Sendable ([UInt8]) async throws -> Void
  ) async throws -> UInt64 {
    try await download(uid, section, from: offset, chunkSize: chunkSize, BodyDecoder(), nil, sink)
  }

  /// Saves `section` of a message in the file `path`, and returns how many bytes there were. The file has its name when it is
  /// complete and on the disk; where anything fails, the disk is full, or the task is cancelled, nothing is there, or what was
  /// there before. `progress` is told how many bytes have come, behind each piece of `chunkSize`.
  ///
  /// Throws ``DownloadError`` where there is no such message or part, where another mailbox was opened between two pieces, where the
  /// file can't be written, or there is one and `overwrites` is false; else as every command does.
  @discardableResult
  public func download(
    _ uid: UID, _ section: Section = .full, to path: String, overwrites: Bool = true, chunkSize: UInt32 = 1 << 20,
    progress: (@Sendable (UInt64) -> Void)? = nil
  ) async throws -> UInt64 {
    try await save(uid, section, path, overwrites, chunkSize, BodyDecoder(), progress)
  }

  /// As ``download(_:_:from:chunkSize:to:)``, without the part's transfer encoding, and text in UTF-8, whatever charset it is in: one
  /// that is not known stays as it is. With `reflow` the lines of `format=flowed` are joined to paragraphs (RFC 3676); see
  /// `FlowedText`. Returns how many bytes came over the wire.
  @discardableResult
  public func downloadDecoded(
    _ uid: UID, _ part: LocatedPart, reflow: Bool = false, chunkSize: UInt32 = 1 << 20,
    to sink: @Sendable ([UInt8]) async throws -> Void
  ) async throws -> UInt64 {
    try await download(
      uid, part.section, from: 0, chunkSize: chunkSize, BodyDecoder(part, reflow: reflow), nil, sink)
  }

  /// As ``download(_:_:to:overwrites:chunkSize:progress:)``, without the part's transfer encoding, and text in UTF-8, whatever charset
  /// it is in: one that is not known stays as it is. With `reflow` the lines of `format=flowed` are joined to paragraphs (RFC 3676);
  /// see `FlowedText`. `progress` and the result count what comes over the wire.
  @discardableResult
  public func downloadDecoded(
    _ uid: UID, _ part: LocatedPart, to path: String, reflow: Bool = false, overwrites: Bool = true,
    chunkSize: UInt32 = 1 << 20, progress: (@Sendable (UInt64) -> Void)? = nil
  ) async throws -> UInt64 {
    try await save(uid, part.section, path, overwrites, chunkSize, BodyDecoder(part, reflow: reflow), progress)
  }

  /// Several parts of a message by one command, decoded as by ``downloadDecoded(_:_:reflow:chunkSize:to:)``, in the order of `parts`;
  /// nil for one that the server does not have. All of them are in memory: for texts, and whatever else is known to be small.
  public func downloadDecoded(
    _ uid: UID, _ parts: [LocatedPart], reflow: Bool = false
  ) async throws(IMAPError) -> [[UInt8]?] {
    if parts.isEmpty { return [] }
    let response = try await fetchOne(uid, [.uid] + parts.map { .section($0.section) })
    return parts.map { part in
      guard let bytes = response?.bytes(of: part.section) else { return nil }
      var decoder = BodyDecoder(part, reflow: reflow)
      return decoder.decode(bytes) + decoder.finish()
    }
  }

  /// The first words of a message: what the server has (RFC 8970), else made of the first kilobyte of its text, or of its HTML.
  /// Nil where there is neither, or no such message. Throws where another mailbox is opened meanwhile.
  public func preview(of uid: UID, length: Int = 200) async throws(IMAPError) -> String? {
    try await tied(to: expectedSelection) { () async throws(IMAPError) -> String? in try await words(of: uid, length) }
  }

  private func words(of uid: UID, _ length: Int) async throws(IMAPError) -> String? {
    if try await supports(Capability("PREVIEW")), let text = try await fetchOne(uid, [.preview()])?.preview {
      return PreviewText.make(String(decoding: text, as: UTF8.self), isHTML: false, length: length)
    }
    let structure = try await fetchOne(uid, [.bodyStructure])?.bodyStructure
    guard let part = structure?.textPart ?? structure?.htmlPart else { return nil }
    let piece = PartialRange(offset: 0, count: Self.previewBytes)
    let response = try await fetchOne(uid, [.section(part.section, partial: piece)])
    guard let bytes = response?.bytes(of: part.section) else { return nil }
    var decoder = BodyDecoder(part)
    // The end is cut off anywhere: what is left of it is no text.
    let text = decoder.decode(Array(bytes.prefix(Int(Self.previewBytes))))
    return PreviewText.make(
      String(decoding: text, as: UTF8.self), isHTML: part.mediaType == "text/html", length: length)
  }

  private static let previewBytes: UInt32 = 1024

  private func save(
    _ uid: UID, _ section: Section, _ path: String, _ overwrites: Bool, _ chunkSize: UInt32, _ decoder: BodyDecoder,
    _ progress: (@Sendable (UInt64) -> Void)?
  ) async throws -> UInt64 {
    let file = try DownloadFile(path, overwrites: overwrites)
    let count = try await download(uid, section, from: 0, chunkSize: chunkSize, decoder, progress) {
      try file.write($0)
    }
    try await Self.commit(file)
    return count
  }

  /// A disk may take long to say that it has everything: the loop has other connections to serve.
  @concurrent
  private static func commit(_ file: DownloadFile) async throws {
    try Task.checkCancellation()
    try file.commit()
  }

  private func download(
    _ uid: UID, _ section: Section, from offset: UInt64, chunkSize: UInt32, _ decoder: BodyDecoder,
    _ progress: (@Sendable (UInt64) -> Void)?, _ sink: @Sendable ([UInt8]) async throws -> Void
  ) async throws -> UInt64 {
    var decoder = decoder
    var position = offset
    var previous: [UInt8] = []
    let size = max(chunkSize, 1)
    var place = try await settledPlace()
    while true {
      guard let start = UInt32(exactly: position) else {
        throw DownloadError.tooLarge(uid: uid.rawValue, section: section.description)
      }
      var (bytes, origin) = try await chunk(uid, section, PartialRange(offset: start, count: size), &place)
      // Some servers send all of it, whatever piece is asked for.
      let isAll = bytes.count > Int(size) || (origin == nil && start > 0 && bytes == previous)
      if isAll { bytes.removeFirst(min(bytes.count, Int(start))) }
      if bytes.isEmpty { break }
      position += UInt64(bytes.count)
      let decoded = decoder.decode(bytes)
      if !decoded.isEmpty { try await sink(decoded) }
      progress?(position)
      if isAll || bytes.count < Int(size) { break }
      previous = origin == nil ? bytes : []
    }
    let rest = decoder.finish()
    if !rest.isEmpty { try await sink(rest) }
    return position
  }

  /// What a UID is good for, and until when.
  private struct Place {
    let mailbox: MailboxName?
    let uidValidity: UInt64?
    let selection: UInt64

    /// Whether a UID stands for the same message there. Where the server does not say what UIDs are good for, nobody knows.
    func isSame(as other: Place) -> Bool {
      selection == other.selection
        || (mailbox != nil && mailbox == other.mailbox && uidValidity != nil && uidValidity == other.uidValidity)
    }
  }

  /// The mailbox that is open once what was given is done.
  private func settledPlace() async throws(IMAPError) -> Place {
    // It comes behind whatever opens another one.
    while !session.isMailboxSettled { try await noop() }
    let selected = channel.selected
    return Place(mailbox: selected?.name, uidValidity: selected?.uidValidity, selection: selection)
  }

  private func chunk(
    _ uid: UID, _ section: Section, _ range: PartialRange, _ place: inout Place
  ) async throws -> (bytes: [UInt8], origin: UInt32?) {
    let items: [FetchItem] = [.uid, .section(section, partial: range)]
    var responses: [FetchResponse]?
    repeat {
      let now = try await settledPlace()
      if !place.isSame(as: now) {
        throw DownloadError.mailboxChanged(uid: uid.rawValue, section: section.description)
      }
      place = now
      do throws(IMAPError) {
        responses = try await tied(to: now.selection) { () async throws(IMAPError) -> [FetchResponse] in
          try await fetch(.uids(UIDSet(uid)), items)
        }
      } catch {
        // It may be open again.
        if error != .mailboxWasLeft { throw error }
      }
    } while responses == nil
    for response in responses ?? [] {
      for case .section(let name, let origin, let data) in response.attributes where name.section == section {
        // NIL stands for nothing.
        return (data ?? [], origin)
      }
    }
    throw DownloadError.missing(uid: uid.rawValue, section: section.description)
  }
}

/// What takes the encodings off a body.
struct BodyDecoder {
  private var transfer: TransferDecoder
  private var charset: CharsetStream?
  private var flow: FlowedText?

  /// Changes nothing.
  init() { transfer = .identity }

  init(_ part: LocatedPart, reflow: Bool = false) {
    transfer = TransferDecoder(part.part.encoding)
    if part.mediaType.hasPrefix("text/") {
      charset = CharsetStream(part.part.parameters.decoded("charset") ?? "US-ASCII")
    }
    if reflow { flow = FlowedText(part) }
  }

  mutating func decode(_ bytes: [UInt8]) -> [UInt8] {
    let decoded = transfer.decode(bytes)
    let text = charset?.decode(decoded) ?? decoded
    return flow?.decode(text) ?? text
  }

  mutating func finish() -> [UInt8] {
    var rest = transfer.finish()
    if let charset { rest = charset.decode(rest) + charset.finish() }
    if let text = flow?.decode(rest) { rest = text + (flow?.finish() ?? []) }
    return rest
  }
}
