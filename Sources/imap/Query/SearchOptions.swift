import ArgumentParser
import IMAPStateMachine

/// Which messages are meant: the same for every command that searches.
struct SearchOptions: ParsableArguments {
  @Argument(help: "Criteria, one a word: unseen from:anna since:2026-01-31. See docs/cli.md. (default: all)")
  var criteria: [String] = []

  @Option(
    help: ArgumentHelp(
      "All criteria in one text, quoted as in 'subject:\"x y\" (unseen or flagged)'.", valueName: "text"))
  var query: String?

  @Flag(help: "The criteria are those of the SEARCH command (RFC 9051, section 6.4.4).")
  var raw = false

  func validate() throws {
    if query != nil, !criteria.isEmpty { throw ValidationError("Give the criteria as words or by --query, not both.") }
  }

  /// What to search for: everything where nobody has said, and only there. A variable of a script that is empty by mistake must
  /// not become all messages.
  func key() throws(Failure) -> SearchKey {
    if query == nil, criteria.isEmpty { return .all }
    // What is meant to be empty can be written as such: '""'.
    if raw, query == nil, criteria.contains(where: { $0.allSatisfy(\.isWhitespace) }) { throw SearchQuery.nothing }
    if raw { return try RawCriteria.parse(query.map { [$0] } ?? criteria, isWire: query != nil) }
    if let query { return try SearchQuery.parse(query, today: .today) }
    return try SearchQuery.parse(words: criteria, today: .today)
  }
}

/// Criteria as on the wire. The engine's own command parser reads them, so they mean what they mean there.
enum RawCriteria {
  /// With `isWire` the words are in the form of the wire already.
  static func parse(_ words: [String], isWire: Bool = false) throws(Failure) -> SearchKey {
    // Words that a shell has taken apart are put together again: one with spaces was quoted there.
    let text = words.map { isWire ? $0 : quoted($0) }.joined(separator: " ")
    let start = "A UID SEARCH "
    let line = Array("\(start)\(text)\r\n".utf8)
    do throws(ParseError) {
      if case .search(let key, _, _, nil) = try CommandParser().parse(line.span).command { return key }
    } catch {
      let rest = String(decoding: text.utf8.dropFirst(error.offset - start.utf8.count), as: UTF8.self)
      let place = rest.isEmpty ? "something is missing at their end" : "they go wrong at \(Table.cut(rest, to: 40))"
      throw Failure(
        .usage,
        "these search criteria are none: \(words.joined(separator: " ")); \(place); RFC 9051, section 6.4.4, has all"
          + (error.reason == .unknownSearchKey ? ", and `imap raw --mailbox NAME UID SEARCH ...` sends any other" : ""))
    }
    throw Failure(.usage, "these search criteria are none: \(words.joined(separator: " "))")
  }

  private static func quoted(_ word: String) -> String {
    let isPlain = word.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x22 && $0 != 0x5c }
    if isPlain && !word.isEmpty { return word }
    if word.utf8.contains(where: { $0 >= 0x80 || $0 == 0x0d || $0 == 0x0a }) {
      return "{\(word.utf8.count)}\r\n\(word)"
    }
    return "\"" + word.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
  }
}
