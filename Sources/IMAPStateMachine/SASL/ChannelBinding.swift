/// What names one TLS connection to both of its ends (RFC 5056). A mechanism that proves it notices somebody who sits
/// between two TLS connections, even where his certificate is trusted.
public struct ChannelBinding: Hashable, Sendable {
  /// Where the data comes from.
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    /// The first Finished message of the handshake (RFC 5929). TLS 1.2 with the extended master secret (RFC 7627) only: what it is
    /// in TLS 1.3 nobody has defined.
    case tlsUnique = "tls-unique"
    /// Keying material of the connection (RFC 9266). TLS 1.3, or TLS 1.2 with the extended master secret.
    case tlsExporter = "tls-exporter"
    /// A hash of the server's certificate (RFC 5929).
    case tlsServerEndPoint = "tls-server-end-point"
  }

  /// Where the data comes from.
  public let kind: Kind
  /// The data.
  public let data: Secret

  /// A binding.
  public init(_ kind: Kind, data: Secret) {
    self.kind = kind
    self.data = data
  }
}
