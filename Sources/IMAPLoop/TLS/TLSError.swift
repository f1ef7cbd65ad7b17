internal import CSSL
import IMAPStateMachine

/// OpenSSL's error queue of this thread, as errors of this package.
enum TLSError {
  /// The last error in the queue, which is emptied; `fallback` where there is none.
  static func take(_ fallback: String) -> ConnectionError {
    let code = ERR_peek_last_error()
    ERR_clear_error()
    if code == 0 { return .transport(.init(.tls, message: fallback)) }
    let reason = unsafe ERR_reason_error_string(code).map { unsafe String(cString: $0) }
    return .transport(.init(.tls, code: Int(clamping: code), message: reason ?? fallback))
  }

  /// The peer's certificate was refused for OpenSSL's `reason`.
  static func certificate(_ reason: Int, host: String?) -> ConnectionError {
    var text = unsafe String(cString: X509_verify_cert_error_string(reason))
    if reason == Int(X509_V_ERR_HOSTNAME_MISMATCH) || reason == Int(X509_V_ERR_IP_ADDRESS_MISMATCH), let host {
      text += " (the certificate is not for \(host))"
    }
    return .transport(.init(.certificate, code: reason, message: text))
  }
}
