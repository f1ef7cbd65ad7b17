import IMAPStateMachine

extension Channel {
  final func flush() {
    if flags.contains(.broken) { return }
    let before = outboundCount
    // A writer that stopped by itself at so many bytes is told as well when they are gone.
    if before > Self.highWatermark { flags.insert(.congested) }
    let hasMore = flush(limit: Self.highWatermark)
    if flags.contains(.broken) { return }
    let queued = stream?.queued ?? 0
    if queued > 0 { noteProgress() }
    // The machine may have ended just before: then it is the deadline of that.
    if phase == .open {
      if queued == 0 {
        transportDeadline = MonotonicInstant(nanoseconds: .max)
      } else if transportDeadline.nanoseconds == .max, let sendTimeout {
        transportDeadline = loop.now.advanced(by: sendTimeout)
      }
    }
    let pending = outboundCount + queued
    if pending > Self.highWatermark {
      flags.insert(.congested)
    } else if flags.contains(.congested), pending <= Self.lowWatermark {
      flags.remove(.congested)
      becameWritable()
    }
    // It waited for room, and may have filled it already.
    if hasMore { changed() }
  }

  /// Sends or queues all that the machine has, whatever the watermarks: what follows has another form.
  final func sendAll() {
    _ = flush(limit: .max)
  }

  /// Returns whether the machine may have waited for that.
  private func flush(limit: Int) -> Bool {
    if let deflate { return flushCompressed(deflate, limit: limit) }
    return tls != nil ? flushEncrypted(limit: limit) : flushPlain(limit: limit)
  }

  private func flushPlain(limit: Int) -> Bool {
    guard let stream else { return false }
    var failure: LoopError?
    let hasMore = sendOutbound { bytes in
      do throws(LoopError) {
        return try stream.write(bytes, queueing: limit)
      } catch {
        failure = error
        return 0
      }
    }
    if let failure { fail(failure.connectionError(.write)) }
    return hasMore
  }

  private func flushEncrypted(limit: Int) -> Bool {
    guard let stream, let engine = tls, engine.isEstablished else { return false }
    var failure: ConnectionError?
    let hasMore = sendOutbound { bytes in
      var sent = 0
      do throws(ConnectionError) {
        while sent < bytes.count, stream.queued < limit, failure == nil {
          let count = try engine.write(bytes.extracting(sent...))
          if count == 0 { break }
          sent += count
          if loop.tlsPort.output.count >= Self.highWatermark { failure = sendCiphertext() }
        }
      } catch {
        failure = error
      }
      return sent
    }
    failure = sendCiphertext() ?? failure
    if let failure { fail(failure) }
    return hasMore
  }

  /// Writes what OpenSSL has left for the peer.
  final func writeCiphertext() {
    if let error = sendCiphertext() { fail(error) }
  }

  final func sendCiphertext() -> ConnectionError? {
    let port = loop.tlsPort
    if port.output.isEmpty { return nil }
    defer { port.clearOutput() }
    guard let stream, !flags.contains(.broken) else { return nil }
    do throws(LoopError) {
      _ = try stream.write(port.output.span)
      return nil
    } catch {
      return error.connectionError(.write)
    }
  }
}

// MARK: - The end

extension Channel {
  /// The transport does not work any more.
  final func fail(_ error: ConnectionError) {
    switch phase {
    case .connecting: endBeforeMachine(.error(error))
    case .securing:
      if !isMachineRunning { return endBeforeMachine(.error(error)) }
      machineFails(error)
      stopSecuring()
      changed()
    case .open:
      if flags.contains(.broken) { return }
      flags.formUnion([.broken, .ending])
      machineFails(error)
      changed()
    case .finishing, .lingering: closeStream()
    case .closed: break
    }
  }

  /// Sends the machine's last bytes, says goodbye in TLS, then closes.
  final func finish() {
    guard let stream else { return closeStream() }
    sendAll()
    if flags.contains(.broken) || phase != .finishing { return closeStream() }
    if let tls {
      tls.close()
      writeCiphertext()
    }
    if phase != .finishing || stream.queued > 0 { return }
    if !lingers || flags.contains(.sawEnd) { return closeStream() }
    // Closing a socket with unread input resets it, and the peer may never see what was sent last.
    phase = .lingering
    transportDeadline = loop.now.advanced(by: Self.lingerTimeout)
    stream.shutdownWriting()
  }

  final func closeStream() {
    if phase == .closed { return }
    phase = .closed
    loop.disarm(self)
    if let stream { stream.close() } else { loop.markDirty(self) }
  }

  final func deliverEnd(_ end: Ending) {
    phase = .closed
    loop.disarm(self)
    endTurn()
    self.end = end
    tail = .none
    endDeflate()
    let setup = self.setup
    self.setup = nil
    if tls != nil {
      tls = nil
      loop.counters.close(.tls)
      loop.counters.free(.tls)
    }
    becameClosed(end.reason)
    if let setup { releasedSetup(setup) }
  }
}
