/// The hash functions of SASL mechanisms.
public enum SASLHash: String, Hashable, Sendable, CaseIterable {
  /// For CRAM-MD5 and DIGEST-MD5 only.
  case md5 = "MD5"
  /// For SCRAM-SHA-1.
  case sha1 = "SHA-1"
  /// For SCRAM-SHA-256.
  case sha256 = "SHA-256"

  /// Bytes of a digest.
  public var byteCount: Int {
    switch self {
    case .md5: 16
    case .sha1: 20
    case .sha256: 32
    }
  }
}

/// Hash functions as a value that the caller hands in: this library computes none itself. Digests are secrets, because in
/// SASL they are as good as the password. Every function returns nil where the hash is not available.
public protocol SASLHashes: Sendable {
  /// The digest of `message`.
  func digest(_ hash: SASLHash, _ message: Span<UInt8>) -> Secret?

  /// HMAC of `message` (RFC 2104).
  func hmac(_ hash: SASLHash, key: Span<UInt8>, _ message: Span<UInt8>) -> Secret?

  /// PBKDF2 with HMAC and one block of output (RFC 8018), which is `Hi` of RFC 5802. `iterations` is at least
  /// 1. Complexity: O(iterations); a million take about half a second.
  func pbkdf2(_ hash: SASLHash, password: Span<UInt8>, salt: Span<UInt8>, iterations: UInt32) -> Secret?
}
