/// Tells the literals of a response that is no FETCH from braces in its words, so that framing sees a literal where the
/// grammar can have one and nowhere else: what is no literal must not swallow the responses behind it.
///
/// A literal is a value of its own, so its brace is where a value can begin: never behind a part of a word, a quoted string
/// that is not closed, or the last value that the response can have as a string. Only lines that seem to end in a literal
/// are walked over, and each byte of them once.
struct LiteralPlaces {
  /// Where the walk goes on: behind the response's name, then behind each literal. Few bytes: each connection has them.
  private var index: UInt32 = 0
  private var depth: UInt16 = 0
  /// How many values there were on the level of the name. What is above 200 counts as that.
  private var values: UInt8 = 0
  /// How many values outside parentheses may be literals, from the first on.
  private var bare: UInt8 = 0
  /// Whether a name is behind which a value comes, between the outermost parentheses.
  private var isBehindName = false
  /// Whether those inside parentheses may.
  private var inLists = false
  private var kind = Kind.other

  private enum Kind: UInt8 {
    case other, id, listing
    /// A listing whose name has neither quotes nor is a literal.
    case bareListing
  }

  init() {}

  /// What the response has that starts with `line`. Text for people has none (RFC 9051, section 7.1).
  init(_ line: Span<UInt8>) {
    guard line.byte(at: 0) == UInt8(ascii: "*") else { return }
    var cursor = Cursor(line, at: 1)
    cursor.skipSpaces()
    if cursor.peek == UInt8(ascii: "[") { return }
    if cursor.signedDigit, (try? cursor.quantity()) != nil { cursor.skipSpaces() }
    index = UInt32(truncatingIfNeeded: cursor.index)
    let start = cursor
    if cursor.eatCondition() != nil { return }
    if start.isAtHeader {
      allow(255, inLists: true)
      return
    }
    let name = cursor.index..<line.firstNotToken(from: cursor.index)
    index = UInt32(truncatingIfNeeded: name.upperBound)
    switch line.foldedWord(name) {
    case keyword("LIST"), keyword("LSUB"), keyword("XLIST"):
      // Attributes, delimiter, name.
      allow(3, inLists: true)
      kind = .listing
    // Flags, capabilities and numbers are no strings.
    case keyword("FLAGS"), keyword("SEARCH"), keyword("SORT"), keyword("THREAD"), keyword("ENABLED"),
      keyword("VANISHED"), keyword("EXISTS"), keyword("RECENT"), keyword("EXPUNGE"):
      break
    case keyword("ID"):
      allow(0, inLists: true)
      kind = .id
    case keyword("LANGUAGE"): allow(0, inLists: true)
    case keyword("STATUS"), keyword("QUOTA"): allow(1, inLists: true)
    case keyword("MYRIGHTS"): allow(2, inLists: false)
    // Longer than a word.
    case 0: allowByLongName(line.extracting(name))
    default: allow(255, inLists: true)
    }
  }

  private mutating func allowByLongName(_ name: Span<UInt8>) {
    if name.equalsIgnoringCase("CAPABILITY") { return }
    if name.equalsIgnoringCase("NAMESPACE") || name.equalsIgnoringCase("UIDBATCHES") { return allow(0, inLists: true) }
    if name.equalsIgnoringCase("COMPARATOR") { return allow(1, inLists: true) }
    if name.equalsIgnoringCase("JMAPACCESS") { return allow(1, inLists: false) }
    allow(255, inLists: true)
  }

  private mutating func allow(_ bare: UInt8, inLists: Bool) {
    self.bare = bare
    self.inLists = inLists
  }

  /// Whether the next value may be a literal.
  private var mayBeLiteral: Bool {
    if depth == 0 { return values < bare }
    switch kind {
    case .other, .id: return inLists
    // Attributes are flags.
    case .listing: return values == 3
    // A name of several words without quotes is the rest of the line, with whatever is in it. Behind one word may be pairs
    // of a name and a value, which is no string outside parentheses (RFC 9051, section 9).
    case .bareListing: return values == 3 && (depth > 1 || !isBehindName)
    }
  }

  private mutating func countValue() {
    if depth == 0 { values = min(values &+ 1, 200) }
    if depth == 1 { isBehindName.toggle() }
  }

  /// The header in which the line ends whose LF is before `end`; nil where it ends in none. The walk goes on behind the
  /// literal's bytes.
  mutating func header(_ bytes: Span<UInt8>, to end: Int) -> LiteralHeader? {
    var cursor = Cursor(bytes.extracting(first: end), at: Int(index))
    while !cursor.isAtEnd {
      switch cursor.peek {
      case 0x20, 0x0d, 0x0a: cursor.index &+= 1
      case UInt8(ascii: ",") where kind == .id: cursor.index &+= 1
      case UInt8(ascii: "("):
        if depth == 0 { isBehindName = false }
        // Nothing is read that is as deep.
        depth = max(depth, depth &+ 1)
        cursor.index &+= 1
      case UInt8(ascii: ")"):
        if depth > 0 { depth &-= 1 }
        countValue()
        cursor.index &+= 1
      case UInt8(ascii: "\""):
        let isClosed = kind == .id ? (try? cursor.listedString()) != nil : (try? cursor.quoted()) != nil
        if !isClosed { return nil }
        countValue()
      case UInt8(ascii: "{") where cursor.isAtHeader, UInt8(ascii: "~") where cursor.isAtHeader:
        guard mayBeLiteral, let header = try? cursor.literalHeader() else { return nil }
        countValue()
        // What does not fit is above every bound.
        index = UInt32(clamping: UInt64(UInt32(clamping: cursor.index)) &+ min(header.byteCount, UInt64(UInt32.max)))
        return header
      default:
        let start = cursor.index
        cursor.index = cursor.bytes.firstNotToken(from: start)
        if cursor.index == start {
          cursor.index &+= 1
          continue
        }
        if kind == .listing, depth == 0, values == 2 { kind = .bareListing }
        countValue()
      }
    }
    return nil
  }
}
