internal import CSSL
import IMAPStateMachine

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// What a context is told while it is made.
extension TLSContext {
  func setLimits(
    _ minimum: Version, _ maximum: Version?, _ ciphers: String?, _ suites: String?, _ groups: String?
  ) throws(ConnectionError) {
    ERR_clear_error()
    if let maximum, maximum < minimum { throw TLSError.configuration("no version of TLS is allowed") }
    if unsafe cssl_set_min_version(pointer, Int32(minimum.rawValue)) != 1 {
      throw TLSError.configuration("\(minimum) is not available")
    }
    if let maximum, unsafe cssl_set_max_version(pointer, Int32(maximum.rawValue)) != 1 {
      throw TLSError.configuration("\(maximum) is not available")
    }
    if let ciphers, unsafe SSL_CTX_set_cipher_list(pointer, ciphers) != 1 {
      throw TLSError.configuration("no usable cipher in \(ciphers)")
    }
    if let suites, unsafe SSL_CTX_set_ciphersuites(pointer, suites) != 1 {
      throw TLSError.configuration("no usable cipher suites in \(suites)")
    }
    if let groups, unsafe cssl_set_groups(pointer, groups) != 1 {
      throw TLSError.configuration("no usable groups in \(groups)")
    }
  }

  func setTrust(_ trust: Trust) throws(ConnectionError) {
    ERR_clear_error()
    // Where everybody is trusted a server still asks, to know who it is.
    unsafe SSL_CTX_set_verify(pointer, verifiesPeer || isServer ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nil)
    switch trust {
    case .insecure, .pinsOnly: break
    case .system:
      if unsafe SSL_CTX_set_default_verify_paths(pointer) != 1 { throw TLSError.take("no system roots") }
    case .file(let path):
      if unsafe SSL_CTX_load_verify_file(pointer, path) != 1 {
        throw TLSError.configuration("cannot load the trusted certificates in \(path)")
      }
    case .folder(let path):
      // OpenSSL looks into it only when it needs a certificate.
      if unsafe access(path, R_OK | X_OK) != 0 || SSL_CTX_load_verify_dir(pointer, path) != 1 {
        throw TLSError.configuration("cannot read the folder with trusted certificates \(path)")
      }
    case .pem(let text):
      let store = unsafe SSL_CTX_get_cert_store(pointer)
      var count = 0
      let bio = unsafe Self.memory(text)
      defer { unsafe BIO_free(bio) }
      try unsafe Self.withCertificates(in: bio) { certificate throws(ConnectionError) in
        if unsafe X509_STORE_add_cert(store, certificate) != 1 { throw TLSError.configuration("cannot trust it") }
        count += 1
      }
      if count == 0 { throw TLSError.configuration("no certificate in the trusted PEM text") }
    }
  }

  func setRevocationLists(_ path: String) throws(ConnectionError) {
    ERR_clear_error()
    guard let bio = unsafe BIO_new_file(path, "r") else {
      throw TLSError.configuration("cannot read the revocation lists in \(path)")
    }
    defer { unsafe BIO_free(bio) }
    let store = unsafe SSL_CTX_get_cert_store(pointer)
    var count = 0
    while let list = unsafe PEM_read_bio_X509_CRL(bio, nil, nil, nil) {
      defer { unsafe X509_CRL_free(list) }
      if unsafe X509_STORE_add_crl(store, list) != 1 {
        throw TLSError.configuration("cannot use the revocation lists in \(path)")
      }
      count += 1
    }
    if count == 0 { throw TLSError.configuration("no revocation list in \(path)") }
    // The end of the file is an error to OpenSSL.
    ERR_clear_error()
    unsafe X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(pointer), UInt(X509_V_FLAG_CRL_CHECK))
  }

  func setIdentity(_ identity: Identity) throws(ConnectionError) {
    ERR_clear_error()
    switch identity {
    case .files(let certificate, let key, let passphrase):
      if unsafe SSL_CTX_use_certificate_chain_file(pointer, certificate) != 1 {
        throw TLSError.configuration("cannot load the certificate in \(certificate)")
      }
      guard let bio = unsafe BIO_new_file(key, "r") else {
        throw TLSError.configuration("cannot load the private key in \(key)")
      }
      defer { unsafe BIO_free(bio) }
      try unsafe usePrivateKey(bio, passphrase, "in \(key)")
    case .pem(let certificate, let key, let passphrase):
      var count = 0
      let certificates = unsafe Self.memory(certificate)
      defer { unsafe BIO_free(certificates) }
      try unsafe Self.withCertificates(in: certificates) { certificate throws(ConnectionError) in
        let status =
          count == 0
          ? unsafe SSL_CTX_use_certificate(pointer, certificate)
          : unsafe cssl_add1_chain_certificate(pointer, certificate)
        if status != 1 { throw TLSError.configuration("cannot use the certificate") }
        count += 1
      }
      if count == 0 { throw TLSError.configuration("no certificate in the PEM text") }
      let bio = unsafe Self.memory(key)
      defer { unsafe BIO_free(bio) }
      try unsafe usePrivateKey(bio, passphrase, "in the PEM text")
    }
    if unsafe SSL_CTX_check_private_key(pointer) != 1 {
      throw TLSError.configuration("the private key does not belong to the certificate")
    }
  }

  /// Answers OpenSSL's question for a passphrase. An encrypted key must fail rather than ask on the terminal.
  private final class PassphraseRequest {
    let passphrase: Passphrase?
    private(set) var wasAsked = false
    /// OpenSSL may try again with another decoder.
    private lazy var secret: Secret? =
      switch passphrase {
      case .secret(let secret): secret
      case .callback(let ask): ask()
      case nil: nil
      }

    init(_ passphrase: Passphrase?) { self.passphrase = passphrase }

    func answer(_ buffer: UnsafeMutableRawBufferPointer) -> Int32 {
      wasAsked = true
      guard let secret, secret.count <= buffer.count else { return -1 }
      secret.withBytes { bytes in
        unsafe bytes.withUnsafeBytes { bytes in unsafe buffer.copyMemory(from: bytes) }
      }
      return Int32(secret.count)
    }
  }

  private func usePrivateKey(
    _ bio: OpaquePointer?, _ passphrase: Passphrase?, _ place: String
  ) throws(ConnectionError) {
    let request = PassphraseRequest(passphrase)
    let argument = unsafe Unmanaged.passUnretained(request).toOpaque()
    let read = unsafe withExtendedLifetime(request) {
      unsafe PEM_read_bio_PrivateKey(
        bio, nil,
        { buffer, size, _, argument in
          guard let buffer = unsafe buffer, let argument = unsafe argument, size > 0 else { return -1 }
          // Safe: the request lives until the key is read.
          let request = unsafe Unmanaged<PassphraseRequest>.fromOpaque(argument).takeUnretainedValue()
          return unsafe request.answer(UnsafeMutableRawBufferPointer(start: buffer, count: Int(size)))
        }, argument)
    }
    guard let key = unsafe read else {
      let what =
        !request.wasAsked
        ? "cannot load the private key"
        : passphrase == nil ? "no passphrase for the private key" : "the passphrase does not open the private key"
      throw TLSError.configuration("\(what) \(place)")
    }
    defer { unsafe EVP_PKEY_free(key) }
    if unsafe SSL_CTX_use_PrivateKey(pointer, key) != 1 {
      throw TLSError.configuration("the private key does not belong to the certificate")
    }
  }

  private static func withCertificates(
    in bio: OpaquePointer?, _ body: (OpaquePointer) throws(ConnectionError) -> Void
  ) throws(ConnectionError) {
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
}
