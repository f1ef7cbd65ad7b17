// IMAP as a handler of SwiftNIO: bytes below, commands from above, events to a closure. Its tests show how it is used:
//
//   swift test --package-path Examples/NIOAdapter

import IMAPStateMachine
import NIOCore

/// The client's side of IMAP in a channel's pipeline, behind whatever does TLS.
///
/// Write a ``Command``: it is sent with the next flush, as soon as the protocol allows, and its promise succeeds once the
/// server has completed it with OK. All else comes to the closure, and borrows what arrived: what is to be kept has to be
/// copied. Everything is called on the channel's event loop.
final class IMAPClientHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = Command
  typealias OutboundOut = ByteBuffer

  private var machine: ClientConnection
  private var input = ReceiveBuffer()
  private let handle: (borrowing ClientEvent, IMAPClientHandler) -> Void
  private var promises: [CommandID: EventLoopPromise<Void>] = [:]
  private var context: ChannelHandlerContext?
  /// What arrived while an event was handled.
  private var arrived: [ByteBuffer] = []
  private var isWorking = false
  private var isInputOver = false
  private var isOver = false
  private var timer: (task: Scheduled<Void>, due: MonotonicInstant)?

  /// `now` is the time of the event loop that the channel will run on. `handle` may give the handler commands and answers.
  init(
    _ configuration: ClientConnection.Configuration = .init(), now: NIODeadline,
    _ handle: @escaping (borrowing ClientEvent, IMAPClientHandler) -> Void
  ) {
    machine = ClientConnection(configuration, now: now.instant)
    self.handle = handle
  }

  // MARK: What the user wants

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    do {
      let id = try machine.enqueue(unwrapOutboundIn(data), now: context.eventLoop.now.instant)
      promises[id] = promise
    } catch {
      promise?.fail(error)
    }
  }

  func flush(context: ChannelHandlerContext) { work(context) }

  /// Ends an IDLE. A command that is written ends it as well.
  func endIdle(_ id: CommandID) throws {
    guard let context else { return }
    try machine.endIdle(id, now: context.eventLoop.now.instant)
    work(context)
  }

  /// Writes bytes of a message, when `readyForLiteral` has asked for them. Returns how many were taken: fewer than given
  /// while the channel is not writable, and `readyForLiteral` comes again.
  func write(_ id: CommandID, literal bytes: Span<UInt8>) throws -> Int {
    guard let context else { return 0 }
    let count = try machine.write(id, literal: bytes, now: context.eventLoop.now.instant)
    work(context)
    return count
  }

  func answer(_ id: CommandID, challenge response: Span<UInt8>) throws {
    guard let context else { return }
    try machine.answer(id, challenge: response, now: context.eventLoop.now.instant)
    work(context)
  }

  /// The layer that `upgrade` asked for is in the pipeline, in front of this handler.
  func upgraded(_ upgrade: Upgrade) {
    guard let context else { return }
    machine.upgraded(upgrade, now: context.eventLoop.now.instant)
    work(context)
  }

  // MARK: What the channel did

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    work(context)
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    machine.close(now: context.eventLoop.now.instant)
    work(context)
    self.context = nil
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    arrived.append(unwrapInboundIn(data))
    work(context)
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    work(context)
    context.fireChannelWritabilityChanged()
  }

  func channelInactive(context: ChannelHandlerContext) {
    isInputOver = true
    work(context)
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    machine.transportFailed(.transport(.init(.read, message: "\(error)")))
    work(context)
  }

  // MARK: The machine

  /// Handles what has happened, then sends. A handler of events that gets here again has its turn in the same loop.
  private func work(_ context: ChannelHandlerContext) {
    if isWorking { return }
    isWorking = true
    var isDone = false
    while !isDone {
      handleEvents(&input, context)
      isDone = arrived.isEmpty && isInputOver == input.isClosed
      for bytes in arrived { input.append(bytes.readableBytesUInt8Span) }
      arrived.removeAll(keepingCapacity: true)
      if isInputOver { input.close() }
      if isDone { isDone = !send(context) }
    }
    isWorking = false
    schedule(context)
    if isOver { context.close(promise: nil) }
  }

  /// The buffer is an argument: the event borrows it, and nothing else of this object.
  private func handleEvents(_ input: inout ReceiveBuffer, _ context: ChannelHandlerContext) {
    while !isOver {
      do {
        let event = try machine.next(&input, now: context.eventLoop.now.instant)
        switch event {
        case .needMoreInput, .paused: return
        case .completed(let id, let status):
          let promise = promises.removeValue(forKey: id)
          if status.condition == .ok { promise?.succeed() } else { promise?.fail(IMAPRefusal(status: status.copy())) }
        case .upgrade(_, let id): promises.removeValue(forKey: id)?.succeed()
        case .failed(let id, let error): promises.removeValue(forKey: id)?.fail(error)
        case .closed: isOver = true
        default: break
        }
        handle(event, self)
      } catch {
        isOver = true
      }
    }
  }

  /// Sends while the channel is writable; what is left waits in the machine, which then takes no more of a message. True
  /// where something was sent: the machine may have more to say.
  private func send(_ context: ChannelHandlerContext) -> Bool {
    guard context.channel.isWritable, !machine.outbound.isEmpty else { return false }
    let buffer = Self.piece(of: machine.outbound, context.channel.allocator)
    machine.consumeOutbound(buffer.readableBytes)
    context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    return true
  }

  /// Not all at once, so that the channel can say when it has enough.
  private static func piece(of bytes: Span<UInt8>, _ allocator: ByteBufferAllocator) -> ByteBuffer {
    let piece = bytes.extracting(first: min(bytes.count, 16 << 10))
    var buffer = allocator.buffer(capacity: piece.count)
    _ = unsafe piece.withUnsafeBytes { unsafe buffer.writeBytes($0) }
    return buffer
  }

  /// A deadline that moved further away keeps its timer, which then finds nothing due and is set anew: deadlines move with
  /// every byte, and timers cost.
  private func schedule(_ context: ChannelHandlerContext) {
    let due = isOver ? nil : machine.nextDeadline
    if let timer, let due, timer.due <= due { return }
    timer?.task.cancel()
    timer = nil
    guard let due else { return }
    let time = NIODeadline.uptimeNanoseconds(UInt64(clamping: due.nanoseconds))
    let task = context.eventLoop.assumeIsolated().scheduleTask(deadline: time) {
      self.timer = nil
      guard let context = self.context else { return }
      self.machine.handleTimeout(now: context.eventLoop.now.instant)
      self.work(context)
    }
    timer = (task, due)
  }
}

/// The server completed a command with NO or BAD.
struct IMAPRefusal: Error { let status: Status }

extension NIODeadline {
  var instant: MonotonicInstant { MonotonicInstant(nanoseconds: Int64(clamping: uptimeNanoseconds)) }
}
