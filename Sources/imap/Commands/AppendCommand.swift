import ArgumentParser
import Foundation
import IMAPLoop
import IMAPStateMachine

struct AppendCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "append", abstract: "Add messages from files to a mailbox.",
    discussion: """
      Line ends are made CRLF, as RFC 5322 wants them, unless --as-is is given.

      EXAMPLE
        imap append --host imap.example.org --user joe --password-file pw --mailbox Sent --flag '\\Seen' letter.eml
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(help: "Mailbox that gets the messages.")
  var mailbox = "INBOX"

  @Option(name: .customLong("flag"), help: "Flag that the messages get; may be repeated.")
  var flags: [String] = []

  @Flag(help: "Send the files' bytes unchanged.")
  var asIs = false

  @Argument(help: "Files, one message each.")
  var files: [String]

  @Flag(help: "One JSON object a line: file, uidValidity, uids.")
  var json = false

  func run() async throws {
    try await reporting {
      // Read before connecting: a missing file must not leave half of the messages behind.
      let messages = try files.map { file in
        guard let data = FileManager.default.contents(atPath: file) else {
          throw Failure(.file, "cannot read \(file)")
        }
        return asIs ? Array(data) : Self.canonical(data)
      }
      try await connection.withClient { client in
        for (file, message) in zip(files, messages) {
          let result = try await client.append(
            message, to: MailboxName(mailbox), flags: flags.map { MessageFlag($0) })
          if json {
            try Console.line(
              JSON.object([
                ("file", .string(file)),
                ("uidValidity", result.map { .unsigned(UInt64($0.uidValidity)) } ?? .null),
                ("uids", result.map { .string($0.destination.description) } ?? .null),
              ]))
          } else {
            try Console.line(result.map { "\(file)\tUID \($0.destination)" } ?? file)
          }
        }
      }
    }
  }

  private static func canonical(_ data: Data) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(data.count + data.count / 32)
    var previous: UInt8 = 0
    for byte in data {
      if byte == 0x0a, previous != 0x0d { output.append(0x0d) }
      output.append(byte)
      previous = byte
    }
    return output
  }
}
