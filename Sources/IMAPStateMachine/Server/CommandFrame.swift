/// How far the command at the front of the receive buffer was looked at. All positions count from the first unread byte, so
/// they hold as well when the bytes move to another buffer between two calls.
struct CommandFrame {
  /// Bytes before this one hold no line end that matters.
  private(set) var scanned = 0
  /// Where the current line starts: 0, or behind the last literal.
  private(set) var lineStart = 0
  /// The command, once its first literal made the machine look.
  var name: CommandName?

  enum Result {
    case more
    /// The current line ends before this position.
    case line(Int)
    /// More bytes than are allowed, and no end.
    case tooLong
  }

  /// The end of the current line. Every byte is looked at once, however many calls it takes.
  mutating func advance(_ bytes: Span<UInt8>, limit: Int) -> Result {
    if scanned < bytes.count {
      let found = bytes.firstLF(from: scanned)
      scanned = found
      if found < bytes.count { return found < limit ? .line(found + 1) : .tooLong }
    }
    return bytes.count > limit ? .tooLong : .more
  }

  /// The line went on with a literal whose bytes end before `position`.
  mutating func skipLiteral(to position: Int) {
    scanned = position
    lineStart = position
  }
}
