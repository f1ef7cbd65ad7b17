/// A line of the shell, taken apart into words as a POSIX shell does: spaces part them, single quotes keep everything, double
/// quotes all but a backslash before a quote or a backslash, and a backslash elsewhere the character behind it. `#` at the
/// start of a word begins a comment.
struct ShellLine {
  /// A part of the line.
  struct Word: Hashable {
    /// Without its quotes.
    var text: String
    /// Where it starts in the line, its quote included.
    var start: String.Index
  }

  /// The words, comments left out.
  private(set) var words: [Word] = []
  /// The quote that nothing closes.
  private(set) var openQuote: Character?
  /// Whether the line ends inside a word, which may go on.
  private(set) var endsInWord = false
  /// Whether it ends in a comment.
  private(set) var endsInComment = false

  init(_ line: String) {
    var index = line.startIndex
    while index < line.endIndex {
      let character = line[index]
      if character.isWhitespace {
        endsInWord = false
        index = line.index(after: index)
      } else if character == "#" {
        endsInWord = false
        endsInComment = true
        return
      } else {
        index = takeWord(line, from: index)
      }
    }
  }

  /// The words. Throws where a quote is open.
  func complete() throws(Failure) -> [String] {
    if let openQuote { throw Failure(.usage, "a quote is not closed: \(openQuote)") }
    return words.map(\.text)
  }

  private mutating func takeWord(_ line: String, from start: String.Index) -> String.Index {
    var word = Word(text: "", start: start)
    var index = start
    openQuote = nil
    endsInWord = true
    while index < line.endIndex {
      let character = line[index]
      let next = line.index(after: index)
      let follower = next < line.endIndex ? line[next] : nil
      switch (openQuote, character) {
      case (nil, _) where character.isWhitespace:
        endsInWord = false
        words.append(word)
        return index
      case (nil, "\""), (nil, "'"): openQuote = character
      case (let quote?, _) where character == quote: openQuote = nil
      case (nil, "\\"),
        ("\"", "\\") where follower == "\"" || follower == "\\":
        // One at the end of the line stands for nothing.
        if let follower {
          word.text.append(follower)
          index = next
        }
      default: word.text.append(character)
      }
      index = line.index(after: index)
    }
    words.append(word)
    return index
  }

  /// `text` as a word of a line: as it is where that means the same, else in double quotes. With `isOpen` more may follow.
  static func quoted(_ text: String, isOpen: Bool = false) -> String {
    let isPlain = !text.isEmpty && text.first != "#" && !text.contains { $0.isWhitespace || "\"'\\".contains($0) }
    if isPlain { return text }
    let escaped = text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
    return "\"" + escaped + (isOpen ? "" : "\"")
  }
}
