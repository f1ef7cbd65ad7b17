import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct ShellCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shell", abstract: "Give commands one after the other, over one connection.",
    discussion: """
      The commands are those of this program, without `imap` and without an account; `help` lists them. Where no --mailbox is
      given they mean the mailbox that `select` has opened, and - stands for the UIDs that the last search has found. Tab
      completes commands, options, mailboxes and flags, and what happens in the mailbox is told as it happens.

      Without a terminal commands are read from standard input, and the first that fails ends the shell with its status.

      EXAMPLES
        imap shell -a work
        printf 'select INBOX\\nsearch unseen\\nstore - --add seen\\n' | imap shell -a work
      """)

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "Mailbox to open at the start.")
  var mailbox: String?

  @Flag(help: "Without a terminal: go on behind a command that failed. The status is that of the first that did.")
  var keepGoing = false

  @Flag(help: "Print JSON, as by --json of each command; `json off` ends it.")
  var json = false

  func run() async throws {
    try await reporting {
      let server = try await ShellServer(try connection.connector(), showsWire: connection.showsWire)
      let shell = Shell(server, account: connection.account, keepGoing: keepGoing, json: json)
      let status = await shell.run(mailbox)
      await server.end()
      if let status { throw ExitCode(status.rawValue) }
    }
  }
}

/// The commands as the shell has them: those that do their work on the connection of somebody else.
struct ShellVocabulary: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "imap",
    subcommands: CommandGroups.mailboxes + CommandGroups.messages + CommandGroups.server)

  /// The shell's own.
  static let own: [Vocabulary.Command] = [
    Vocabulary.Command("account", "Show where this shell is connected, and as whom."),
    Vocabulary.Command("help", "Show the commands, or one of them.", argument: "command", isOptional: true),
    Vocabulary.Command("json", "Print JSON, or tables again.", argument: "on or off", values: ["on", "off"]),
    Vocabulary.Command("quit", "Log out and leave; Ctrl-D does the same."),
    Vocabulary.Command("reconnect", "End the connection and open another one."),
    Vocabulary.Command(
      "wire", "Show what is sent and received, without secrets.", argument: "on or off", values: ["on", "off"]),
  ]
}
