/// What TLS says of a connection and of its peer.
extension Channel {
  /// Whether the TLS session of an earlier connection was resumed.
  public final var isResumed: Bool { tls?.isResumed ?? false }

  /// The application protocol that both sides have agreed upon (RFC 7301); nil without TLS, and where none was offered.
  public final var applicationProtocol: String? { isSecure ? tls?.applicationProtocol : nil }

  /// The peer's certificate as DER; nil without TLS and where it has shown none. Complexity: O(size), for each call.
  public final var peerCertificate: [UInt8]? { tls?.peerCertificate }

  /// The common name in the subject of the peer's certificate; nil also where there are several. At a server it says who
  /// the client is, if the certificate was checked (``TLSContext/ServerOptions/clientCertificates``).
  public final var peerCommonName: String? { tls?.peerCommonName }
}
