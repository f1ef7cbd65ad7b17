import IMAPStateMachine

/// Messages that are sent.
extension IMAPClient {
  /// APPEND (RFC 9051, section 6.3.12). Returns where the message went, where the server has UIDPLUS. A message above `limit`,
  /// which STATUS tells of the mailbox (RFC 7889), or else above that of the server, is not sent: the error names the limit.
  @discardableResult
  public func append(
    _ message: [UInt8], to mailbox: MailboxName, flags: [Flag] = [], date: InternalDate? = nil,
    limit: AppendLimit? = nil
  ) async throws(IMAPError) -> CopyResult? {
    let request = AppendRequest(
      mailbox: mailbox, flags: flags, date: date, byteCount: UInt64(message.count), limit: limit)
    return try await append(request, message)
  }

  /// APPEND in any of its forms: several messages at once (MULTIAPPEND, RFC 3502), with parts of others (CATENATE, RFC 4469),
  /// BINARY (RFC 3516), or in the place of one (REPLACE, RFC 8508). `bytes` are those of all literals of the request, one
  /// after the other.
  @discardableResult
  public func append(_ request: AppendRequest, _ bytes: [UInt8]) async throws(IMAPError) -> CopyResult? {
    let status = try await run("APPEND", .append(request)) { $0.literal = bytes[...] }
    return CopyResult(status.code)
  }

  /// APPEND of a message that comes in pieces: as many bytes as `byteCount` says. A piece is asked for when there is room for it, so
  /// a message of any size passes through in constant memory.
  ///
  /// Throws `.source` where `source` throws or gives fewer or more bytes: its end is waited for before the last bytes go, so that
  /// nothing is stored then. The server waits for what was announced, so that the connection is closed, unless the server has
  /// refused the message before, or nothing was announced. Cancelling the task closes it as well.
  @discardableResult
  public func append<Source: AsyncSequence & Sendable>(
    _ source: Source, byteCount: UInt64, to mailbox: MailboxName, flags: [Flag] = [], date: InternalDate? = nil,
    limit: AppendLimit? = nil
  ) async throws(IMAPError) -> CopyResult? where Source.Element == [UInt8] {
    let request = AppendRequest(mailbox: mailbox, flags: flags, date: date, byteCount: byteCount, limit: limit)
    if byteCount == 0, let error = await Self.excess(of: source) { throw error }
    var id: CommandID?
    var feeding: Task<Void, Never>?
    defer { feeding?.cancel() }
    do throws(IMAPError) {
      let status = try await run("APPEND", .append(request)) { waiter in
        waiter.feed = LiteralFeed(byteCount)
        let command = waiter.id
        id = command
        feeding = Task { await self.feed(command, source, byteCount) }
      }
      return CopyResult(status.code)
    } catch {
      throw id.flatMap { session.sourceFailures.removeValue(forKey: $0) } ?? error
    }
  }

  /// The server asks for no bytes where there are none: nothing is said that the source has more.
  private static func excess<Source: AsyncSequence & Sendable>(
    of source: Source
  ) async -> IMAPError? where Source.Element == [UInt8] {
    do {
      for try await piece in source where !piece.isEmpty { return .source(command: "APPEND", tooMany) }
      return Task.isCancelled ? .cancelled(command: "APPEND") : nil
    } catch {
      return Task.isCancelled ? .cancelled(command: "APPEND") : .source(command: "APPEND", "\(error)")
    }
  }

  private static let tooMany = "there are more bytes than were announced"

  /// Writes the pieces of `source` as the literal of the command `id`.
  private func feed<Source: AsyncSequence & Sendable>(
    _ id: CommandID, _ source: Source, _ byteCount: UInt64
  ) async where Source.Element == [UInt8] {
    guard let waiter = session.waiter(of: id), let feed = waiter.feed, byteCount > 0 else { return }
    await wait(for: feed)
    var left = byteCount
    var last: [UInt8] = []
    do {
      for try await piece in source where !piece.isEmpty {
        // The server may have refused it, or the connection ended.
        if session.waiter(of: id) == nil || waiter.isAbandoned { return }
        if UInt64(piece.count) > left { return giveUp(id, Self.tooMany) }
        left -= UInt64(piece.count)
        // With the last bytes the message is stored: there may be more behind them, and then it is the wrong one.
        if left == 0 { last = piece } else { await write(piece, waiter, feed) }
      }
    } catch {
      return giveUp(id, "\(error)")
    }
    if left > 0 { return giveUp(id, "\(left) bytes of \(byteCount) are missing") }
    await write(last, waiter, feed)
  }

  private func write(_ piece: [UInt8], _ waiter: CommandWaiter, _ feed: LiteralFeed) async {
    if session.waiter(of: waiter.id) == nil || waiter.isAbandoned { return }
    waiter.literal = piece[...]
    feed.left -= min(feed.left, UInt64(piece.count))
    session.write(waiter, channel)
    while !waiter.literal.isEmpty, session.waiter(of: waiter.id) != nil, !waiter.isAbandoned {
      feed.isReady = false
      await wait(for: feed)
    }
  }

  private func giveUp(_ id: CommandID, _ reason: String) {
    // The server may have refused the message, or its caller be gone.
    guard let waiter = session.waiter(of: id), !waiter.isAbandoned else { return }
    session.sourceFailures[id] = .source(command: "APPEND", reason)
    channel.close()
  }

  /// A method, as ``awaitOutcome(of:)``.
  private func wait(for feed: LiteralFeed) async {
    await withCheckedContinuation { feed.wait($0) }
  }
}

/// Whether a literal that comes in pieces can be written. Used on the loop's thread only.
final class LiteralFeed {
  /// How many bytes the source has still to give.
  var left: UInt64
  /// Whether there is room, or never will be any.
  var isReady = false
  private var continuation: CheckedContinuation<Void, Never>?

  init(_ byteCount: UInt64) { left = byteCount }

  func wait(_ continuation: CheckedContinuation<Void, Never>) {
    if isReady { continuation.resume() } else { self.continuation = continuation }
  }

  /// There is room, or the command is over.
  func wake() {
    isReady = true
    continuation?.resume()
    continuation = nil
  }
}
