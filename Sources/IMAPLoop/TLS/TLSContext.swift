internal import CSSL
import IMAPStateMachine

/// What TLS sessions share: who is trusted and who this side is. Make one per configuration and use it for every connection;
/// it may be used on several threads at once. Connections resume the sessions of earlier ones that were made from the same
/// context.
///
/// By default TLS 1.2 is the floor (RFC 8314) and certificates are checked with the host name. Renegotiation is off, and
/// buffers are given back while a session is idle.
@safe
public final class TLSContext: @unchecked Sendable {
  // Sendable: OpenSSL locks what it changes in a context after it was set up, which only the initialisers do.
  let pointer: OpaquePointer
  let isServer: Bool
  /// Whether a peer's certificate can be refused.
  let verifiesPeer: Bool
  /// Whether it has to be for the host that is connected to.
  let verifiesHost: Bool
  /// Whether a server that was accepted has proved to be the one that is meant: by a certificate for its name, or by a pin.
  let provesServer: Bool
  /// Whose certificate is expected and asked for, instead of the host's.
  let serverName: String?
  /// Sessions to resume; nil where none are kept.
  let sessions: TLSSessionCache?

  fileprivate let verifier: TLSVerifier?
  fileprivate let keyLog: TLSKeyLog?
  /// As RFC 7301 has them on the wire.
  fileprivate let protocols: [UInt8]

  /// A context for clients. Throws a `.tls` or `.certificate` transport failure if something cannot be loaded.
  public static func client(trust: Trust = .system, identity: Identity? = nil) throws(ConnectionError) -> TLSContext {
    var options = ClientOptions(trust: trust)
    options.identity = identity
    return try client(options)
  }

  /// A context for clients. Throws a `.tls` or `.certificate` transport failure if something cannot be loaded or is no option
  /// that OpenSSL knows.
  public static func client(_ options: ClientOptions) throws(ConnectionError) -> TLSContext {
    if options.trust == .pinsOnly, options.pins.isEmpty { throw failure("there are no pins to trust") }
    let context = try TLSContext(options)
    try context.setLimits(
      options.minimumVersion, options.maximumVersion, options.ciphers, options.cipherSuites, options.groups)
    try context.setTrust(options.trust)
    if let path = options.revocationListFile { try context.setRevocationLists(path) }
    if let identity = options.identity { try context.setIdentity(identity) }
    return context
  }

  /// A context for servers. Throws a `.tls` or `.certificate` transport failure if the identity cannot be loaded.
  public static func server(identity: Identity) throws(ConnectionError) -> TLSContext {
    try server(ServerOptions(identity: identity))
  }

  /// A context for servers. Throws as ``client(_:)``.
  public static func server(_ options: ServerOptions) throws(ConnectionError) -> TLSContext {
    let context = try TLSContext(options)
    try context.setLimits(
      options.minimumVersion, options.maximumVersion, options.ciphers, options.cipherSuites, options.groups)
    try context.setIdentity(options.identity)
    switch options.clientCertificates {
    case .none: break
    case .optional(let trust): try context.setTrust(trust)
    case .required(let trust):
      try context.setTrust(trust)
      unsafe SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
    }
    return context
  }

  private init(_ options: ClientOptions) throws(ConnectionError) {
    isServer = false
    let isChecked = options.trust != .insecure
    verifiesPeer = isChecked || !options.pins.isEmpty || options.verify != nil
    verifiesHost = isChecked && options.trust != .pinsOnly && options.checksHost
    provesServer = verifiesHost || !options.pins.isEmpty
    serverName = options.serverName
    sessions = options.resumesSessions ? TLSSessionCache() : nil
    verifier =
      options.pins.isEmpty && options.verify == nil
      ? nil
      : TLSVerifier(
        pins: options.pins, checksChain: isChecked && options.trust != .pinsOnly, inspect: options.verify)
    protocols = try Self.wire(options.applicationProtocols)
    keyLog = try options.keyLogFile.map { path throws(ConnectionError) in try TLSKeyLog(path) }
    // Last: what throws before all is set runs no `deinit`.
    unsafe pointer = try Self.makePointer(isServer: false)
    try setUp()
    // Kept here rather than by OpenSSL, whose cache is for servers.
    let mode = sessions == nil ? SSL_SESS_CACHE_OFF : SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
    unsafe _ = cssl_set_session_cache_mode(pointer, Int(mode))
    if sessions != nil {
      unsafe SSL_CTX_sess_set_new_cb(pointer) { ssl, session in
        guard let ssl = unsafe ssl, let session = unsafe session, let context = unsafe TLSContext.of(ssl),
          let sessions = context.sessions, let ring = unsafe TLSPort.of(ssl)?.sessions
        else { return 0 }
        unsafe sessions.add(TLSSession(session), to: ring)
        return 1
      }
    }
    if unsafe !protocols.isEmpty && SSL_CTX_set_alpn_protos(pointer, protocols, UInt32(protocols.count)) != 0 {
      throw TLSError.take("application protocols cannot be offered")
    }
  }

  private init(_ options: ServerOptions) throws(ConnectionError) {
    isServer = true
    switch options.clientCertificates {
    case .none, .optional(.insecure), .required(.insecure): verifiesPeer = false
    case .optional, .required: verifiesPeer = true
    }
    verifiesHost = false
    provesServer = false
    serverName = nil
    sessions = nil
    verifier =
      options.clientCertificates == .optional(.insecure) || options.clientCertificates == .required(.insecure)
      ? TLSVerifier(pins: [], checksChain: false, inspect: nil) : nil
    protocols = try Self.wire(options.applicationProtocols)
    keyLog = try options.keyLogFile.map { path throws(ConnectionError) in try TLSKeyLog(path) }
    // Last: what throws before all is set runs no `deinit`.
    unsafe pointer = try Self.makePointer(isServer: true)
    try setUp()
    // Tickets need no memory here; a cache of sessions would.
    unsafe _ = cssl_set_session_cache_mode(pointer, Int(SSL_SESS_CACHE_OFF))
    let name = Array("imap".utf8)
    unsafe SSL_CTX_set_session_id_context(pointer, name, UInt32(name.count))
    if !options.resumesSessions {
      unsafe SSL_CTX_set_options(pointer, UInt64(cssl_no_ticket()))
      unsafe SSL_CTX_set_num_tickets(pointer, 0)
    }
    if !protocols.isEmpty { unsafe SSL_CTX_set_alpn_select_cb(pointer, Self.chooseProtocol, nil) }
  }

  deinit { unsafe SSL_CTX_free(pointer) }

  /// The context that a session of OpenSSL was made from.
  static func of(_ ssl: OpaquePointer) -> TLSContext? {
    // Safe: a context outlives its sessions, whose engines hold it.
    unsafe SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0).map {
      unsafe Unmanaged<TLSContext>.fromOpaque($0).takeUnretainedValue()
    }
  }

  private static func makePointer(isServer: Bool) throws(ConnectionError) -> OpaquePointer {
    ERR_clear_error()
    guard let pointer = unsafe SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method()) else {
      throw TLSError.take("OpenSSL has no memory for a context")
    }
    return unsafe pointer
  }

  private func setUp() throws(ConnectionError) {
    unsafe SSL_CTX_set_ex_data(pointer, 0, Unmanaged.passUnretained(self).toOpaque())
    unsafe SSL_CTX_set_options(pointer, UInt64(cssl_no_renegotiation()))
    // The output of a session goes into a shared buffer that may move between two attempts.
    let mode = SSL_MODE_RELEASE_BUFFERS | UInt32(SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE)
    unsafe _ = cssl_set_mode(pointer, Int(mode))
    if verifier != nil {
      unsafe SSL_CTX_set_cert_verify_callback(
        pointer,
        { check, _ in
          guard let check = unsafe check, let ssl = unsafe TLSVerifier.session(of: check),
            let verifier = unsafe TLSContext.of(ssl)?.verifier
          else { return 0 }
          return unsafe verifier.verify(check, of: ssl) ? 1 : 0
        }, nil)
    }
    if keyLog != nil {
      unsafe SSL_CTX_set_keylog_callback(pointer) { ssl, line in
        guard let ssl = unsafe ssl, let line = unsafe line else { return }
        unsafe TLSContext.of(ssl)?.keyLog?.write(String(cString: line))
      }
    }
  }

  /// RFC 7301, section 3.1: each name behind its length.
  private static func wire(_ protocols: [String]) throws(ConnectionError) -> [UInt8] {
    var output: [UInt8] = []
    for name in protocols {
      let bytes = Array(name.utf8)
      guard let count = UInt8(exactly: bytes.count), count > 0, output.count < 4096 else {
        throw failure("\(name) cannot be the name of an application protocol")
      }
      output.append(count)
      output += bytes
    }
    return output
  }

  private static let chooseProtocol: SSL_CTX_alpn_select_cb_func = { ssl, chosen, chosenCount, offered, count, _ in
    guard let ssl = unsafe ssl, let context = unsafe TLSContext.of(ssl), let chosen = unsafe chosen,
      let chosenCount = unsafe chosenCount
    else { return SSL_TLSEXT_ERR_NOACK }
    // The choice is a pointer into what the client has offered.
    let offers = unsafe UnsafeBufferPointer(start: offered, count: Int(count))
    var own = context.protocols[...]
    while let length = own.popFirst() {
      let name = own.prefix(Int(length))
      own = own.dropFirst(Int(length))
      var start = 0
      while start < offers.count {
        let (from, to) = unsafe (start + 1, start + 1 + Int(offers[start]))
        if to > offers.count { break }
        if unsafe offers[from..<to].elementsEqual(name) {
          unsafe chosen.pointee = offers.baseAddress.map { unsafe $0 + from }
          unsafe chosenCount.pointee = length
          return SSL_TLSEXT_ERR_OK
        }
        start = to
      }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
  }

  private static func failure(_ what: String) -> ConnectionError {
    .transport(.init(.tls, message: what, tls: .configuration))
  }
}
