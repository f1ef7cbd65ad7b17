import ArgumentParser
import IMAPLoop

/// The `imap` tool.
@main
struct ImapCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "imap",
    abstract: "Talk to IMAP servers, run one, and look at what they send.",
    discussion: """
      Accounts come from ~/.config/imap/config, the environment, or the command line; docs/cli.md describes them.

      EXAMPLES
        imap list --host imap.example.org --user joe --password-file ~/.imap-password
        imap search -a work unseen from:anna | imap fetch -a work -
        imap watch -a work INBOX
        imap serve --user joe:secret

      \(ExitStatus.table)
      """,
    version: "0.1.0",
    groupedSubcommands: [
      CommandGroup(name: "Mailboxes", subcommands: CommandGroups.mailboxes),
      CommandGroup(name: "Messages", subcommands: CommandGroups.messages + [WatchCommand.self]),
      CommandGroup(name: "Server", subcommands: CommandGroups.server),
      CommandGroup(
        name: "Tools",
        subcommands: [
          ShellCommand.self, CheckCommand.self, DecodeCommand.self, ServeCommand.self, DemoCommand.self,
          CompletionCommand.self,
        ]),
    ])

  static func main() async {
    TLSMemory.keepBlocks()
    StandardStreams.prepare()
    if let complaint = StandardStreams.complaint() { end(complaint) }
    // The parser would show the help of all commands.
    if let complaint = UsageText.complaintOfHelp(CommandLine.arguments.dropFirst(), Self.self) { end(complaint) }
    do {
      var command = try await asyncParseAsRoot(nil)
      if var waiting = command as? any AsyncParsableCommand { try await waiting.run() } else { try command.run() }
    } catch {
      // Help and versions come this way, too, and so does every failure that has been told.
      if exitCode(for: error) == .success { end(showing: fullMessage(for: error)) }
      if error is ExitCode || exitCode(for: error) != .validationFailure { exit(withError: error) }
      let words = Array(CommandLine.arguments.dropFirst())
      end(
        UsageText.line(error, words, Self.self, program: ["imap"], others: ["help"]) {
          (["imap"] + $0 + ["--help"]).joined(separator: " ")
        })
    }
  }

  /// Ends with `text`, where there is one, on standard output. The parser would not notice that nobody can have it.
  private static func end(showing text: String) -> Never {
    do {
      try reporting { if !text.isEmpty { try Console.bytes(Array("\(text)\n".utf8)) } }
    } catch { exit(withError: error) }
    exit(withError: nil)
  }

  /// Ends for a command line that is wrong.
  private static func end(_ complaint: String) -> Never {
    Console.error("imap: \(complaint)")
    exit(withError: ExitCode(ExitStatus.usage.rawValue))
  }
}

/// The commands that the program and its shell have in common.
enum CommandGroups {
  static let mailboxes: [any ParsableCommand.Type] = [
    ListCommand.self, TreeCommand.self, StatusCommand.self, SelectCommand.self, CreateCommand.self,
    RenameCommand.self, RemoveMailboxCommand.self, SubscribeCommand.self, UnsubscribeCommand.self,
  ]
  static let messages: [any ParsableCommand.Type] = [
    SearchCommand.self, SortCommand.self, ThreadCommand.self, FetchCommand.self, HeadersCommand.self,
    GetCommand.self, AppendCommand.self, StoreCommand.self, CopyCommand.self, MoveCommand.self, DeleteCommand.self,
    ExpungeCommand.self, SyncCommand.self,
  ]
  static let server: [any ParsableCommand.Type] = [
    CapabilityCommand.self, IDCommand.self, NamespaceCommand.self, QuotaCommand.self, ACLCommand.self,
    MetadataCommand.self, RawCommand.self,
  ]
}
