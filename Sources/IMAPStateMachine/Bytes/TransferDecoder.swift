/// Takes a content transfer encoding off (RFC 2045, section 6), piece by piece. What is not of the encoding is passed over, as
/// that section wants it for base64, or stays as it is, as it wants it for quoted-printable.
public struct TransferDecoder: Sendable {
  private var coding: Coding

  /// For 7bit, 8bit, binary, and what nobody knows: changes nothing.
  public static let identity = TransferDecoder([])

  /// The decoder of the encoding `name`, as BODYSTRUCTURE has it.
  public init(_ name: [UInt8]) {
    // Servers are known to leave a blank behind it.
    let name = name.filter { $0 != 0x20 }
    if name.span.equalsIgnoringCase("base64") {
      coding = .base64(Base64Stream())
    } else if name.span.equalsIgnoringCase("quoted-printable") {
      coding = .quotedPrintable(QuotedPrintableStream())
    } else {
      coding = .identity
    }
  }

  /// What the next piece of the body decodes to, as far as that is known. Complexity: O(n).
  public mutating func decode(_ bytes: [UInt8]) -> [UInt8] {
    switch coding {
    case .identity: return bytes
    case .base64(var decoder):
      defer { coding = .base64(decoder) }
      return decoder.decode(bytes)
    case .quotedPrintable(var decoder):
      defer { coding = .quotedPrintable(decoder) }
      return decoder.decode(bytes)
    }
  }

  /// What is left at the end. The next piece is the first of another body.
  public mutating func finish() -> [UInt8] {
    switch coding {
    case .identity: return []
    case .base64:
      coding = .base64(Base64Stream())
      return []
    case .quotedPrintable(let decoder):
      coding = .quotedPrintable(QuotedPrintableStream())
      // A soft line break at the very end joins it with nothing.
      return decoder.held.count == 1 || decoder.held.last == 0x0d ? [] : decoder.held
    }
  }

  private enum Coding {
    case identity
    case base64(Base64Stream)
    case quotedPrintable(QuotedPrintableStream)
  }

  private struct Base64Stream {
    private var bits: UInt32 = 0
    private var count = 0
    private var isOver = false

    mutating func decode(_ bytes: [UInt8]) -> [UInt8] {
      var output: [UInt8] = []
      output.reserveCapacity(bytes.count / 4 * 3 + 3)
      for byte in bytes where !isOver {
        guard let value = Self.value(byte) else {
          if byte == UInt8(ascii: "=") { isOver = true }
          continue
        }
        bits = bits << 6 | value
        count += 6
        if count >= 8 {
          count -= 8
          output.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
      }
      return output
    }

    private static func value(_ byte: UInt8) -> UInt32? {
      switch byte {
      case 0x41...0x5a: UInt32(byte - 0x41)
      case 0x61...0x7a: UInt32(byte - 0x61) + 26
      case 0x30...0x39: UInt32(byte - 0x30) + 52
      case 0x2b: 62
      case 0x2f: 63
      default: nil
      }
    }
  }

  private struct QuotedPrintableStream {
    /// An equals sign and what came behind it, as long as it is not known what it means.
    fileprivate var held: [UInt8] = []

    mutating func decode(_ bytes: [UInt8]) -> [UInt8] {
      var output: [UInt8] = []
      output.reserveCapacity(bytes.count)
      for byte in bytes {
        if held.isEmpty {
          if byte == UInt8(ascii: "=") { held = [byte] } else { output.append(byte) }
          continue
        }
        held.append(byte)
        if held.count < 3, Self.digit(byte) != nil || byte == 0x0d { continue }
        if held.count == 2, byte == 0x0a {
          held = []
          continue
        }
        if held.count == 3, held[1] == 0x0d, byte == 0x0a {
          held = []
          continue
        }
        if held.count == 3, let high = Self.digit(held[1]), let low = Self.digit(byte) {
          output.append(high << 4 | low)
          held = []
          continue
        }
        // None of the encoding: as it is, but for an equals sign that may start something.
        if byte == UInt8(ascii: "=") {
          output += held.dropLast()
          held = [byte]
        } else {
          output += held
          held = []
        }
      }
      return output
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
      switch byte {
      case 0x30...0x39: byte - 0x30
      case 0x41...0x46: byte - 0x41 + 10
      case 0x61...0x66: byte - 0x61 + 10
      default: nil
      }
    }
  }
}
