import IMAPLoop
import IMAPStateMachine

/// The server's side of SCRAM (RFC 5802).
struct SCRAMServer {
  private enum State {
    case start
    /// The salt was sent.
    case salted(user: String, header: String, nonce: String, messages: String, salt: [UInt8])
    /// The signature was sent.
    case proved(user: String)
    case failed
  }

  private let hash: SASLHash
  private let isPlus: Bool
  private let offersBinding: Bool
  private let binding: (ChannelBinding.Kind) -> ChannelBinding?
  private let hashes = OpenSSLHashes()
  private var state = State.start

  init(
    _ hash: SASLHash, isPlus: Bool, offersBinding: Bool, binding: @escaping (ChannelBinding.Kind) -> ChannelBinding?
  ) {
    self.hash = hash
    self.isPlus = isPlus
    self.offersBinding = offersBinding
    self.binding = binding
  }

  /// Takes what the client says.
  mutating func step(_ response: Span<UInt8>, password: (String) -> Secret?) -> ServerExchange.Step {
    let state = self.state
    self.state = .failed
    switch state {
    case .start: return first(response)
    case .salted(let user, let header, let nonce, let messages, let salt):
      guard let salted = salted(password(user), salt) else { return error("unknown-user") }
      guard let signature = verify(response, header: header, nonce: nonce, messages, salted) else {
        return error("invalid-proof")
      }
      self.state = .proved(user: user)
      return .challenge(Array("v=".utf8) + Base64Text.encode(signature))
    case .proved(let user) where response.isEmpty: return .success(user: user)
    case .proved, .failed: return .refused(ServerExchange.wrong)
    }
  }

  /// `name` without the escapes of RFC 5802, section 5.1.
  static func unescaped(_ name: Substring) -> String {
    var output = ""
    var rest = name
    while let character = rest.first {
      if rest.hasPrefix("=2C") {
        output += ","
        rest = rest.dropFirst(3)
      } else if rest.hasPrefix("=3D") {
        output += "="
        rest = rest.dropFirst(3)
      } else {
        output.append(character)
        rest = rest.dropFirst()
      }
    }
    return output
  }

  private static let iterations: UInt32 = 4096

  private func error(_ reason: String) -> ServerExchange.Step { .challenge(Array("e=\(reason)".utf8)) }

  private mutating func first(_ response: Span<UInt8>) -> ServerExchange.Step {
    guard let text = String(validating: response.array(0..<response.count), as: UTF8.self) else {
      return error("invalid-encoding")
    }
    let parts = text.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3 else { return error("invalid-encoding") }
    let fields = parts[2].split(separator: ",")
    guard fields.count == 2, fields[0].hasPrefix("n="), fields[1].hasPrefix("r=") else {
      return error("invalid-encoding")
    }
    // RFC 5802, section 6: who could bind and saw no offer was told a lie, if there was one.
    if parts[0] == "y", offersBinding { return error("server-does-support-channel-binding") }
    if parts[0].hasPrefix("p=") != isPlus { return error("channel-binding-not-supported") }
    let salt = (0..<16).map { _ in UInt8.random(in: 0...255) }
    let nonce = "\(fields[1].dropFirst(2))\(String(UInt64.random(in: 0...(.max)), radix: 36))"
    let salted = "r=\(nonce),s=\(String(decoding: Base64Text.encode(salt), as: UTF8.self)),i=\(Self.iterations)"
    state = .salted(
      user: Self.unescaped(fields[0].dropFirst(2)), header: "\(parts[0]),\(parts[1]),", nonce: nonce,
      messages: "\(parts[2]),\(salted)", salt: salt)
    return .challenge(Array(salted.utf8))
  }

  /// The server's signature; nil where the client's proof is wrong. RFC 5802, section 3.
  private func verify(
    _ response: Span<UInt8>, header: String, nonce: String, _ messages: String, _ salted: Secret
  ) -> [UInt8]? {
    var bound = Array(header.utf8)
    if header.hasPrefix("p=") {
      guard let kind = ChannelBinding.Kind(rawValue: String(header.dropFirst(2).prefix { $0 != "," })),
        let data = binding(kind)?.data
      else { return nil }
      data.withBytes { bound += $0.array(0..<$0.count) }
    }
    let withoutProof = Array("c=".utf8) + Base64Text.encode(bound) + Array(",r=\(nonce)".utf8)
    let prefix = withoutProof + Array(",p=".utf8)
    let message = response.array(0..<response.count)
    guard message.starts(with: prefix), let proof = Base64Text.decode(message.dropFirst(prefix.count)) else {
      return nil
    }
    let all = Array("\(messages),".utf8) + withoutProof
    guard let clientKey = hmac(salted, "Client Key"),
      let storedKey = clientKey.withBytes({ hashes.digest(hash, $0) }),
      let signature = storedKey.withBytes({ hashes.hmac(hash, key: $0, all.span) }),
      let serverKey = hmac(salted, "Server Key"),
      let serverSignature = serverKey.withBytes({ hashes.hmac(hash, key: $0, all.span) }),
      proof.count == signature.count
    else { return nil }
    let key = signature.withBytes { signature in signature.indices.map { signature[$0] ^ proof[$0] } }
    if Secret(key) != clientKey { return nil }
    return serverSignature.withBytes { $0.array(0..<$0.count) }
  }

  private func salted(_ password: Secret?, _ salt: [UInt8]) -> Secret? {
    password?.withBytes { hashes.pbkdf2(hash, password: $0, salt: salt.span, iterations: Self.iterations) }
  }

  private func hmac(_ key: Secret, _ text: String) -> Secret? {
    let message = Array(text.utf8)
    return key.withBytes { hashes.hmac(hash, key: $0, message.span) }
  }
}

/// Base64 as SCRAM writes it (RFC 4648, section 4).
private enum Base64Text {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  static func encode(_ bytes: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      var word = group.reduce(0 as UInt32) { $0 << 8 | UInt32($1) } << (8 * UInt32(3 - group.count))
      for index in 0..<4 {
        output.append(index <= group.count ? alphabet[Int(word >> 18 & 63)] : UInt8(ascii: "="))
        word <<= 6
      }
    }
    return output
  }

  static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    var (output, word, bits) = ([UInt8](), 0 as UInt32, 0 as UInt32)
    for byte in text where byte != UInt8(ascii: "=") {
      guard let value = alphabet.firstIndex(of: byte) else { return nil }
      word = word << 6 | UInt32(value)
      bits += 6
      if bits < 8 { continue }
      bits -= 8
      output.append(UInt8(truncatingIfNeeded: word >> bits))
    }
    return encode(output) == Array(text) ? output : nil
  }
}
