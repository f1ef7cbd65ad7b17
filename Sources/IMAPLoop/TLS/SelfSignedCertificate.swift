internal import CSSL
import IMAPStateMachine

/// A certificate with its key that nobody has signed but itself. For tests and demos: a client trusts it only if it is told
/// to (`TLSContext.Trust.pem`).
public struct SelfSignedCertificate: Sendable, Hashable, CustomStringConvertible {
  /// The certificate as PEM.
  public let certificatePEM: String
  /// The private key as PEM (PKCS #8).
  public let privateKeyPEM: String

  /// For ``TLSContext/server(identity:)``.
  public var identity: TLSContext.Identity { .pem(certificate: certificatePEM, key: privateKeyPEM) }

  /// Does not show the key.
  public var description: String { "SelfSignedCertificate(\(certificatePEM.utf8.count) bytes of PEM)" }

  /// Makes a P-256 key and a certificate for `hosts`: DNS names and IP addresses. It is valid from `validFrom` seconds from
  /// now (by default an hour ago) for `validFor` seconds (by default ten days). Throws `.certificate` if a host is neither.
  public static func generate(
    hosts: [String], validFrom: Int = -3600, validFor: Int = 10 * 86_400
  ) throws(ConnectionError) -> SelfSignedCertificate {
    ERR_clear_error()
    guard let key = unsafe cssl_generate_p256() else { throw failure("cannot make a key") }
    defer { unsafe EVP_PKEY_free(key) }
    guard let certificate = unsafe X509_new() else { throw failure("no memory") }
    defer { unsafe X509_free(certificate) }
    var serial: UInt64 = 0
    unsafe RAND_bytes(&serial, 8)
    // RFC 5280: positive.
    unsafe ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1)
    unsafe X509_set_version(certificate, 2)
    unsafe X509_gmtime_adj(X509_getm_notBefore(certificate), validFrom)
    unsafe X509_gmtime_adj(X509_getm_notAfter(certificate), validFrom + validFor)
    unsafe X509_set_pubkey(certificate, key)
    let name = unsafe X509_get_subject_name(certificate)
    let common = Array((hosts.first ?? "localhost").utf8.prefix(64))
    unsafe X509_NAME_add_entry_by_txt(name, "CN", V_ASN1_UTF8STRING, common, Int32(common.count), -1, 0)
    unsafe X509_set_issuer_name(certificate, name)
    try unsafe add(NID_basic_constraints, "critical,CA:TRUE", to: certificate)
    try unsafe add(NID_key_usage, "critical,digitalSignature,keyCertSign", to: certificate)
    try unsafe add(NID_ext_key_usage, "serverAuth,clientAuth", to: certificate)
    try unsafe add(NID_subject_alt_name, alternativeNames(hosts), to: certificate)
    if unsafe X509_sign(certificate, key, EVP_sha256()) == 0 { throw failure("cannot sign") }
    let certificatePEM = try unsafe pem { unsafe PEM_write_bio_X509($0, certificate) }
    let keyPEM = try unsafe pem { unsafe PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil) }
    return SelfSignedCertificate(certificatePEM: certificatePEM, privateKeyPEM: keyPEM)
  }

  private static func alternativeNames(_ hosts: [String]) throws(ConnectionError) -> String {
    var names: [String] = []
    for host in hosts {
      if SocketAddress(numeric: host, port: 0) != nil {
        names.append("IP:\(host)")
      } else if !host.isEmpty, host.utf8.allSatisfy(isHostByte) {
        names.append("DNS:\(host)")
      } else {
        let message = "\(host) is neither a host name nor an address"
        throw .transport(.init(.certificate, message: message, tls: .configuration))
      }
    }
    return names.joined(separator: ",")
  }

  /// What may stand in OpenSSL's list of names without a meaning of its own.
  private static func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2A, 0x2D, 0x2E, 0x5F: true
    default: false
    }
  }

  private static func add(_ kind: Int32, _ value: String, to certificate: OpaquePointer) throws(ConnectionError) {
    var context = unsafe X509V3_CTX()
    unsafe X509V3_set_ctx(&context, certificate, certificate, nil, nil, 0)
    guard let entry = unsafe X509V3_EXT_conf_nid(nil, &context, kind, value) else { throw failure("bad extension") }
    unsafe X509_add_ext(certificate, entry, -1)
    unsafe X509_EXTENSION_free(entry)
  }

  private static func pem(_ write: (OpaquePointer) -> Int32) throws(ConnectionError) -> String {
    guard let bio = unsafe BIO_new(BIO_s_mem()) else { throw failure("no memory") }
    defer { unsafe BIO_free(bio) }
    if unsafe write(bio) != 1 { throw failure("cannot write PEM") }
    var text = [UInt8](repeating: 0, count: 16 * 1024)
    let count = unsafe BIO_read(bio, &text, Int32(text.count))
    return String(decoding: text.prefix(max(0, Int(count))), as: UTF8.self)
  }

  private static func failure(_ what: String) -> ConnectionError {
    guard case .transport(let failure) = TLSError.take(what) else {
      return .transport(.init(.certificate, message: what, tls: .configuration))
    }
    return .transport(.init(.certificate, code: failure.code, message: failure.message, tls: .configuration))
  }
}
