/// The parts of a message, as ranges of its bytes (RFC 5322, RFC 2046).
///
/// One pass over the lines with a list of the open parts: nothing recurses, and the work is linear in the size. Nesting
/// deeper than ``MessageLimits/depth`` stays closed: such a part counts as opaque bytes.
struct MessageTree {
  /// A message, a message inside it, or a part of a multipart.
  struct Part {
    /// The header with the empty line that ends it.
    var header: Range<Int>
    /// What follows. For a part of a multipart the line break before the next delimiter is no part of it.
    var body: Range<Int>
    /// How many line ends the body has.
    var lines: UInt64 = 0
    /// What the body is.
    var media: MediaType = .plainText
    /// Parts of a multipart, or the one message of a `message/rfc822`: indices into ``MessageTree/parts``.
    var children: [Int] = []
  }

  /// All parts in the order in which they start. The first is the message itself.
  private(set) var parts: [Part]

  /// Parses `bytes`. Complexity: O(n), with the nesting (at most ``MessageLimits/depth``) as a factor for lines that
  /// start with `--`.
  init(_ bytes: [UInt8]) {
    var builder = Builder(bytes: bytes)
    builder.run()
    parts = builder.parts
  }
}

extension MessageTree {
  private struct Builder {
    let bytes: [UInt8]
    var parts: [Part] = []
    /// The parts that are open, from the outside in.
    private var open: [OpenPart] = []
    /// Whether the innermost open part is in its header.
    private var isInHeader = false
    /// How many of the open parts wait for a delimiter.
    private var delimiters = 0

    private struct OpenPart {
      var index: Int
      /// The line number at which the body starts.
      var firstLine: UInt64 = 0
      /// A multipart's boundary until its closing delimiter came.
      var boundary: [UInt8]?
    }

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func run() {
      // A second reference, not a copy: the builder changes while the span is in use.
      let bytes = bytes
      let span = bytes.span
      openPart(at: 0, parent: nil)
      var position = 0
      var line: UInt64 = 0
      while position < span.count {
        let end = HeaderFields.lineEnd(span, from: position)
        let hasDelimiter =
          delimiters > 0 && end - position > 2 && span[position] == 0x2d && span[position + 1] == 0x2d
          && delimiter(at: position, end: end, line: line)
        if !hasDelimiter, isInHeader, HeaderFields.isLineBreak(span, at: position) {
          finishHeader(at: end, line: line + 1)
        }
        position = end
        line += 1
      }
      closeParts(downTo: 0, at: span.count, line: bytes.isEmpty || bytes.last == 0x0a ? line : line - 1)
      addMissingChildren()
    }

    private mutating func openPart(at position: Int, parent: Int?) {
      parts.append(Part(header: position..<position, body: position..<position))
      let index = parts.count - 1
      if let parent { parts[parent].children.append(index) }
      open.append(OpenPart(index: index))
      isInHeader = true
    }

    /// Decides what the innermost part is, now that its header is known. `position` is where its body starts.
    private mutating func finishHeader(at position: Int, line: UInt64) {
      guard let last = open.indices.last else { return }
      let index = open[last].index
      parts[index].header = parts[index].header.lowerBound..<position
      parts[index].body = position..<position
      open[last].firstLine = line
      isInHeader = false
      var media = mediaType(of: index, parent: last > 0 ? open[last - 1].index : nil)
      let canNest = open.count < MessageLimits.depth && parts.count < MessageLimits.parts
      if !canNest, media.isMultipart || media.isMessage { media = .opaque }
      parts[index].media = media
      if media.isMultipart {
        open[last].boundary = media.boundary
        delimiters += 1
      } else if media.isMessage {
        openPart(at: position, parent: index)
      }
    }

    private func mediaType(of index: Int, parent: Int?) -> MediaType {
      let span = bytes.span
      for field in HeaderFields(bytes, in: parts[index].header) {
        if !span.extracting(field.name).matches("Content-Type") { continue }
        guard let media = MediaType(HeaderFields.unfolded(span, field.value)) else { return .plainText }
        // RFC 2046, section 5.1.1: a multipart must have a boundary. Without one there are no parts to be found.
        return media.isMultipart && media.boundary == nil ? .plainText : media
      }
      if let parent, parts[parent].media.isDigest { return .message }
      return .plainText
    }

    /// Handles the line at `start` if it is a delimiter of an open multipart.
    ///
    /// RFC 2046, section 5.1.1: "it is sufficient that the boundary appear in its entirety following the CRLF". Of several
    /// boundaries that do, the longest is meant, and of equal ones the innermost.
    private mutating func delimiter(at start: Int, end: Int, line: UInt64) -> Bool {
      let bytes = bytes
      let text = bytes.span.extracting((start + 2)..<end)
      var found: Int?
      var length = 0
      for position in open.indices.reversed() {
        guard let boundary = open[position].boundary, boundary.count > length, boundary.count <= text.count,
          Self.starts(text, with: boundary)
        else { continue }
        found = position
        length = boundary.count
      }
      guard let found else { return false }
      closeParts(downTo: found + 1, at: start, line: line)
      let isLast = text.count >= length + 2 && text[length] == 0x2d && text[length + 1] == 0x2d
      if isLast {
        open[found].boundary = nil
        delimiters -= 1
      } else if parts.count < MessageLimits.parts {
        openPart(at: end, parent: open[found].index)
      }
      return true
    }

    private static func starts(_ text: Span<UInt8>, with prefix: [UInt8]) -> Bool {
      for index in prefix.indices where text[index] != prefix[index] { return false }
      return true
    }

    /// Closes the parts behind the first `count` open ones. `position` is the start of the delimiter line, or the end.
    private mutating func closeParts(downTo count: Int, at position: Int, line: UInt64) {
      if open.count <= count { return }
      // RFC 2046, section 5.1.1: the line break before a delimiter belongs to the delimiter.
      var (end, line) = (position, line)
      if count > 0, end > 0, bytes[end - 1] == 0x0a, let last = open.last {
        let start = isInHeader ? parts[last.index].header.lowerBound : parts[last.index].body.lowerBound
        let width = end > 1 && bytes[end - 2] == 0x0d ? 2 : 1
        if end - width >= start {
          end -= width
          line -= line > 0 ? 1 : 0
        }
      }
      if isInHeader { finishHeaderAtEnd(at: end, line: line) }
      while open.count > count, let part = open.popLast() {
        if part.boundary != nil { delimiters -= 1 }
        let start = parts[part.index].body.lowerBound
        parts[part.index].body = start..<max(start, end)
        parts[part.index].lines = line > part.firstLine ? line - part.firstLine : 0
      }
    }

    private mutating func finishHeaderAtEnd(at position: Int, line: UInt64) {
      finishHeader(at: position, line: line)
      // The body of such a part is empty, and so is the header of a message in it, and so on.
      while isInHeader { finishHeader(at: position, line: line) }
    }

    /// BODYSTRUCTURE has at least one part in a multipart (RFC 9051, section 9, body-type-mpart): an empty one stands
    /// where the message has none.
    private mutating func addMissingChildren() {
      for index in parts.indices where parts[index].media.isMultipart && parts[index].children.isEmpty {
        let end = parts[index].body.upperBound
        parts[index].children = [parts.count]
        parts.append(Part(header: end..<end, body: end..<end))
      }
    }
  }
}
