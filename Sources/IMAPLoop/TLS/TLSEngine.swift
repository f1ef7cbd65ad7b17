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

  // The flags together, and no more than this: an idle connection has all of it, in an allocation of 64 bytes.
  private var isBroken = false
  private var hasSentClose = false
  private let ssl: OpaquePointer
  private let context: TLSContext
  private let port: TLSPort
  /// Where the sessions with this host are kept; nil where none are.
  private let ring: TLSSessionRing?

  /// A session on `port`. A client must name the `host` that it wants to reach: the peer's certificate has to be valid for
  /// it unless the context says otherwise. With the number of the host's port it says whose sessions may be resumed. A
  /// server passes nil.
  init(
    _ context: TLSContext, host: String?, peerPort: UInt16 = 0, port: TLSPort
  ) throws(ConnectionError) {
    ERR_clear_error()
    ring = host.flatMap { context.sessions?.ring(host: $0, name: context.serverName, port: peerPort) }
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
      // OpenSSL takes a reference of its own, and asks for a new session where it cannot use this one.
      if let ring, let session = context.sessions?.take(from: ring) { unsafe SSL_set_session(ssl, session.pointer) }
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
    port.sessions = ring
    let status = unsafe SSL_do_handshake(ssl)
    if status == 1 {
      isEstablished = true
      return true
    }
    switch unsafe SSL_get_error(ssl, status) {
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return false
    case SSL_ERROR_ZERO_RETURN:
      throw broken(.transport(.init(.tls, message: "closed during the handshake", tls: .closed)))
    default: throw broken(handshakeError())
    }
  }

  /// Decrypts everything that the port has into `buffer`. Output may be due (tickets, key updates).
  func read(into buffer: inout ReceiveBuffer) throws(ConnectionError) -> ReadResult {
    try checkUsable()
    port.sessions = ring
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
    throw broken(.transport(.init(.tls, message: "connection closed \(place)", tls: .closed)))
  }

  /// The protocol version once the handshake is complete: `TLSv1.3`.
  var version: String { unsafe String(cString: SSL_get_version(ssl)) }

  /// Whether the session of an earlier connection was resumed.
  var isResumed: Bool { unsafe isEstablished && SSL_session_reused(ssl) == 1 }

  /// The name that the client has asked for (RFC 6066); nil for none.
  var serverName: String? {
    // Safe: the text is the session's, which lives on.
    unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { unsafe String(cString: $0) }
  }

  /// The application protocol that was agreed upon (RFC 7301).
  var applicationProtocol: String? {
    var name: UnsafePointer<UInt8>?
    var count: UInt32 = 0
    unsafe SSL_get0_alpn_selected(ssl, &name, &count)
    // Safe: the bytes are the session's, which lives on.
    return unsafe name.map {
      unsafe String(decoding: UnsafeBufferPointer(start: $0, count: Int(count)), as: UTF8.self)
    }
  }

  /// The peer's certificate as DER.
  var peerCertificate: [UInt8]? {
    guard isEstablished, let certificate = unsafe SSL_get1_peer_certificate(ssl) else { return nil }
    defer { unsafe X509_free(certificate) }
    return unsafe TLSVerifier.der(certificate)
  }

  /// The common name of the peer's certificate, where it has exactly one.
  var peerCommonName: String? {
    guard isEstablished, let certificate = unsafe SSL_get1_peer_certificate(ssl) else { return nil }
    defer { unsafe X509_free(certificate) }
    let subject = unsafe X509_get_subject_name(certificate)
    let first = unsafe X509_NAME_get_index_by_NID(subject, NID_commonName, -1)
    if unsafe first < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, first) >= 0 { return nil }
    var text: UnsafeMutablePointer<UInt8>?
    let data = unsafe X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, first))
    let count = unsafe ASN1_STRING_to_UTF8(&text, data)
    defer { unsafe cssl_free(text) }
    guard count >= 0, let text = unsafe text else { return nil }
    // Safe: OpenSSL has allocated `count` bytes. NUL could make it look like another name.
    let name = unsafe String(validating: UnsafeBufferPointer(start: text, count: Int(count)), as: UTF8.self)
    return name.flatMap { $0.utf8.contains(0) ? nil : $0 }
  }

  /// What names this connection to both ends; nil before the handshake is complete, and where this kind is not defined.
  func channelBinding(_ kind: ChannelBinding.Kind) -> ChannelBinding? {
    if !isEstablished || isBroken { return nil }
    defer { ERR_clear_error() }
    let data =
      switch kind {
      case .tlsUnique: firstFinished()
      case .tlsExporter: exportedKey()
      case .tlsServerEndPoint: certificateDigest()
      }
    return data.map { ChannelBinding(kind, data: $0) }
  }

  /// RFC 5929, section 3. Resumed sessions of one master secret can have the same; the extended one prevents that (RFC 7627).
  private func firstFinished() -> Secret? {
    if unsafe SSL_version(ssl) >= TLS1_3_VERSION || cssl_has_extended_master_secret(ssl) != 1 { return nil }
    var message = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    // The client's comes first, in a resumed session the server's.
    let isOwn = context.isServer == isResumed
    let count =
      unsafe isOwn
      ? SSL_get_finished(ssl, &message, message.count) : SSL_get_peer_finished(ssl, &message, message.count)
    return count > 0 && count <= message.count ? Secret(message.prefix(count)) : nil
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
    if isBroken { throw .transport(.init(.tls, message: "the session has failed before", tls: .other)) }
  }

  private func broken(_ error: ConnectionError) -> ConnectionError {
    isBroken = true
    return error
  }

  private func handshakeError() -> ConnectionError {
    let refusal = port.refusal
    port.refusal = nil
    let reason = unsafe SSL_get_verify_result(ssl)
    if context.verifiesPeer, reason != Int(X509_V_OK) {
      ERR_clear_error()
      if reason == TLSVerifier.refused, let refusal {
        return .transport(.init(.certificate, code: reason, message: refusal, tls: .certificate(.refused)))
      }
      return TLSError.certificate(reason, host: unsafe TLSError.checkedName(ssl))
    }
    let error = TLSError.take("handshake failed")
    // Before TLS 1.3 the same alert says that there is no common cipher, and that a certificate is missing.
    if case .transport(var failure) = error, failure.tls == .parameters, !context.isServer,
      unsafe SSL_get0_peer_CA_list(ssl) != nil
    {
      failure.tls = unsafe SSL_get_certificate(ssl) == nil ? .certificateRequired : .certificateRejected
      return .transport(failure)
    }
    return error
  }

  private func setHost(_ host: String) throws(ConnectionError) {
    // A name from DNS may end in a dot; certificates never do.
    let wanted = context.serverName ?? host
    let name = wanted.hasSuffix(".") ? String(wanted.dropLast()) : wanted
    if name.isEmpty || name.utf8.contains(0) {
      if !context.verifiesHost && wanted.isEmpty { return }
      throw .transport(.init(.tls, message: "no host name to check the certificate against", tls: .configuration))
    }
    let isAddress = SocketAddress(numeric: name, port: 0) != nil
    var status: Int32 = 1
    // RFC 6066: literal addresses are not permitted as a server name.
    if !isAddress { unsafe status = cssl_set_server_name(ssl, name) }
    if status == 1, context.verifiesHost {
      let parameters = unsafe SSL_get0_param(ssl)
      unsafe X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
      unsafe status =
        isAddress
        ? X509_VERIFY_PARAM_set1_ip_asc(parameters, name) : X509_VERIFY_PARAM_set1_host(parameters, name, 0)
    }
    if status != 1 { throw TLSError.take("host name cannot be used") }
  }
}
