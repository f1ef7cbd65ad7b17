/// What compression made of the bytes of a connection since it began.
public struct CompressionStatistics: Hashable, Sendable {
  /// Bytes that were sent, before they were compressed.
  public var sent: UInt64 = 0
  /// What they were compressed to.
  public var sentCompressed: UInt64 = 0
  /// Bytes that came, inflated.
  public var received: UInt64 = 0
  /// What they came as.
  public var receivedCompressed: UInt64 = 0

  /// How many bytes went over the connection for each compressed one, in both directions; 1 where there was none.
  public var ratio: Double {
    let compressed = sentCompressed + receivedCompressed
    return compressed == 0 ? 1 : Double(sent + received) / Double(compressed)
  }
}

/// What a peer may make of its compressed bytes. They are never all inflated at once: the machine gets them piece by piece, and a
/// peer whose bytes nobody takes has to wait. These bounds are for one that goes on for ever.
public struct DeflateLimits: Hashable, Sendable {
  /// Inflated bytes for each compressed one, over the whole connection. Mail is below 10, DEFLATE ends at 1,032, and a few hundred
  /// are possible where somebody fetches a disk image that is empty.
  public var ratio: UInt64 = 200
  /// Inflated bytes from which on ``ratio`` holds: that disk image, and no more.
  public var ratioAfter: UInt64 = 1 << 30
  /// Inflated bytes of a connection. A terabyte is more than any account has.
  public var inflatedBytes: UInt64 = 1 << 40

  /// The defaults.
  public init() {}
}
