internal import CSSL
import IMAPStateMachine

/// One TLS session without any I/O: ciphertext comes from a ``TLSPort`` and goes to it, plain text goes to a `ReceiveBuffer`
/// and comes from a span.
@safe
final class TLSEngine {
  /// What reading came to.
  enum ReadResult: Hashable {
    /// All input is used up.
    case needsInput
    /// The peer has said that nothing more comes (close_notify).
    case closed
  }

  /// Whether the handshake is complete.
  private(set) var isEstablished = false

  private let ssl: OpaquePointer
  private let context: TLSContext
  private let port: TLSPort
  private var isBroken = false
  private var hasSentClose = false

  /// A session on `port`. A client must name the `host` that it wants to reach: the peer's certificate has to be valid for
  /// it unless the context is insecure. A server passes nil.
  init(_ context: TLSContext, host: String?, port: TLSPort) throws(ConnectionError) {
    ERR_clear_error()
    guard let ssl = unsafe SSL_new(context.pointer) else { throw TLSError.take("OpenSSL has no memory for a session") }
    unsafe self.ssl = ssl
    self.context = context
    self.port = port
    unsafe port.attach(to: ssl)
    if context.isServer {
      unsafe SSL_set_accept_state(ssl)
    } else {
      unsafe SSL_set_connect_state(ssl)
      try setHost(host ?? "")
    }
  }

  deinit {
    // Without this OpenSSL takes the session for a broken one and would refuse to resume it.
    unsafe SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
    unsafe SSL_free(ssl)
  }

  /// Goes on with the handshake as far as the input allows. Returns whether it is complete. Output may be due also where this
  /// throws: an alert tells the peer what was wrong.
  func handshake() throws(ConnectionError) -> Bool {
    if isEstablished { return true }
    try checkUsable()
    ERR_clear_error()
    let status = unsafe SSL_do_handshake(ssl)
    if status == 1 {
      isEstablished = true
      return true
    }
    switch unsafe SSL_get_error(ssl, status) {
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return false
    case SSL_ERROR_ZERO_RETURN: throw broken(.transport(.init(.tls, message: "closed during the handshake")))
    default: throw broken(handshakeError())
    }
  }

  /// Decrypts everything that the port has into `buffer`. Output may be due (tickets, key updates).
  func read(into buffer: inout ReceiveBuffer) throws(ConnectionError) -> ReadResult {
    try checkUsable()
    while true {
      ERR_clear_error()
      var count = 0
      // Safe: OpenSSL writes at most as many bytes as the memory has, and says how many.
      let memory = unsafe buffer.prepareForRead(suggested: Self.recordSize)
      let status = unsafe SSL_read_ex(ssl, memory.baseAddress, memory.count, &count)
      if status == 1 {
        buffer.commitRead(count)
        // To be told that nothing is left costs OpenSSL a buffer, which it takes for each attempt and gives back.
        if port.unreadInput == 0, unsafe SSL_has_pending(ssl) == 0 { return .needsInput }
        continue
      }
      switch unsafe SSL_get_error(ssl, status) {
      case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .needsInput
      case SSL_ERROR_ZERO_RETURN: return .closed
      default: throw broken(TLSError.take("broken record"))
      }
    }
  }

  /// Encrypts a piece of `bytes`, at most one record of 16 KiB, and returns how many bytes that was. The ciphertext is in
  /// the port. 0 means that the handshake is not complete.
  func write(_ bytes: Span<UInt8>) throws(ConnectionError) -> Int {
    try checkUsable()
    if !isEstablished || bytes.isEmpty { return 0 }
    ERR_clear_error()
    var count = 0
    let status = unsafe bytes.withUnsafeBytes { bytes in
      // Safe: OpenSSL only reads from the buffer, and copies what it needs.
      unsafe SSL_write_ex(ssl, bytes.baseAddress, min(bytes.count, Self.recordSize), &count)
    }
    if status == 1 { return count }
    switch unsafe SSL_get_error(ssl, status) {
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return 0
    default: throw broken(TLSError.take("cannot encrypt"))
    }
  }

  /// Tells the peer that nothing more comes (close_notify). Calling it again does nothing.
  func close() {
    if hasSentClose || isBroken || !isEstablished { return }
    hasSentClose = true
    ERR_clear_error()
    unsafe _ = SSL_shutdown(ssl)
    ERR_clear_error()
  }

  /// The socket has ended. Throws unless the peer had said so before: somebody may have cut the connection to hide the rest.
  func endOfInput() throws(ConnectionError) {
    if isBroken { return }
    if unsafe SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN != 0 { return }
    let place = isEstablished ? "without close_notify" : "during the handshake"
    throw broken(.transport(.init(.tls, message: "connection closed \(place)")))
  }

  /// The protocol version once the handshake is complete: `TLSv1.3`.
  var version: String { unsafe String(cString: SSL_get_version(ssl)) }

  /// What names this connection to both ends; nil before the handshake is complete, and where this kind is not defined.
  func channelBinding(_ kind: ChannelBinding.Kind) -> ChannelBinding? {
    if !isEstablished || isBroken { return nil }
    defer { ERR_clear_error() }
    let data = kind == .tlsExporter ? exportedKey() : certificateDigest()
    return data.map { ChannelBinding(kind, data: $0) }
  }

  /// RFC 9266. Without the extended master secret two connections of TLS 1.2 can have the same keys.
  private func exportedKey() -> Secret? {
    if unsafe SSL_version(ssl) < TLS1_3_VERSION, unsafe cssl_has_extended_master_secret(ssl) != 1 { return nil }
    let label = "EXPORTER-Channel-Binding"
    var key = [UInt8](repeating: 0, count: 32)
    // A context of no bytes is not the same as no context.
    let status = unsafe SSL_export_keying_material(ssl, &key, key.count, label, label.utf8.count, [0], 0, 1)
    return status == 1 ? Secret(key) : nil
  }

  /// RFC 5929: the certificate's own hash function, or SHA-256 in place of MD5 and SHA-1. There is none to use
  /// where the signature has no hash function of its own, like Ed25519.
  private func certificateDigest() -> Secret? {
    let isServer = context.isServer
    let held = unsafe isServer ? SSL_get_certificate(ssl) : SSL_get1_peer_certificate(ssl)
    guard let certificate = unsafe held else { return nil }
    // A server's belongs to the session.
    defer { if !isServer { unsafe X509_free(certificate) } }
    var hash = NID_undef
    if unsafe X509_get_signature_info(certificate, &hash, nil, nil, nil) != 1 || hash == NID_undef { return nil }
    let function =
      hash == NID_md5 || hash == NID_sha1 || hash == NID_md5_sha1
      ? unsafe EVP_sha256() : unsafe EVP_get_digestbyname(OBJ_nid2sn(hash))
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var count: UInt32 = 0
    guard unsafe function != nil, unsafe X509_digest(certificate, function, &digest, &count) == 1 else { return nil }
    return Secret(digest.prefix(Int(count)))
  }

  /// A record's largest plain text (RFC 8446).
  private static var recordSize: Int { 16 * 1024 }

  private func checkUsable() throws(ConnectionError) {
    if isBroken { throw .transport(.init(.tls, message: "the session has failed before")) }
  }

  private func broken(_ error: ConnectionError) -> ConnectionError {
    isBroken = true
    return error
  }

  private func handshakeError() -> ConnectionError {
    let reason = unsafe SSL_get_verify_result(ssl)
    if context.verifiesHost, reason != Int(X509_V_OK) {
      ERR_clear_error()
      let host = unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { unsafe String(cString: $0) }
      return TLSError.certificate(reason, host: host)
    }
    return TLSError.take("handshake failed")
  }

  private func setHost(_ host: String) throws(ConnectionError) {
    // A name from DNS may end in a dot; certificates never do.
    let name = host.hasSuffix(".") ? String(host.dropLast()) : host
    if name.isEmpty || name.utf8.contains(0) {
      if !context.verifiesHost && host.isEmpty { return }
      throw .transport(.init(.tls, message: "no host name to check the certificate against"))
    }
    let parameters = unsafe SSL_get0_param(ssl)
    unsafe X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
    var status: Int32
    if SocketAddress(numeric: name, port: 0) != nil {
      // RFC 6066: literal addresses are not permitted as a server name.
      unsafe status = X509_VERIFY_PARAM_set1_ip_asc(parameters, name)
    } else {
      unsafe status = X509_VERIFY_PARAM_set1_host(parameters, name, 0)
      if status == 1 { unsafe status = cssl_set_server_name(ssl, name) }
    }
    if status != 1 { throw TLSError.take("host name cannot be used") }
  }
}
