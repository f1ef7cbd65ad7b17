internal import CSSL
import IMAPStateMachine

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Decides on certificates where OpenSSL alone does not: pins, and what the user has to say.
@safe
final class TLSVerifier: Sendable {
  private let pins: [TLSPin]
  private let checksChain: Bool
  private let inspect: (@Sendable (TLSContext.CertificateCheck) -> TLSContext.Verdict)?

  /// Results that OpenSSL has no numbers for; its own are small.
  static let wrongPin = 0x494D_4150
  static let refused = 0x494D_4151

  init(
    pins: [TLSPin], checksChain: Bool,
    inspect: (@Sendable (TLSContext.CertificateCheck) -> TLSContext.Verdict)?
  ) {
    self.pins = pins
    self.checksChain = checksChain
    self.inspect = inspect
  }

  /// The session that a check is for.
  static func session(of check: OpaquePointer) -> OpaquePointer? {
    unsafe OpaquePointer(X509_STORE_CTX_get_ex_data(check, SSL_get_ex_data_X509_STORE_CTX_idx()))
  }

  /// Whether the certificate of `check` is accepted. Sets its error.
  func verify(_ check: OpaquePointer, of ssl: OpaquePointer) -> Bool {
    var isAccepted = unsafe !checksChain || X509_verify_cert(check) == 1
    if isAccepted, !pins.isEmpty, unsafe !matchesPin(check) {
      isAccepted = false
      unsafe X509_STORE_CTX_set_error(check, Int32(Self.wrongPin))
    }
    if !checksChain, isAccepted { unsafe X509_STORE_CTX_set_error(check, X509_V_OK) }
    guard let inspect else { return isAccepted }

    let error = isAccepted ? Int(X509_V_OK) : Int(unsafe X509_STORE_CTX_get_error(check))
    let leaf = unsafe X509_STORE_CTX_get0_cert(check).map { unsafe Self.der($0) }
    let verdict = inspect(
      TLSContext.CertificateCheck(
        host: unsafe TLSError.checkedName(ssl) ?? "", leaf: leaf ?? [],
        chain: unsafe Self.certificates(X509_STORE_CTX_get0_untrusted(check)),
        refusal: isAccepted ? nil : TLSError.refusal(error),
        explanation: isAccepted ? "" : TLSError.explanation(error)))
    switch verdict {
    case .accept:
      unsafe X509_STORE_CTX_set_error(check, X509_V_OK)
      return true
    case .refuse(let reason):
      unsafe TLSPort.of(ssl)?.refusal = reason
      unsafe X509_STORE_CTX_set_error(check, Int32(Self.refused))
      return false
    }
  }

  /// A certificate as DER.
  static func der(_ certificate: OpaquePointer) -> [UInt8] {
    let count = unsafe i2d_X509(certificate, nil)
    return unsafe encoded(count) { unsafe i2d_X509(certificate, &$0) }
  }

  private func matchesPin(_ check: OpaquePointer) -> Bool {
    guard checksChain else { return unsafe X509_STORE_CTX_get0_cert(check).map { unsafe matchesPin(of: $0) } ?? false }
    guard let chain = unsafe X509_STORE_CTX_get0_chain(check) else { return false }
    return unsafe (0..<cssl_certificate_count(chain)).contains { index in
      unsafe cssl_certificate_at(chain, index).map { unsafe matchesPin(of: $0) } ?? false
    }
  }

  private func matchesPin(of certificate: OpaquePointer) -> Bool {
    pins.contains { pin in
      switch pin.kind {
      case .certificate: unsafe Self.digest(Self.der(certificate)) == pin.digest
      case .publicKey:
        // A certificate always has a key: OpenSSL would not have read it.
        unsafe Self.digest(Self.publicKey(certificate)) == pin.digest
      }
    }
  }

  private static func publicKey(_ certificate: OpaquePointer) -> [UInt8] {
    let key = unsafe X509_get_X509_PUBKEY(certificate)
    let count = unsafe i2d_X509_PUBKEY(key, nil)
    return unsafe encoded(count) { unsafe i2d_X509_PUBKEY(key, &$0) }
  }

  private static func encoded(
    _ count: Int32, _ encode: (inout UnsafeMutablePointer<UInt8>?) -> Int32
  ) -> [UInt8] {
    if count <= 0 { return [] }
    return unsafe [UInt8](unsafeUninitializedCapacity: Int(count)) { buffer, size in
      // Safe: the encoder writes the `count` bytes that it has asked for.
      var end = buffer.baseAddress
      size = unsafe max(0, Int(encode(&end)))
    }
  }

  private static func digest(_ bytes: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    let status = unsafe EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil)
    return status == 1 && !bytes.isEmpty ? digest : []
  }

  private static func certificates(_ chain: OpaquePointer?) -> [[UInt8]] {
    guard let chain = unsafe chain else { return [] }
    return unsafe (0..<max(0, cssl_certificate_count(chain))).compactMap { index in
      unsafe cssl_certificate_at(chain, index).map { unsafe der($0) }
    }
  }
}

/// Appends keys to a file in the format of SSLKEYLOGFILE.
final class TLSKeyLog: Sendable {
  private let file: Int32

  /// Opens the file, which nobody but its owner can read where it is new.
  init(_ path: String) throws(ConnectionError) {
    file = unsafe open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
    if file < 0 {
      throw .transport(
        .init(.tls, code: Int(errno), message: "cannot write the key log \(path)", tls: .configuration))
    }
  }

  deinit { close(file) }

  /// One call for a line, so that those of several threads do not mix.
  func write(_ line: String) {
    let bytes = Array("\(line)\n".utf8)
    // Whoever reads the log sees that a line is missing; the connection works all the same.
    unsafe _ = systemWrite(file, bytes, bytes.count)
  }
}

private let systemWrite: @Sendable (Int32, UnsafeRawPointer?, Int) -> Int = { unsafe write($0, $1, $2) }
