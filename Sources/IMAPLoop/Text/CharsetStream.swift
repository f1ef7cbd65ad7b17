import IMAPStateMachine

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Makes UTF-8 of bytes in some charset, piece by piece: a character may lie across two pieces. What is wrong becomes U+FFFD. Used
/// by one task at a time.
final class CharsetStream {
  @safe private enum Kind {
    case utf8
    /// One byte is one character.
    case singleByte(String)
    case iconv(iconv_t)
  }

  private let kind: Kind
  /// The beginning of a character.
  private var held: [UInt8] = []

  /// The converter of the charset that mail calls `charset`. Nil where it is not known: the bytes stay as they are.
  init?(_ charset: String) {
    let name = charset.uppercased()
    switch name {
    // What says that it is ASCII and is not, is mostly UTF-8.
    case "UTF-8", "UTF8", "US-ASCII", "ASCII", "ANSI_X3.4-1968": kind = .utf8
    default:
      if CharsetDecoder.builtIn.decode([0x61], charset: name) != nil {
        kind = .singleByte(name)
      } else {
        guard let converter = CharsetNames.converter(of: name) else { return nil }
        let descriptor = unsafe iconv_open("UTF-8", converter)
        guard let descriptor = unsafe descriptor, unsafe descriptor != iconv_t(bitPattern: -1) else { return nil }
        unsafe kind = .iconv(descriptor)
      }
    }
  }

  deinit {
    if case .iconv(let descriptor) = kind { _ = unsafe iconv_close(descriptor) }
  }

  func decode(_ bytes: [UInt8]) -> [UInt8] {
    switch kind {
    case .singleByte(let name): return Array((CharsetDecoder.builtIn.decode(bytes, charset: name) ?? "").utf8)
    case .utf8:
      let all = held + bytes
      let end = Self.completeUTF8(all)
      held = Array(all[end...])
      return Array(String(decoding: all[..<end], as: UTF8.self).utf8)
    case .iconv(let descriptor): return unsafe convert(held + bytes, descriptor)
    }
  }

  /// What is left at the end: a character that is cut off.
  func finish() -> [UInt8] {
    defer { held = [] }
    return held.isEmpty ? [] : [0xef, 0xbf, 0xbd]
  }

  /// Where the last character that may go on starts, or the end.
  private static func completeUTF8(_ bytes: [UInt8]) -> Int {
    for back in 1...3 where back <= bytes.count {
      let byte = bytes[bytes.count - back]
      if byte < 0x80 { break }
      if byte < 0xc0 { continue }
      let length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
      return length > back ? bytes.count - back : bytes.count
    }
    return bytes.count
  }

  @unsafe private func convert(_ bytes: [UInt8], _ descriptor: iconv_t) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count * 2)
    var input = bytes.map { CChar(bitPattern: $0) }
    var room = [CChar](repeating: 0, count: 4096)
    held = []
    unsafe input.withUnsafeMutableBufferPointer { input in
      var next = input.baseAddress
      var left = input.count
      while left > 0 {
        let (made, code) = unsafe room.withUnsafeMutableBufferPointer { room in
          var target = room.baseAddress
          var space = room.count
          let result = unsafe iconv(descriptor, &next, &left, &target, &space)
          return (room.count - space, result == -1 ? errno : 0)
        }
        output += room[..<made].lazy.map { UInt8(bitPattern: $0) }
        if code == 0 { return }
        if code == E2BIG { continue }
        if code == EINVAL, left <= Self.longestCharacter {
          held = Array(bytes[(bytes.count - left)...])
          return
        }
        output += [0xef, 0xbf, 0xbd]
        unsafe next = unsafe next.map { unsafe $0 + 1 }
        left -= 1
      }
    }
    return output
  }

  /// Bytes of one character at the most, with what switches to its character set.
  private static let longestCharacter = 16
}
