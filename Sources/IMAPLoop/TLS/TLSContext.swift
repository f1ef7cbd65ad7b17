internal import CSSL
import IMAPStateMachine

/// What TLS sessions share: who is trusted and who this side is. Make one per configuration and use it for every connection;
/// it may be used on several threads at once.
///
/// TLS 1.2 is the floor (RFC 8314), renegotiation is off, and buffers are given back while a session is idle.
@safe
public final class TLSContext: @unchecked Sendable {
  // Sendable: OpenSSL locks what it changes in a context after it was set up, which only the initialisers do.
  let pointer: OpaquePointer
  let isServer: Bool
  let verifiesHost: Bool

  /// Whom a client trusts.
  public enum Trust: Sendable, Hashable {
    /// The roots that the system's OpenSSL is configured with.
    case system
    /// The certificates in a PEM file, and nobody else.
    case file(String)
    /// The certificates in this PEM text, and nobody else.
    case pem(String)
    /// Everybody: no certificate and no host name is checked. For tests only; anybody on the way can read and change
    /// everything.
    case insecure
  }

  /// A certificate chain with its key.
  public enum Identity: Sendable, Hashable {
    /// PEM files: the certificate followed by its intermediates, and the private key.
    case files(certificate: String, key: String)
    /// The same as text.
    case pem(certificate: String, key: String)
  }

  /// A context for clients. Throws a `.tls` or `.certificate` transport failure if something cannot be loaded.
  public static func client(trust: Trust = .system, identity: Identity? = nil) throws(ConnectionError) -> TLSContext {
    let context = try TLSContext(isServer: false, verifiesHost: trust != .insecure)
    try context.setTrust(trust)
    if let identity { try context.setIdentity(identity) }
    return context
  }

  /// A context for servers. Throws a `.tls` or `.certificate` transport failure if the identity cannot be loaded.
  public static func server(identity: Identity) throws(ConnectionError) -> TLSContext {
    let context = try TLSContext(isServer: true, verifiesHost: false)
    try context.setIdentity(identity)
    return context
  }

  private init(isServer: Bool, verifiesHost: Bool) throws(ConnectionError) {
    ERR_clear_error()
    guard let pointer = unsafe SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method()) else {
      throw TLSError.take("OpenSSL has no memory for a context")
    }
    unsafe self.pointer = pointer
    self.isServer = isServer
    self.verifiesHost = verifiesHost
    if unsafe cssl_set_min_tls12(pointer) != 1 { throw TLSError.take("TLS 1.2 is not available") }
    unsafe SSL_CTX_set_options(pointer, UInt64(cssl_no_renegotiation()))
    // The output of a session goes into a shared buffer that may move between two attempts.
    let mode = SSL_MODE_RELEASE_BUFFERS | UInt32(SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE)
    unsafe _ = cssl_set_mode(pointer, Int(mode))
  }

  deinit { unsafe SSL_CTX_free(pointer) }

  private func setTrust(_ trust: Trust) throws(ConnectionError) {
    ERR_clear_error()
    unsafe SSL_CTX_set_verify(pointer, trust == .insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nil)
    switch trust {
    case .insecure: break
    case .system:
      if unsafe SSL_CTX_set_default_verify_paths(pointer) != 1 { throw TLSError.take("no system roots") }
    case .file(let path):
      if unsafe SSL_CTX_load_verify_file(pointer, path) != 1 {
        throw Self.certificateFailure("cannot load the trusted certificates in \(path)")
      }
    case .pem(let text):
      let store = unsafe SSL_CTX_get_cert_store(pointer)
      var count = 0
      try unsafe Self.withCertificates(in: text) { certificate throws(ConnectionError) in
        if unsafe X509_STORE_add_cert(store, certificate) != 1 { throw Self.certificateFailure("cannot trust it") }
        count += 1
      }
      if count == 0 { throw Self.certificateFailure("no certificate in the trusted PEM text") }
    }
  }

  private func setIdentity(_ identity: Identity) throws(ConnectionError) {
    ERR_clear_error()
    switch identity {
    case .files(let certificate, let key):
      if unsafe SSL_CTX_use_certificate_chain_file(pointer, certificate) != 1 {
        throw Self.certificateFailure("cannot load the certificate in \(certificate)")
      }
      if unsafe SSL_CTX_use_PrivateKey_file(pointer, key, SSL_FILETYPE_PEM) != 1 {
        throw Self.certificateFailure("cannot load the private key in \(key)")
      }
    case .pem(let certificate, let key):
      var count = 0
      try unsafe Self.withCertificates(in: certificate) { certificate throws(ConnectionError) in
        let status =
          count == 0
          ? unsafe SSL_CTX_use_certificate(pointer, certificate)
          : unsafe cssl_add1_chain_certificate(pointer, certificate)
        if status != 1 { throw Self.certificateFailure("cannot use the certificate") }
        count += 1
      }
      if count == 0 { throw Self.certificateFailure("no certificate in the PEM text") }
      try usePrivateKey(key)
    }
    if unsafe SSL_CTX_check_private_key(pointer) != 1 {
      throw Self.certificateFailure("the private key does not belong to the certificate")
    }
  }

  private func usePrivateKey(_ text: String) throws(ConnectionError) {
    let bio = unsafe Self.memory(text)
    defer { unsafe BIO_free(bio) }
    // An encrypted key must fail rather than ask for its pass phrase on the terminal.
    guard let key = unsafe PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in -1 }, nil) else {
      throw Self.certificateFailure("no private key in the PEM text")
    }
    defer { unsafe EVP_PKEY_free(key) }
    if unsafe SSL_CTX_use_PrivateKey(pointer, key) != 1 {
      throw Self.certificateFailure("the private key does not belong to the certificate")
    }
  }

  private static func withCertificates(
    in text: String, _ body: (OpaquePointer) throws(ConnectionError) -> Void
  ) throws(ConnectionError) {
    let bio = unsafe memory(text)
    defer { unsafe BIO_free(bio) }
    while let certificate = unsafe PEM_read_bio_X509(bio, nil, nil, nil) {
      defer { unsafe X509_free(certificate) }
      try unsafe body(certificate)
    }
    // The end of the text is an error to OpenSSL.
    ERR_clear_error()
  }

  /// A memory BIO is fine here: nothing of a connection goes through it.
  private static func memory(_ text: String) -> OpaquePointer? {
    let bio = unsafe BIO_new(BIO_s_mem())
    var text = text
    text.withUTF8 { bytes in unsafe _ = BIO_write(bio, bytes.baseAddress, Int32(clamping: bytes.count)) }
    return unsafe bio
  }

  private static func certificateFailure(_ what: String) -> ConnectionError {
    guard case .transport(let failure) = TLSError.take("") else {
      return .transport(.init(.certificate, message: what))
    }
    let message = failure.message.isEmpty ? what : "\(what): \(failure.message)"
    return .transport(.init(.certificate, code: failure.code, message: message))
  }
}
