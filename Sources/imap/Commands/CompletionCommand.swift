import ArgumentParser

struct CompletionCommand: ParsableCommand {
  enum Shell: String, ExpressibleByArgument, CaseIterable {
    case bash, zsh, fish
  }

  static let configuration = CommandConfiguration(
    commandName: "completion", abstract: "Print a script that lets a shell complete this program's command lines.",
    discussion: """
      EXAMPLES
        imap completion bash > ~/.local/share/bash-completion/completions/imap
        imap completion zsh > ~/.zsh/completions/_imap
        imap completion fish > ~/.config/fish/completions/imap.fish
      """)

  @Argument(help: "bash, zsh or fish.")
  var shell: Shell

  func run() throws {
    try reporting {
      let kind: CompletionShell =
        switch shell {
        case .bash: .bash
        case .zsh: .zsh
        case .fish: .fish
        }
      try Console.bytes(Array((ImapCommand.completionScript(for: kind) + "\n").utf8))
    }
  }
}
