/// One field of a header, as ranges of the message.
struct HeaderField: Equatable {
  /// The name; empty for a line that is no field.
  var name: Range<Int>
  /// What follows the colon, folded, with the line break.
  var value: Range<Int>
  /// All lines of the field.
  var whole: Range<Int>
}

/// Walks over the fields of a header and keeps none of them, so a header of any size costs no memory.
///
/// Lines end with CRLF or LF. A line without a colon is a field without a name: it stays part of the header, since only
/// an empty line ends that (RFC 5322, section 2.1).
struct HeaderFields: Sequence, IteratorProtocol {
  let bytes: [UInt8]
  private var position: Int
  private let end: Int

  /// The fields in `range` of `bytes`, which may include the empty line behind them.
  init(_ bytes: [UInt8], in range: Range<Int>) {
    self.bytes = bytes
    let range = range.clamped(to: bytes.startIndex..<bytes.endIndex)
    position = range.lowerBound
    end = range.upperBound
  }

  mutating func next() -> HeaderField? {
    // A second reference, not a copy: `position` may change while the span is in use.
    let bytes = bytes
    let span = bytes.span.extracting(first: end)
    if position >= end || Self.isLineBreak(span, at: position) { return nil }
    let start = position
    var next = Self.lineEnd(span, from: start)
    let firstLineEnd = next
    while next < end, span[next].isBlank { next = Self.lineEnd(span, from: next) }
    position = next

    var colon = start
    while colon < firstLineEnd, span[colon] != UInt8(ascii: ":") { colon += 1 }
    var nameEnd = colon
    while nameEnd > start, span[nameEnd - 1].isBlank { nameEnd -= 1 }
    if colon == firstLineEnd || nameEnd == start || span[start].isBlank {
      return HeaderField(name: start..<start, value: start..<next, whole: start..<next)
    }
    return HeaderField(name: start..<nameEnd, value: (colon + 1)..<next, whole: start..<next)
  }

  /// The index behind the line that holds `index`, line break included.
  static func lineEnd(_ bytes: Span<UInt8>, from index: Int) -> Int {
    Swift.min(bytes.indexOfLF(from: index) + 1, bytes.count)
  }

  /// Whether a line without content starts at `index`.
  static func isLineBreak(_ bytes: Span<UInt8>, at index: Int) -> Bool {
    if index >= bytes.count { return false }
    if bytes[index] == 0x0a { return true }
    return bytes[index] == 0x0d && index + 1 < bytes.count && bytes[index + 1] == 0x0a
  }

  /// Where the header that starts at `start` ends: behind its empty line, or at the end of the bytes.
  static func headerEnd(_ bytes: Span<UInt8>, from start: Int) -> Int {
    var index = start
    while index < bytes.count {
      if isLineBreak(bytes, at: index) { return lineEnd(bytes, from: index) }
      index = lineEnd(bytes, from: index)
    }
    return bytes.count
  }

  /// The first `limit` bytes of a field's value in one line: RFC 5322, section 2.2.3, "Unfolding is accomplished by simply
  /// removing any CRLF that is immediately followed by WSP". NUL goes too: no IMAP string can hold it.
  static func unfolded(_ bytes: Span<UInt8>, _ range: Range<Int>, limit: Int = MessageLimits.fieldBytes) -> [UInt8] {
    let range = bytes.trimmed(range)
    var output: [UInt8] = []
    output.reserveCapacity(Swift.min(range.count, limit))
    for index in range {
      let byte = bytes[index]
      if byte == 0x0d || byte == 0x0a || byte == 0 { continue }
      if output.count >= limit { break }
      output.append(byte)
    }
    return output
  }
}

/// What a message may make the server keep. Each bound is far above real mail.
enum MessageLimits {
  /// Parts inside one another. Real mail stays below 25, and clients bound the parentheses of BODYSTRUCTURE, too.
  static let depth = 40
  /// Parts of one message, as Dovecot has it.
  static let parts = 10_000
  /// Bytes of one header field that ENVELOPE and BODYSTRUCTURE look at.
  static let fieldBytes = 64 * 1024
  /// Addresses of one field of ENVELOPE.
  static let addresses = 4096
  /// Parameters of one Content-Type or Content-Disposition.
  static let parameters = 128
  /// RFC 2046 allows 70 bytes. Longer ones occur and do no harm.
  static let boundaryBytes = 512
}
