import IMAPStateMachine

extension Channel: StreamOwner {
  final func streamConnected(_ stream: ByteStream, error: ConnectionError?) {}

  @unsafe final func streamBuffer(_ stream: ByteStream) -> UnsafeMutableRawBufferPointer {
    if tls != nil || phase != .open { return unsafe loop.tlsPort.readBuffer }
    if let deflate { return unsafe compressedBuffer(deflate) }
    if case .large(let box) = tail { return unsafe box.buffer.prepareForRead(suggested: EventLoop.readSize) }
    loop.requireScratch()
    if case .small(let bytes) = tail { loop.scratch.append(bytes.span) }
    return unsafe loop.scratch.prepareForRead(suggested: EventLoop.readSize)
  }

  final func stream(_ stream: ByteStream, received count: Int) {
    // A record of TLS may take longer than the peer may be silent.
    if count > 0, phase == .open, tls != nil || deflate != nil { machineProgressed() }
    if tls != nil {
      if count > 0 && (phase == .open || phase == .securing) { decrypt(count) }
    } else if phase == .open, let deflate {
      received(count, for: deflate)
    } else if phase == .open {
      if case .large(let box) = tail {
        box.buffer.commitRead(count)
      } else {
        loop.requireScratch()
        // Without a read the stashed bytes were only copied in front.
        if count > 0 { loop.scratch.commitRead(count) } else { loop.scratch.reset() }
      }
      if count > 0 { pump(isLoaded: true) }
    }
    if count == 0 || needsTick(stream) { loop.markDirty(self) } else { rearm() }
  }

  final func streamEnded(_ stream: ByteStream) {
    flags.insert(.sawEnd)
    switch phase {
    case .securing:
      do throws(ConnectionError) { try tls?.endOfInput() } catch { return fail(error) }
      fail(.transport(.init(.tls, message: "connection closed during the handshake", tls: .closed)))
    case .open: changed()
    case .finishing: loop.markDirty(self)
    case .lingering: closeStream()
    case .connecting, .closed: break
    }
  }

  final func streamFailed(_ stream: ByteStream, _ error: ConnectionError) { fail(error) }

  final func streamDrained(_ stream: ByteStream) {
    noteProgress()
    loop.markDirty(self)
  }

  final func streamClosed(_ stream: ByteStream) {
    self.stream = nil
    if end == nil, isMachineRunning {
      // The loop shuts down and has closed the socket itself.
      machineCloses()
      flags.formUnion([.broken, .ending])
      phase = .open
      pump()
    }
    phase = .closed
    deliverEnd(end ?? Ending(.local))
  }

  /// Hands what is unread, and what was just read into the loop's buffer if `isLoaded`, to the machine.
  final func pump(isLoaded: Bool = false) {
    // Never inside another connection's event: that one has borrowed the loop's buffer.
    if loop.isDriving { return changed() }
    loop.isDriving = true
    flags.insert(.driving)
    let result: DriveResult
    if case .large(let box) = tail {
      result = drive(&box.buffer)
      let unread = box.buffer.unread
      if unread == 0 {
        tail = .none
      } else if unread <= EventLoop.stashLimit {
        tail = .small(box.buffer.takeUnread())
      }
    } else {
      if !isLoaded, case .small(let bytes) = tail { loop.scratch.append(bytes.span) }
      tail = .none
      result = drive(&loop.scratch)
      let unread = loop.scratch.unread
      if unread > EventLoop.stashLimit {
        tail = .large(Box(unreadOf: loop.scratch))
      } else if unread > 0 {
        tail = .small(loop.scratch.takeUnread())
      }
      loop.scratch.reset()
    }
    loop.isDriving = false
    flags.remove([.needsDrive, .machinePaused, .driving])
    switch result {
    case .needsInput: break
    case .paused: flags.insert(.machinePaused)
    case .yielded:
      flags.insert(.machinePaused)
      loop.resumeLater(self)
    case .upgrade(.tls): upgrade()
    case .upgrade(.deflate): compress()
    case .closed(let reason): machineEnded(reason)
    }
    updateReading()
  }

  private func drive(_ input: inout ReceiveBuffer) -> DriveResult {
    // What is still compressed comes before the end.
    if flags.contains(.sawEnd), deflate?.hasRest != true { input.close() }
    return driveMachine(&input)
  }

  private func upgrade() {
    sendAll()
    if flags.contains(.broken) { return changed() }
    secure()
  }

  private func machineEnded(_ reason: CloseReason) {
    if end == nil { end = Ending(reason) }
    if phase != .open { return }
    if flags.contains(.broken) { return closeStream() }
    phase = .finishing
    transportDeadline = loop.now.advanced(by: Self.finishTimeout)
    loop.markDirty(self)
  }

  /// Decrypts everything that has arrived. Nothing of it stays behind as ciphertext: what a paused machine does not want is
  /// kept as plain text.
  private func decrypt(_ count: Int) {
    guard let engine = tls else { return }
    let wasEstablished = engine.isEstablished
    var isClosed = false
    var failure: ConnectionError?
    if deflate == nil, !isLarge {
      loop.requireScratch()
      if case .small(let bytes) = tail { loop.scratch.append(bytes.span) }
    }
    let port = loop.tlsPort
    do throws(ConnectionError) {
      try port.withReadBuffer(count) { () throws(ConnectionError) in
        if try !engine.handshake() { return }
        if let deflate {
          isClosed = try decrypt(engine, for: deflate)
        } else if case .large(let box) = tail {
          isClosed = try engine.read(into: &box.buffer) == .closed
        } else {
          isClosed = try engine.read(into: &loop.scratch) == .closed
        }
      }
    } catch {
      failure = error
    }
    // An alert tells the peer what was wrong.
    writeCiphertext()
    if isClosed { flags.insert(.sawEnd) }
    if engine.isEstablished && !wasEstablished && phase == .securing { secured() }
    // What was decrypted before a bad record came from the peer all the same.
    if let deflate {
      inflate(deflate)
      if isClosed { changed() }
    } else if phase == .open {
      pump(isLoaded: true)
    } else {
      loop.requireScratch()
      loop.scratch.reset()
    }
    if let failure { fail(failure) }
  }

  private var isLarge: Bool {
    if case .large = tail { return true }
    return false
  }

  final func updateReading() {
    // The end of the drive comes here, too; until then nobody may look at what is unread.
    guard let stream, !flags.contains(.driving) else { return }
    var reads = !flags.contains(.sawEnd)
    switch phase {
    case .connecting, .closed: reads = false
    // Nobody could decrypt what comes before it is this handshake's turn.
    case .securing: reads = reads && tls != nil
    case .lingering: break
    // Reading on shows whether the peer goes away; the bytes are of no use.
    case .finishing: reads = false
    case .open:
      if isHeld || flags.contains(.broken) { reads = false }
      if flags.contains(.machinePaused) && unreadCount > Self.pausedInput { reads = false }
      if flags.contains(.congested) && stopsReadingWhenCongested { reads = false }
      if let deflate, deflate.pending.count > Self.pausedInput { reads = false }
    }
    if !reads { return stream.pauseReading() }
    do throws(LoopError) { try stream.startReading() } catch { fail(error.connectionError(.read)) }
  }

  private var unreadCount: Int {
    switch tail {
    case .none: 0
    case .small(let bytes): bytes.count
    case .large(let box): box.buffer.unread
    }
  }
}
