import IMAPStateMachine
import Logging
import Synchronization

/// What one client tells its logger, its metrics and the ring of its last lines. There is none where nobody asked for any of
/// them.
///
/// It crosses no threads, but the protocol machine wants a closure that could: everything is used on the loop's thread only.
final class ClientObserver: @unchecked Sendable {
  private let loop: EventLoop
  private let logger: Logger?
  private let metrics: IMAPMetrics?
  private let begun: MonotonicInstant
  private var lines: RecentLines?
  /// What has come of a line whose end has not.
  private var piece: WireLine?
  private var commands: [CommandID: Running] = [:]
  /// Those whose tags are not known yet: they wait to be sent.
  private var untagged: [CommandID] = []
  private var idling: CommandID?
  private var handshakeBegun: MonotonicInstant?
  private var receivedBefore = 0
  private var isOpen = false
  /// Whether the last lines were logged because of data that nobody understands: a server may send much of that.
  private var hasShownLines = false

  private struct Running {
    var name: String
    var tag: String?
    var begun: MonotonicInstant
  }

  init?(_ configuration: IMAPClient.Configuration, on loop: EventLoop) {
    if configuration.logger == nil, configuration.metrics == nil, configuration.recentLines <= 0 { return nil }
    self.loop = loop
    metrics = configuration.metrics
    begun = loop.now
    if configuration.recentLines > 0 { lines = RecentLines(limit: configuration.recentLines) }
    var logger = configuration.logger
    logger?[metadataKey: "host"] = "\(configuration.host)"
    logger?[metadataKey: "connection"] = "\(Self.count.wrappingAdd(1, ordering: .relaxed).newValue)"
    self.logger = logger
  }

  private static let count = Atomic<UInt64>(0)

  /// Whether somebody wants the lines of the wire.
  var wantsLines: Bool { lines != nil || logger.map { $0.logLevel <= .trace } ?? false }

  /// The last lines, that which is not complete included.
  var recentLines: [RecentLine] {
    guard var lines else { return [] }
    if let piece { lines.append(RecentLine(elapsed: elapsed, line: piece)) }
    return lines.all
  }

  // MARK: The wire

  /// Makes `configuration` tell the lines, and whoever wants them besides.
  func observe(_ configuration: inout ClientConnection.Configuration) {
    let other = configuration.wireObserver
    configuration.wireObserver = { [self] line in
      other?(line)
      wire(line)
    }
  }

  func wire(_ line: WireLine) {
    guard line.direction == .received else { return complete(line) }
    var whole = piece ?? WireLine(.received, "", endsLine: false)
    if whole.text.utf8.count < WireLine.maximumByteCount {
      whole.text += line.text
    } else if !whole.text.hasSuffix("…") {
      whole.text += "…"
    }
    whole.endsLine = line.endsLine
    piece = whole.endsLine ? nil : whole
    if whole.endsLine { complete(whole) }
  }

  private func complete(_ line: WireLine) {
    logger?.trace("\(line)")
    lines?.append(RecentLine(elapsed: elapsed, line: line))
  }

  func sent(_ byteCount: Int) { metrics?.sent.increment(by: byteCount) }

  // MARK: Commands

  func began(_ id: CommandID, _ command: borrowing Command, _ channel: ClientChannel) {
    let name = if case .other = copy command { "OTHER" } else { command.name }
    let tag = channel.tag(of: id)
    commands[id] = Running(name: name, tag: tag, begun: loop.now)
    if tag == nil { untagged.append(id) }
    logger?.debug("command", metadata: Self.metadata(name, tag))
  }

  /// Something came: what waited may have been sent.
  func noteTags(_ channel: ClientChannel) {
    if untagged.isEmpty { return }
    untagged.removeAll { id in
      guard let tag = channel.tag(of: id) else { return commands[id] == nil }
      commands[id]?.tag = tag
      return true
    }
  }

  func idles(_ id: CommandID) {
    if idling != nil { return }
    idling = id
    metrics?.idle.increment()
  }

  func ended(_ id: CommandID, _ outcome: Outcome, _ channel: ClientChannel) {
    if idling == id { leaveIdle() }
    countReceived(channel)
    guard let command = commands.removeValue(forKey: id) else { return }
    let duration = command.begun.duration(to: loop.now)
    var metadata = Self.metadata(command.name, command.tag)
    metadata["duration"] = "\(duration.inMilliseconds)"
    switch outcome {
    case .completed(let status):
      metrics?.command(command.name, CommandOutcome(status.condition), took: duration)
      metadata["status"] = "\(status.condition.rawValue)"
      // What answers a login may repeat it.
      let isLogin = command.name == "LOGIN" || command.name == "AUTHENTICATE"
      if status.condition != .ok, !(isLogin && status.condition == .bad) {
        metadata["text"] = "\(WireLine.escaped(Array(status.text.utf8.prefix(Self.mostText))))"
      }
      if status.condition == .bad, !isLogin, lines != nil {
        // Who is to blame only the lines say.
        metadata["recent"] = recentMetadata
        logger?.notice("command not understood", metadata: metadata)
      } else {
        logger?.debug("completed", metadata: metadata)
      }
    case .failed(let error):
      metrics?.command(command.name, .failed, took: duration)
      metadata["error"] = "\(Self.text(error))"
      logger?.debug("failed", metadata: metadata)
    // It was never sent: what was is finished by its completion.
    case .cancelled: logger?.debug("cancelled", metadata: metadata)
    }
  }

  // MARK: The connection

  func connected() {
    if handshakeBegun == nil { metrics?.connecting.recordNanoseconds(elapsed.nanosecondCount) }
    logger?.debug("connected", metadata: ["duration": "\(elapsed.inMilliseconds)"])
  }

  func securing() {
    // Implicit TLS: there is a connection, and nobody is told before the handshake is over.
    if !isOpen { metrics?.connecting.recordNanoseconds(elapsed.nanosecondCount) }
    handshakeBegun = loop.now
  }

  func secured(_ channel: ClientChannel) {
    guard let handshakeBegun else { return }
    let duration = handshakeBegun.duration(to: loop.now)
    metrics?.securing.recordNanoseconds(duration.nanosecondCount)
    logger?.debug(
      "TLS established",
      metadata: ["duration": "\(duration.inMilliseconds)", "version": "\(channel.tlsVersion ?? "unknown")"])
  }

  func greeted() {
    isOpen = true
    metrics?.opened.increment()
    metrics?.open.increment()
  }

  func closed(_ reason: CloseReason, _ channel: ClientChannel) {
    leaveIdle()
    countReceived(channel)
    if let piece { complete(piece) }
    piece = nil
    if isOpen { metrics?.open.decrement() }
    switch reason {
    case .logout, .local:
      logger?.debug("connection closed", metadata: ["reason": "\(reason.label)"])
    case .refused, .bye, .endOfInput, .error:
      if isOpen { metrics?.lost(reason) } else { metrics?.failed(reason) }
      logger?.warning(isOpen ? "connection lost" : "connection failed", metadata: lossMetadata(reason))
    }
    isOpen = false
  }

  private func lossMetadata(_ reason: CloseReason) -> Logger.Metadata {
    var metadata: Logger.Metadata = ["reason": "\(Self.text(reason.commandError))"]
    if lines != nil { metadata["recent"] = recentMetadata }
    return metadata
  }

  private var recentMetadata: Logger.MetadataValue { .array(recentLines.map { .string($0.description) }) }

  // MARK: Data

  func noticed(_ status: Status) {
    guard status.code == .alert else { return }
    logger?.notice("alert", metadata: ["text": "\(WireLine.escaped(Array(status.text.utf8.prefix(Self.mostText))))"])
  }

  /// The bytes are in the lines of the wire, where they hold no secret.
  func unexpected(_ problem: ParseError?) {
    var metadata: Logger.Metadata = ["problem": "\(problem?.description ?? "unknown response")"]
    if lines != nil, !hasShownLines {
      hasShownLines = true
      metadata["recent"] = recentMetadata
    }
    logger?.notice("unexpected data", metadata: metadata)
  }

  private var elapsed: Duration { begun.duration(to: loop.now) }

  private func leaveIdle() {
    if idling == nil { return }
    idling = nil
    metrics?.idle.decrement()
  }

  private func countReceived(_ channel: ClientChannel) {
    let count = channel.receivedCount
    if count > receivedBefore { metrics?.received.increment(by: count - receivedBefore) }
    receivedBefore = count
  }

  private static func metadata(_ name: String, _ tag: String?) -> Logger.Metadata {
    var metadata: Logger.Metadata = ["command": "\(name)"]
    if let tag { metadata["tag"] = "\(tag)" }
    return metadata
  }

  private static func text(_ error: ConnectionError) -> String {
    WireLine.escaped(Array(error.description.utf8.prefix(mostText)))
  }

  /// Bytes of a server's text that are logged.
  private static let mostText = 500
}
