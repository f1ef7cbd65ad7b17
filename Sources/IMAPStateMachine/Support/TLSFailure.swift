extension ConnectionError {
  /// Why TLS did not come about, or ended, in the terms of a program.
  public enum TLSFailure: Hashable, Sendable {
    /// This side does not accept the peer's certificate.
    case certificate(CertificateRefusal)
    /// The peer asks for a certificate, and this side has none.
    case certificateRequired
    /// The peer does not accept this side's certificate.
    case certificateRejected
    /// The two have no version of TLS in common.
    case version
    /// They have no cipher, group or signature algorithm in common.
    case parameters
    /// They have no application protocol in common (RFC 7301).
    case applicationProtocol
    /// What the peer sends is no TLS: another port, or one for STARTTLS.
    case notTLS
    /// The connection ended during the handshake.
    case closed
    /// A certificate, key, or other option of this side cannot be used.
    case configuration
    /// Anything else; the message says what.
    case other
  }

  /// Why a peer's certificate was not accepted.
  public enum CertificateRefusal: String, Hashable, Sendable, CaseIterable {
    /// Its time is over.
    case expired
    /// Its time has not begun.
    case notYetValid
    /// It is for other names or addresses.
    case wrongHost
    /// It has signed itself, and is not trusted for itself.
    case selfSigned
    /// It was not signed by anybody who is trusted.
    case unknownAuthority
    /// It is on a revocation list.
    case revoked
    /// There is no valid list that says whether it is revoked.
    case revocationUnknown
    /// It does not match a pin.
    case wrongPin
    /// The function that the user gave has said no.
    case refused
    /// Its key or signature is too weak.
    case weak
    /// It must not be used for this.
    case wrongPurpose
    /// Anything else; the message says what.
    case invalid
  }
}
