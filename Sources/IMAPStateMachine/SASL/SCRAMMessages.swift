/// The server's first message of SCRAM (RFC 5802, section 7, `server-first-message`).
struct SCRAMServerFirst {
  let nonce: [UInt8]
  let salt: [UInt8]
  let iterations: UInt32

  /// Reads `text`, whose nonce must be `clientNonce` and something behind it.
  init(_ text: Span<UInt8>, nonce clientNonce: [UInt8]) throws(SASLError) {
    var reader = SCRAMAttributes(text)
    guard let first = reader.next() else { throw .malformedChallenge("SCRAM's first message is empty") }
    if first.name == UInt8(ascii: "m") { throw .mandatoryExtension }
    if first.name == UInt8(ascii: "e") { throw SCRAMServerFinal.refusal(first.value) }
    guard first.name == UInt8(ascii: "r"), first.value.allSatisfy({ 0x21...0x7e ~= $0 }) else {
      throw .malformedChallenge("SCRAM's first message has no nonce")
    }
    guard first.value.count > clientNonce.count, first.value.starts(with: clientNonce) else { throw .nonceNotExtended }
    guard let second = reader.next(), second.name == UInt8(ascii: "s"),
      let salt = Base64.decodeStrictly(second.value.span), !salt.isEmpty
    else { throw .malformedChallenge("SCRAM's first message has no salt") }
    guard let third = reader.next(), third.name == UInt8(ascii: "i"), let count = Self.number(third.value) else {
      throw .malformedChallenge("SCRAM's first message has no iteration count")
    }
    try reader.passExtensions()
    nonce = first.value
    self.salt = salt
    iterations = count
  }

  /// `posit-number`, without leading zeros. One that is too large for its type is the largest there is, which nobody
  /// accepts.
  private static func number(_ digits: [UInt8]) -> UInt32? {
    guard let first = digits.first, first != 0x30 else { return nil }
    var value: UInt32 = 0
    for digit in digits {
      guard 0x30...0x39 ~= digit else { return nil }
      let (product, isTooLarge) = value.multipliedReportingOverflow(by: 10)
      let (sum, isStillTooLarge) = product.addingReportingOverflow(UInt32(digit - 0x30))
      value = isTooLarge || isStillTooLarge || value == .max ? .max : sum
    }
    return value
  }
}

/// The server's last message of SCRAM (RFC 5802, section 7, `server-final-message`).
enum SCRAMServerFinal {
  /// Throws unless `text` has the signature, or where it is an error.
  static func verify(_ text: Span<UInt8>, _ signature: Secret) throws(SASLError) {
    var reader = SCRAMAttributes(text)
    guard let first = reader.next() else { throw .malformedChallenge("SCRAM's last message is empty") }
    if first.name == UInt8(ascii: "m") { throw .mandatoryExtension }
    if first.name == UInt8(ascii: "e") { throw refusal(first.value) }
    guard first.name == UInt8(ascii: "v"), let verifier = Base64.decodeStrictly(first.value.span) else {
      throw .malformedChallenge("SCRAM's last message has no signature")
    }
    try reader.passExtensions()
    if Secret(verifier) != signature { throw .serverSignature }
  }

  /// A `server-error-value`: a word, as a rule.
  static func refusal(_ value: [UInt8]) -> SASLError {
    let visible = value.prefix(64).map { 0x20...0x7e ~= $0 ? $0 : UInt8(ascii: "?") }
    return .server(String(decoding: visible, as: UTF8.self))
  }
}

/// Reads `attr-val` after `attr-val`.
private struct SCRAMAttributes {
  private let bytes: [UInt8]
  private var position = 0

  init(_ text: Span<UInt8>) { bytes = text.copy() }

  /// The next attribute; nil at the end, and where there is none.
  mutating func next() -> (name: UInt8, value: [UInt8])? {
    let end = bytes[position...].firstIndex(of: UInt8(ascii: ",")) ?? bytes.count
    guard end - position > 2, Self.isLetter(bytes[position]), bytes[position + 1] == UInt8(ascii: "=") else {
      return nil
    }
    defer { position = min(end + 1, bytes.count) }
    // A comma at the end promises another one.
    if end == bytes.count - 1 { return nil }
    return (bytes[position], Array(bytes[position + 2..<end]))
  }

  /// Passes over all that is left. "Unknown optional extensions MUST be ignored upon receipt."
  mutating func passExtensions() throws(SASLError) {
    while position < bytes.count {
      guard let attribute = next() else { throw .malformedChallenge("SCRAM's extensions are no attributes") }
      if attribute.name == UInt8(ascii: "m") { throw .mandatoryExtension }
    }
  }

  private static func isLetter(_ byte: UInt8) -> Bool { byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a }
}
