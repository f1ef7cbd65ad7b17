internal import CSSL
import IMAPStateMachine

/// The hash functions of OpenSSL, for SASL mechanisms. May be used on any thread. An OpenSSL that is restricted to approved
/// functions has no MD5: the functions then return nil.
public struct OpenSSLHashes: SASLHashes {
  /// There is nothing to configure.
  public init() {}

  /// The digest of `message`.
  public func digest(_ hash: SASLHash, _ message: Span<UInt8>) -> Secret? {
    unsafe output(hash) { output, count in
      unsafe message.withUnsafeBufferPointer { message in
        unsafe EVP_Digest(message.baseAddress, message.count, output, &count, Self.function(hash), nil) == 1
      }
    }
  }

  /// HMAC of `message` (RFC 2104).
  public func hmac(_ hash: SASLHash, key: Span<UInt8>, _ message: Span<UInt8>) -> Secret? {
    guard let keyCount = Int32(exactly: key.count) else { return nil }
    return unsafe output(hash) { output, count in
      unsafe key.withUnsafeBufferPointer { key in
        unsafe message.withUnsafeBufferPointer { message in
          // Without a pointer OpenSSL takes the key of the call before.
          let none: UInt8 = 0
          return unsafe withUnsafePointer(to: none) { none in
            let key = unsafe key.baseAddress ?? none
            return unsafe HMAC(
              Self.function(hash), key, keyCount, message.baseAddress ?? none, message.count, output, &count) != nil
          }
        }
      }
    }
  }

  /// PBKDF2 with HMAC and one block of output (RFC 8018). A million iterations take about half a second.
  public func pbkdf2(_ hash: SASLHash, password: Span<UInt8>, salt: Span<UInt8>, iterations: UInt32) -> Secret? {
    guard let rounds = Int32(exactly: iterations), rounds > 0, let saltCount = Int32(exactly: salt.count),
      let passwordCount = Int32(exactly: password.count)
    else { return nil }
    return unsafe output(hash) { output, count in
      count = UInt32(hash.byteCount)
      return unsafe password.withUnsafeBytes { password in
        unsafe salt.withUnsafeBufferPointer { salt in
          unsafe PKCS5_PBKDF2_HMAC(
            password.assumingMemoryBound(to: CChar.self).baseAddress, passwordCount, salt.baseAddress, saltCount,
            rounds,
            Self.function(hash), Int32(hash.byteCount), output) == 1
        }
      }
    }
  }

  /// `count` random bytes, fit for keys and nonces; nil where the system has none.
  static func random(_ count: Int) -> [UInt8]? {
    guard let size = Int32(exactly: count) else { return nil }
    var bytes = [UInt8](repeating: 0, count: count)
    return unsafe RAND_bytes(&bytes, size) == 1 ? bytes : nil
  }

  /// What `body` writes, which is one digest and no more.
  private func output(
    _ hash: SASLHash, _ body: (UnsafeMutablePointer<UInt8>?, inout UInt32) -> Bool
  ) -> Secret? {
    defer { ERR_clear_error() }
    var bytes = [UInt8](repeating: 0, count: hash.byteCount)
    var count: UInt32 = 0
    // Safe: OpenSSL writes as many bytes as the digest has.
    let isDone = unsafe bytes.withUnsafeMutableBufferPointer { unsafe body($0.baseAddress, &count) }
    return isDone && Int(count) == bytes.count ? Secret(bytes) : nil
  }

  private static func function(_ hash: SASLHash) -> OpaquePointer? {
    switch hash {
    case .md5: unsafe EVP_md5()
    case .sha1: unsafe EVP_sha1()
    case .sha256: unsafe EVP_sha256()
    }
  }
}
