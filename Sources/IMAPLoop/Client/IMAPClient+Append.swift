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
  /// after the other. Throws `.source` where these are not as many as the request says; then nothing is sent.
  @discardableResult
  public func append(_ request: AppendRequest, _ bytes: [UInt8]) async throws(IMAPError) -> CopyResult? {
    let announced = request.messages.reduce(into: UInt64(0)) { sum, message in
      let (total, overflow) = sum.addingReportingOverflow(message.byteCount)
      sum = overflow ? .max : total
    }
    let count = UInt64(bytes.count)
    if count > announced { throw .source(command: "APPEND", Self.tooMany) }
    if count < announced {
      throw .source(command: "APPEND", "\(announced - count) bytes of \(announced) are missing")
    }
    let status = try await run("APPEND", .append(request)) { $0.literal = bytes[...] }
    return CopyResult(status.code)
  }

  /// APPEND of a message that comes in pieces: as many bytes as `byteCount` says. A piece is asked for when there is room for it, so
  /// a message of any size passes through in constant memory.
  ///
  /// Throws `.source` where `source` throws or gives fewer or more bytes: its end is looked for before the last bytes go, so that
  /// nothing is stored then. The server waits for what was announced, so that the connection is closed, unless the server has
  /// refused the message before, or nothing was announced. Cancelling the task closes it as well.
  ///
  /// A source that has given what was announced, and says for a second neither that it has ended nor that there is more, is
  /// taken to have ended: the last bytes go. Should more come before the server has completed the command, `.source` is thrown
  /// all the same, and what the server has stored is the bytes that were announced, or nothing.
  @discardableResult
  public func append<Source: AsyncSequence & Sendable>(
    _ source: Source, byteCount: UInt64, to mailbox: MailboxName, flags: [Flag] = [], date: InternalDate? = nil,
    limit: AppendLimit? = nil
  ) async throws(IMAPError) -> CopyResult? where Source.Element == [UInt8] {
    let request = AppendRequest(mailbox: mailbox, flags: flags, date: date, byteCount: byteCount, limit: limit)
    if byteCount == 0, let error = await excess(of: source) { throw error }
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
  private func excess<Source: AsyncSequence & Sendable>(
    of source: Source
  ) async -> IMAPError? where Source.Element == [UInt8] {
    let answer = SourceAnswer()
    let asking = Task {
      let error = await Self.ask(source)
      settle(answer, error)
    }
    let timer = loop.schedule(after: Self.sourcePatience) { answer.settle(nil) }
    defer {
      timer.cancel()
      asking.cancel()
    }
    let error = await withTaskCancellationHandler {
      await wait(for: answer)
    } onCancel: {
      asking.cancel()
    }
    return Task.isCancelled ? .cancelled(command: "APPEND") : error
  }

  private static func ask<Source: AsyncSequence & Sendable>(
    _ source: Source
  ) async -> IMAPError? where Source.Element == [UInt8] {
    do {
      for try await piece in source where !piece.isEmpty { return .source(command: "APPEND", tooMany) }
      return nil
    } catch {
      return .source(command: "APPEND", "\(error)")
    }
  }

  private func settle(_ answer: SourceAnswer, _ error: IMAPError?) { answer.settle(error) }

  /// A method, as ``awaitOutcome(of:)``.
  private func wait(for answer: SourceAnswer) async -> IMAPError? {
    await withCheckedContinuation { answer.wait($0) }
  }

  /// How long a source may take to say that it has ended, once it has given what was announced.
  private static let sourcePatience = Duration.seconds(1)

  private static let tooMany = "there are more bytes than were announced"

  /// Writes the pieces of `source` as the literal of the command `id`.
  private func feed<Source: AsyncSequence & Sendable>(
    _ id: CommandID, _ source: Source, _ byteCount: UInt64
  ) async where Source.Element == [UInt8] {
    guard let waiter = session.waiter(of: id), let feed = waiter.feed, byteCount > 0 else { return }
    await wait(for: feed)
    var left = byteCount
    var last: [UInt8] = []
    var timer: LoopTimer?
    defer { timer?.cancel() }
    do {
      for try await piece in source where !piece.isEmpty {
        // The server may have refused it, or the connection ended.
        if session.waiter(of: id) == nil || waiter.isAbandoned { return }
        if UInt64(piece.count) > left { return giveUp(id, Self.tooMany) }
        left -= UInt64(piece.count)
        if left > 0 {
          await write(piece, waiter, feed)
          continue
        }
        // With the last bytes the message is stored: there may be more behind them, and then it is the wrong one. But a source need
        // not say soon that it has ended.
        last = piece
        timer = loop.schedule(after: Self.sourcePatience) { self.begin(piece, waiter, feed) }
      }
    } catch {
      return giveUp(id, "\(error)")
    }
    if left > 0 { return giveUp(id, "\(left) bytes of \(byteCount) are missing") }
    // Unless that was done already.
    if feed.left > 0 { await write(last, waiter, feed) }
  }

  private func write(_ piece: [UInt8], _ waiter: CommandWaiter, _ feed: LiteralFeed) async {
    begin(piece, waiter, feed)
    while !waiter.literal.isEmpty, session.waiter(of: waiter.id) != nil, !waiter.isAbandoned {
      feed.isReady = false
      await wait(for: feed)
    }
  }

  /// Writes what there is room for; the rest goes as there is more.
  private func begin(_ piece: [UInt8], _ waiter: CommandWaiter, _ feed: LiteralFeed) {
    if session.waiter(of: waiter.id) == nil || waiter.isAbandoned { return }
    waiter.literal = piece[...]
    feed.left -= min(feed.left, UInt64(piece.count))
    session.write(waiter, channel)
  }

  private func giveUp(_ id: CommandID, _ reason: String) {
    // The server may have refused the message, or its caller be gone.
    guard let waiter = session.waiter(of: id), !waiter.isAbandoned else { return }
    // With the last byte the message is stored; before that it can't be (RFC 9051, section 4.3).
    let mayBeStored = waiter.feed?.left == 0
    session.sourceFailures[id] = .source(command: "APPEND", reason, outcomeUnknown: mayBeStored)
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

/// What a source says that should have ended. Used on the loop's thread only.
private final class SourceAnswer: @unchecked Sendable {
  // Sendable: only used in closures that run on one loop's thread.
  private var isSettled = false
  private var error: IMAPError?
  private var continuation: CheckedContinuation<IMAPError?, Never>?

  func wait(_ continuation: CheckedContinuation<IMAPError?, Never>) {
    if isSettled { continuation.resume(returning: error) } else { self.continuation = continuation }
  }

  /// The first word counts.
  func settle(_ error: IMAPError?) {
    if isSettled { return }
    isSettled = true
    self.error = error
    continuation?.resume(returning: error)
    continuation = nil
  }
}
