import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct SearchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "search", abstract: "Find messages; print their UIDs.",
    discussion: """
      The criteria are those of the SEARCH command (RFC 9051, section 6.4.4).

      EXAMPLE
        imap search --host imap.example.org --user joe --password-file pw UNSEEN FROM alice SINCE 1-Feb-2026
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(help: "Mailbox to search.")
  var mailbox = "INBOX"

  @Argument(parsing: .remaining, help: "Criteria, as in the SEARCH command.")
  var criteria = ["ALL"]

  @Flag(help: "A JSON object: mailbox, uidValidity, uids.")
  var json = false

  func run() async throws {
    try await reporting {
      let key = try SearchCriteria.parse(criteria)
      try await connection.withClient { client in
        let selected = try await client.examine(MailboxName(mailbox))
        let uids = try await client.search(key)
        if json {
          try Console.line(
            JSON.object([
              ("mailbox", .string(selected.name.description)),
              ("uidValidity", selected.uidValidity.map { .unsigned(UInt64($0)) } ?? .null),
              ("uids", .array(uids.map { .unsigned(UInt64($0.rawValue)) })),
            ]))
        } else {
          for uid in uids { try Console.line(uid.description) }
        }
      }
    }
  }
}

/// Criteria from the command line. The engine's own command parser reads them, so they mean what they mean on the wire.
enum SearchCriteria {
  static func parse(_ words: [String]) throws -> SearchKey {
    // Words that a shell has taken apart are put together again: one with spaces was quoted there.
    let text = words.map { quoted($0) }.joined(separator: " ")
    let line = Array("A UID SEARCH \(text)\r\n".utf8)
    do throws(ParseError) {
      if case .search(let key, _, _, nil) = try CommandParser().parse(line.span).command { return key }
    } catch {
      throw Failure(.usage, "these search criteria are none: \(words.joined(separator: " ")) (\(error))")
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
