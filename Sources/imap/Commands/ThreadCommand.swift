import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct ThreadCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "thread", abstract: "Find messages; print their UIDs as conversations.",
    discussion: """
      Answers stand below what they answer, indented.

      EXAMPLE
        imap thread -a work since:30d
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .shortAndLong, help: "Mailbox to search. (default: INBOX)")
  var mailbox: String?

  @Option(help: "How threads are found: references, orderedsubject or refs.")
  var by = "references"

  @OptionGroup var search: SearchOptions

  @Flag(help: "A JSON object: mailbox, uidValidity, threads.")
  var json = false

  func work(_ server: any MailServer) async throws {
    let key = try search.key()
    try await server.withMailbox(mailbox) { client, selected in
      let threads = try await client.thread(ThreadAlgorithm(by), key)
      if json {
        let list = threads.map { JSON.thread($0) }
        try Console.line(JSON.object(JSON.position(selected) + [("threads", .array(list))]))
      } else {
        for thread in threads { try Self.show(thread) }
      }
    }
  }

  /// A stack of its own: how deep threads are the server says.
  private static func show(_ thread: MessageThread) throws {
    var open = [(thread: thread, depth: 0)]
    while let (thread, depth) = open.popLast() {
      for (index, message) in thread.messages.enumerated() {
        let indent = min(depth + index, mostIndent)
        try Console.line(String(repeating: "  ", count: indent) + String(message))
      }
      open += thread.branches.reversed().map { ($0, depth + thread.messages.count) }
    }
  }

  private static let mostIndent = 30
}
