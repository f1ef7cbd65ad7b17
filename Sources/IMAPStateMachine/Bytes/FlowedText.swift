/// Joins the lines of `text/plain; format=flowed` to the paragraphs that they were broken from (RFC 3676), piece by piece. What
/// comes out is for reading: each line is a paragraph, quoted text has its `>` and a space in front, the blanks that stuff lines
/// are gone, and the line `-- ` before a signature stays as it is.
///
/// It takes bytes of UTF-8, or of any charset in which ASCII stands for itself, and keeps a few numbers only: a line may have any
/// length.
public struct FlowedText: Sendable {
  private let deletesSpace: Bool
  private var place = Place.start
  /// `>` at the start of this line.
  private var depth = 0
  /// The beginning of this line, as long as it may be the separator of the signature.
  private var head: [UInt8] = []
  /// Whether a CR came, and what is behind it is not known.
  private var hasReturn = false
  /// Whether the last byte of the line so far is a blank: at its end it says that the line goes on.
  private var hasSpace = false
  /// The line before, which goes on in this one if that has the same depth.
  private var open: (depth: Int, ending: Ending)?

  private enum Place { case start, quoted, head, text }

  private enum Ending { case lineFeed, both }

  /// `deletesSpace` is the parameter `DelSp`: whether the blank that ends a line is none of the text.
  public init(deletesSpace: Bool = false) { self.deletesSpace = deletesSpace }

  /// The decoder of `part`; nil where its text is not flowed.
  public init?(_ part: LocatedPart) {
    guard part.mediaType == "text/plain", let format = part.part.parameters.decoded("format"),
      asciiUppercased(format) == "FLOWED"
    else { return nil }
    self.init(deletesSpace: part.part.parameters.decoded("delsp").map { asciiUppercased($0) } == "YES")
  }

  /// What the next piece makes, as far as that is known. Complexity: O(n).
  public mutating func decode(_ bytes: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count + 8)
    for byte in bytes {
      if hasReturn {
        hasReturn = false
        if byte == Self.lineFeed {
          endLine(.both, &output)
          continue
        }
        take(Self.carriageReturn, &output)
      }
      switch byte {
      case Self.carriageReturn: hasReturn = true
      case Self.lineFeed: endLine(.lineFeed, &output)
      default: take(byte, &output)
      }
    }
    return output
  }

  /// What is left at the end. The next piece is the first of another text.
  public mutating func finish() -> [UInt8] {
    var output: [UInt8] = []
    if hasReturn {
      hasReturn = false
      take(Self.carriageReturn, &output)
    }
    if place == .start {
      // The last line said that it goes on, and nothing follows.
      if let open { Self.end(open.ending, &output) }
    } else {
      let isSignature = resolveHead(atEnd: true, &output)
      if hasSpace, isSignature || !deletesSpace { output.append(Self.space) }
    }
    self = FlowedText(deletesSpace: deletesSpace)
    return output
  }

  private mutating func take(_ byte: UInt8, _ output: inout [UInt8]) {
    switch place {
    case .start, .quoted:
      // RFC 3676, section 4.3: first the quotes are counted, then one blank is taken away.
      if byte == Self.quote, depth < Self.mostQuotes {
        depth += 1
        place = .quoted
      } else {
        place = .head
        if byte != Self.space { takeHead(byte, &output) }
      }
    case .head: takeHead(byte, &output)
    case .text: takeText(byte, &output)
    }
  }

  private mutating func takeHead(_ byte: UInt8, _ output: inout [UInt8]) {
    let separator = Self.separator
    if head.count < separator.count, byte == separator[head.count] { return head.append(byte) }
    resolveHead(atEnd: false, &output)
    takeText(byte, &output)
  }

  private mutating func takeText(_ byte: UInt8, _ output: inout [UInt8]) {
    if hasSpace { output.append(Self.space) }
    hasSpace = byte == Self.space
    if !hasSpace { output.append(byte) }
  }

  /// Begins the line's text, or goes on with the paragraph. Returns whether the line separates the signature.
  @discardableResult
  private mutating func resolveHead(atEnd isAtEnd: Bool, _ output: inout [UInt8]) -> Bool {
    if place == .text { return false }
    let held = head
    let isSeparator = isAtEnd && held == Self.separator
    let goesOn = open.map { $0.depth == depth } ?? false
    if let open, !goesOn || isSeparator { Self.end(open.ending, &output) }
    if !goesOn || isSeparator {
      output += repeatElement(Self.quote, count: depth)
      if depth > 0, !held.isEmpty || !isAtEnd { output.append(Self.space) }
    }
    open = nil
    head = []
    place = .text
    for byte in held { takeText(byte, &output) }
    return isSeparator
  }

  private mutating func endLine(_ ending: Ending, _ output: inout [UInt8]) {
    let isSeparator = resolveHead(atEnd: true, &output)
    if hasSpace, isSeparator || !deletesSpace { output.append(Self.space) }
    if hasSpace, !isSeparator { open = (depth, ending) } else { Self.end(ending, &output) }
    place = .start
    depth = 0
    hasSpace = false
  }

  private static func end(_ ending: Ending, _ output: inout [UInt8]) {
    if case .both = ending { output.append(carriageReturn) }
    output.append(lineFeed)
  }

  private static let separator = Array("-- ".utf8)
  private static let quote = UInt8(ascii: ">")
  private static let space: UInt8 = 0x20
  private static let carriageReturn: UInt8 = 0x0d
  private static let lineFeed: UInt8 = 0x0a
  /// What is quoted deeper has the rest in its text: a line has 998 bytes at the most (RFC 5322, section 2.1.1).
  private static let mostQuotes = 998
}
