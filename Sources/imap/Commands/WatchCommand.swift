import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct WatchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch", abstract: "Print what happens to a mailbox as it happens; Ctrl-C ends it.",
    discussion: """
      Uses IDLE, and asks every 30 seconds where a server has none. Ends by LOGOUT on Ctrl-C or SIGTERM.

      EXAMPLE
        imap watch --host imap.example.org --user joe --password-file pw --json INBOX | while read -r event; do ...; done
      """)

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "Mailbox to watch.")
  var mailbox = "INBOX"

  @Flag(help: "One JSON object a line: event and its fields.")
  var json = false

  func run() async throws {
    let interrupted = Interruption()
    try await reporting {
      try await connection.withClient { client in
        _ = try await client.examine(MailboxName(mailbox))
        // In this order nothing is lost: what came between is in the count.
        let events = await client.events()
        report(.exists(await client.selected?.exists ?? 0))
        let usesIdle = try await client.supports(.idle)
        let stop = Task {
          await interrupted.wait()
          await client.endIdle()
        }
        defer { stop.cancel() }
        let printing = Task { for await event in events { report(event) } }
        defer { printing.cancel() }
        while !interrupted.hasCome {
          if usesIdle {
            try await client.idle()
          } else {
            try await client.noop()
            await interrupted.wait(upTo: .seconds(30))
          }
        }
      }
    }
  }

  private func report(_ event: MailboxEvent) {
    Console.line(json ? JSON.object(Self.json(event)).text : Self.text(event))
  }

  private static func json(_ event: MailboxEvent) -> [(key: String, value: JSON)] {
    switch event {
    case .exists(let count): [("event", .string("exists")), ("count", .unsigned(UInt64(count)))]
    case .recent(let count): [("event", .string("recent")), ("count", .unsigned(UInt64(count)))]
    case .expunged(let sequence):
      [("event", .string("expunged")), ("sequence", .unsigned(UInt64(sequence.rawValue)))]
    case .changed(let message):
      [
        ("event", .string("changed")), ("sequence", .unsigned(UInt64(message.sequence.rawValue))),
        ("items", JSON.fetchItems(message.attributes)),
      ]
    case .flags(let flags): [("event", .string("flags")), ("flags", JSON.flags(flags))]
    case .notice(let status):
      [
        ("event", .string("notice")), ("status", .string(status.condition.rawValue)), ("code", JSON.code(status.code)),
        ("text", .string(status.text)),
      ]
    case .unknown(let line): [("event", .string("unknown")), ("raw", .bytes(line))]
    }
  }

  private static func text(_ event: MailboxEvent) -> String {
    switch event {
    case .exists(let count): "\(count) messages"
    case .recent(let count): "\(count) recent"
    case .expunged(let sequence): "message \(sequence) expunged"
    case .changed(let message): "message \(message.sequence) changed: \(JSON.fetchItems(message.attributes).text)"
    case .flags(let flags): "flags \(flags.map(\.rawValue).joined(separator: " "))"
    case .notice(let status): status.description
    case .unknown(let line): "unknown: \(JSON.bytes(line).text)"
    }
  }
}
