import ArgumentParser

/// The `imap` tool.
@main
struct ImapCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "imap",
    abstract: "Talk to IMAP servers, run one, and look at what they send.",
    discussion: """
      EXAMPLES
        imap serve --user joe:secret
        imap list --host imap.example.org --user joe --password-file ~/.imap-password
        imap watch --host imap.example.org --user joe --password-file ~/.imap-password INBOX

      \(ExitStatus.table)
      """,
    version: "0.1.0",
    subcommands: [
      ListCommand.self, StatusCommand.self, SearchCommand.self, FetchCommand.self, AppendCommand.self,
      WatchCommand.self, DecodeCommand.self, ServeCommand.self, DemoCommand.self,
    ])

  static func main() async {
    StandardStreams.prepare()
    await main(nil)
  }
}
