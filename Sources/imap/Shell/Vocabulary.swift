import ArgumentParser
import Foundation

/// The commands of the shell with what they take, as the command line parser tells it.
struct Vocabulary: Sendable {
  /// A command or, in one, a command below it.
  struct Command: Sendable, Decodable {
    var commandName: String
    var abstract: String?
    var discussion: String?
    var subcommands: [Command]?
    var arguments: [Argument]?

    /// What stands for itself.
    var positionals: [Argument] { (arguments ?? []).filter { $0.kind == "positional" } }
    /// What has a name.
    var options: [Argument] { (arguments ?? []).filter { $0.kind != "positional" } }

    /// The option with this name, dashes included.
    func option(_ name: String) -> Argument? { options.first { $0.spellings.contains(name) } }
  }

  /// An argument, an option or a flag.
  struct Argument: Sendable, Decodable {
    struct Name: Sendable, Decodable {
      var kind: String
      var name: String
    }

    var kind: String
    var names: [Name]?
    var valueName: String?
    var isOptional: Bool
    var isRepeating: Bool
    var allValues: [String]?
    var abstract: String?

    /// Its names as they are written.
    var spellings: [String] { (names ?? []).map { ($0.kind == "long" ? "--" : "-") + $0.name } }
    /// Whether a value follows.
    var takesValue: Bool { kind == "option" }
  }

  /// In the order of the help.
  var commands: [Command]

  /// The commands of `root` without what `hidden` has, and `others`, which are none of the command line.
  init(_ root: any ParsableCommand.Type, hidden: any ParsableArguments.Type, others: [Command]) {
    let hiddenNames = Set(Self.decode(hidden._dumpHelp())?.options.flatMap(\.spellings) ?? [])
    func cleaned(_ command: Command) -> Command {
      var command = command
      command.arguments = command.arguments?.filter { argument in
        !argument.spellings.contains { $0 == "--help" || $0 == "--version" || hiddenNames.contains($0) }
      }
      command.subcommands = command.subcommands?.filter { $0.commandName != "help" }.map(cleaned)
      return command
    }
    let decoded = Self.decode(root._dumpHelp())?.subcommands ?? []
    commands = decoded.filter { $0.commandName != "help" }.map(cleaned) + others
  }

  /// The command that the first of `words` name, and how many of them do.
  func command(_ words: [String]) -> (command: Command, count: Int)? {
    guard let first = words.first, var found = commands.first(where: { $0.commandName == first }) else { return nil }
    var count = 1
    while count < words.count, let below = found.subcommands?.first(where: { $0.commandName == words[count] }) {
      found = below
      count += 1
    }
    return (found, count)
  }

  private struct Dump: Decodable { var command: Command }

  private static func decode(_ text: String) -> Command? {
    try? JSONDecoder().decode(Dump.self, from: Data(text.utf8)).command
  }
}

extension Vocabulary.Command {
  /// A command of the shell's own. `values` are what its argument can be.
  init(_ name: String, _ abstract: String, argument: String? = nil, values: [String]? = nil, isOptional: Bool = false) {
    commandName = name
    self.abstract = abstract
    arguments = argument.map {
      [
        Vocabulary.Argument(
          kind: "positional", valueName: $0, isOptional: isOptional, isRepeating: false, allValues: values)
      ]
    }
  }

  /// How it is written.
  func usage(_ path: String) -> String {
    if subcommands?.isEmpty == false { return "\(path) COMMAND ..." }
    let words = positionals.map { argument in
      let name = JSON.upper(argument.valueName ?? "value") + (argument.isRepeating ? "..." : "")
      return argument.isOptional ? "[\(name)]" : name
    }
    return ([path] + (options.isEmpty ? [] : ["[OPTIONS]"]) + words).joined(separator: " ")
  }

  /// What `help` prints.
  func help(_ path: String) -> [String] {
    var lines = [abstract ?? "", "", "  " + usage(path)]
    var entries = (subcommands ?? []).map { ($0.commandName, $0.abstract ?? "") }
    entries += positionals.map { (JSON.upper($0.valueName ?? ""), Self.said($0)) }
    entries += options.map { option in
      let value = option.takesValue ? " " + JSON.upper(option.valueName ?? "value") : ""
      return (option.spellings.sorted { $0.count < $1.count }.joined(separator: ", ") + value, Self.said(option))
    }
    if !entries.isEmpty { lines += [""] + Self.aligned(entries) }
    if let discussion, !discussion.isEmpty {
      // The examples are those of the program.
      let text = discussion.replacing("imap ", with: "").replacing(#/ -a [a-z]+/#, with: "")
      lines += [""] + text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
    }
    return lines
  }

  /// What is said of `argument`, where that differs from the program.
  private static func said(_ argument: Vocabulary.Argument) -> String {
    var text = argument.abstract ?? ""
    if argument.spellings.contains("--mailbox") {
      text = text.replacing("(default: INBOX)", with: "(default: the one that is open)")
    }
    return text.replacing("- reads them from standard input", with: "- is what the last search has found")
  }

  /// Two columns.
  static func aligned(_ entries: [(String, String)]) -> [String] {
    let width = min(28, entries.map(\.0.count).max() ?? 0)
    return entries.map { name, text in
      "  " + name + String(repeating: " ", count: max(0, width - name.count)) + "  " + text
    }
  }
}
