import IMAPStateMachine

/// COMPRESS=DEFLATE (RFC 4978).
extension IMAPClient {
  /// COMPRESS: both directions are compressed from now on, below TLS where there is TLS. The user must have logged in.
  /// ``Configuration/compresses`` makes each login do it.
  ///
  /// Throws `.capabilityMissing` where the server has not announced it, `.misuse` where the connection is compressed already,
  /// else as every command does.
  public func compress() async throws(IMAPError) {
    if isCompressed { throw .connection(.misuse(.init(.wrongState, state: "compressed"))) }
    try await require(.compressDeflate, for: "COMPRESS")
    try await run("COMPRESS", .compress)
  }

  /// Whether both directions are compressed.
  public var isCompressed: Bool { channel.isCompressed }

  /// What compression made of the connection's bytes; nil where they are not compressed.
  public var compression: CompressionStatistics? { channel.compression }

  /// What ``Configuration/compresses`` asks for, once somebody has logged in. A server that says no is not asked again.
  func compressIfWanted() async throws(IMAPError) {
    if !configuration.compresses || isCompressed { return }
    if try await !supports(.compressDeflate) { return }
    do throws(IMAPError) {
      try await run("COMPRESS", .compress)
    } catch {
      switch error {
      case .refused, .rejected: break
      default: throw error
      }
    }
  }
}
