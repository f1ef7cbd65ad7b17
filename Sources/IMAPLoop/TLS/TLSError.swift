internal import CSSL
import IMAPStateMachine

/// OpenSSL's error queue of this thread, as errors of this package.
enum TLSError {
  /// The last error in the queue, which is emptied; `fallback` where there is none.
  static func take(_ fallback: String) -> ConnectionError {
    let code = ERR_peek_last_error()
    ERR_clear_error()
    if code == 0 { return .transport(.init(.tls, message: fallback, tls: .other)) }
    let known = unsafe ERR_reason_error_string(code).map { unsafe String(cString: $0) }
    let failure = ERR_GET_LIB(code) == ERR_LIB_SSL ? Self.failure(ERR_GET_REASON(code)) : .other
    var message = known ?? fallback
    if failure == .notTLS { message = "what answers speaks no TLS: another port, or one for STARTTLS (\(message))" }
    return .transport(.init(.tls, code: Int(clamping: code), message: message, tls: failure))
  }

  /// Something of this side's own cannot be used: `what`, and what OpenSSL says to that.
  static func configuration(_ what: String) -> ConnectionError {
    let code = ERR_peek_last_error()
    let reason = code == 0 ? nil : unsafe ERR_reason_error_string(code).map { unsafe String(cString: $0) }
    ERR_clear_error()
    return .transport(
      .init(
        .certificate, code: Int(clamping: code), message: reason.map { "\(what): \($0)" } ?? what, tls: .configuration))
  }

  /// The peer's certificate was refused for OpenSSL's `reason`.
  static func certificate(_ reason: Int, host: String?) -> ConnectionError {
    var text = explanation(reason)
    let refusal = self.refusal(reason)
    if refusal == .wrongHost, let host { text += " (the certificate is not for \(host))" }
    return .transport(.init(.certificate, code: reason, message: text, tls: .certificate(refusal)))
  }

  /// OpenSSL's words for the result of a verification.
  static func explanation(_ reason: Int) -> String {
    switch reason {
    case TLSVerifier.wrongPin: "the certificate matches no pin"
    case TLSVerifier.refused: "refused by the program"
    default: unsafe String(cString: X509_verify_cert_error_string(reason))
    }
  }

  /// What the result of a verification means.
  static func refusal(_ reason: Int) -> ConnectionError.CertificateRefusal {
    if reason == TLSVerifier.wrongPin { return .wrongPin }
    if reason == TLSVerifier.refused { return .refused }
    switch Int32(clamping: reason) {
    case X509_V_ERR_CERT_HAS_EXPIRED: return .expired
    case X509_V_ERR_CERT_NOT_YET_VALID: return .notYetValid
    case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: return .wrongHost
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return .selfSigned
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
      X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
      X509_V_ERR_CERT_UNTRUSTED:
      return .unknownAuthority
    case X509_V_ERR_CERT_REVOKED: return .revoked
    case X509_V_ERR_UNABLE_TO_GET_CRL, X509_V_ERR_CRL_HAS_EXPIRED, X509_V_ERR_CRL_NOT_YET_VALID,
      X509_V_ERR_CRL_SIGNATURE_FAILURE, X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
      return .revocationUnknown
    case X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL, X509_V_ERR_CA_MD_TOO_WEAK: return .weak
    case X509_V_ERR_INVALID_PURPOSE, X509_V_ERR_INVALID_CA: return .wrongPurpose
    default: return .invalid
    }
  }

  /// The name or address that the peer's certificate must be for; else the name that it was asked for.
  static func checkedName(_ ssl: OpaquePointer) -> String? {
    let parameters = unsafe SSL_get0_param(ssl)
    if let host = unsafe X509_VERIFY_PARAM_get0_host(parameters, 0) { return unsafe String(cString: host) }
    if let address = unsafe X509_VERIFY_PARAM_get1_ip_asc(parameters) {
      defer { unsafe cssl_free(address) }
      return unsafe String(cString: address)
    }
    return unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { unsafe String(cString: $0) }
  }

  /// What the reason of an error of OpenSSL's TLS means. Alerts of the peer have reasons of their own.
  private static func failure(_ reason: Int32) -> ConnectionError.TLSFailure {
    switch reason {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: .certificateRequired
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
      SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
      SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_TLSV1_ALERT_UNKNOWN_CA, SSL_R_TLSV1_ALERT_ACCESS_DENIED,
      SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
      .certificateRejected
    case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, SSL_R_NO_PROTOCOLS_AVAILABLE,
      SSL_R_VERSION_TOO_LOW, SSL_R_VERSION_TOO_HIGH, SSL_R_INAPPROPRIATE_FALLBACK,
      SSL_R_TLSV1_ALERT_INAPPROPRIATE_FALLBACK:
      .version
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY, SSL_R_NO_CIPHERS_AVAILABLE,
      SSL_R_NO_SHARED_CIPHER, SSL_R_WRONG_CIPHER_RETURNED, SSL_R_UNKNOWN_CIPHER_RETURNED, SSL_R_NO_SUITABLE_GROUPS,
      SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_DH_KEY_TOO_SMALL:
      .parameters
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL, SSL_R_NO_APPLICATION_PROTOCOL: .applicationProtocol
    case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST, SSL_R_BAD_RECORD_TYPE: .notTLS
    default: .other
    }
  }
}
