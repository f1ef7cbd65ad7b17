internal import CSSL

/// Base64 of RFC 4648, section 4.
enum OpenSSLBase64 {
  static func encode(_ bytes: [UInt8]) -> [UInt8] {
    // One more for the zero that OpenSSL puts behind it.
    var text = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
    let count = unsafe EVP_EncodeBlock(&text, bytes, Int32(clamping: bytes.count))
    return Array(text.prefix(Int(count)))
  }
}
