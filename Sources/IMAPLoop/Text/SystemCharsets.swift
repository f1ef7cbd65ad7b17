import IMAPStateMachine

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

extension CharsetDecoder {
  /// The charsets that mail is written in, converted by the C library's iconv.
  ///
  /// Names that are not in a list of about two hundred are unknown: iconv looks for converters in the file system, and no sender
  /// shall say which. A name stands for what programs mean by it, where that is a superset: GB2312 for GB18030.
  public static let system = CharsetDecoder { bytes, charset in
    CharsetNames.converter(of: charset).flatMap { Iconv.decode(bytes, from: $0) }
  }
}

private enum Iconv {
  /// The text of `bytes`, each that is wrong as U+FFFD; nil where the library has no such converter. Complexity: O(n).
  static func decode(_ bytes: [UInt8], from converter: String) -> String? {
    let descriptor = unsafe iconv_open("UTF-8", converter)
    guard let descriptor = unsafe descriptor, unsafe descriptor != iconv_t(bitPattern: -1) else { return nil }
    defer { _ = unsafe iconv_close(descriptor) }
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count * 2)
    var input = bytes.map { CChar(bitPattern: $0) }
    var room = [CChar](repeating: 0, count: 4096)
    unsafe input.withUnsafeMutableBufferPointer { input in
      var next = input.baseAddress
      var left = input.count
      while true {
        // Behind the last byte a call without input lets the converter write what it still holds.
        let isEnd = left == 0
        let (made, isFailed) = unsafe room.withUnsafeMutableBufferPointer { room in
          var target = room.baseAddress
          var space = room.count
          let result =
            unsafe isEnd
            ? iconv(descriptor, nil, nil, &target, &space) : iconv(descriptor, &next, &left, &target, &space)
          return (room.count - space, result == failure)
        }
        output += room[..<made].lazy.map { UInt8(bitPattern: $0) }
        // Output that did not fit goes on where it stopped.
        if made > 0, isEnd || isFailed, made > room.count / 2 { continue }
        if isEnd { return }
        if !isFailed { continue }
        // A wrong byte, or a character that is cut off at the end.
        output += [0xef, 0xbf, 0xbd]
        unsafe next = unsafe next.map { unsafe $0 + 1 }
        left -= 1
      }
    }
    return String(decoding: output, as: UTF8.self)
  }

  private static let failure = -1
}
