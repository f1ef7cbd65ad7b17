import ArgumentParser

/// What is wrong with a command line, in one line that says what to do.
enum UsageText {
  /// `error` is what the parser of `root` throws at `words`. Commands have `program` in front, and there are `others`, too;
  /// `help` says how one asks for more of one.
  static func line(
    _ error: any Error, _ words: [String], _ root: any ParsableCommand.Type, program: [String] = [],
    others: [String] = [], help: ([String]) -> String
  ) -> String {
    var command = root
    var path: [String] = []
    for word in words {
      let below = command.configuration.subcommands
      if below.isEmpty || word.hasPrefix("-") { break }
      guard let next = below.first(where: { $0.configuration.commandName == word }) else {
        let names = below.compactMap { $0.configuration.commandName } + (path.isEmpty ? others : [])
        return unknown(word, names, path, program: program, help: help(path))
      }
      command = next
      path.append(word)
    }
    return "\(plain(root.message(for: error))); `\(help(path))` shows how"
  }

  /// There is no command `word` below `path`, only `names`. `help` lists them.
  private static func unknown(
    _ word: String, _ names: [String], _ path: [String], program: [String], help: String
  ) -> String {
    let wrong = (path + [word]).joined(separator: " ")
    guard let near = nearest(word, names) else { return "no such command: \(wrong); `\(help)` lists those there are" }
    return "no such command: \(wrong); did you mean `\((program + path + [near]).joined(separator: " "))`?"
  }

  /// What is said where help is asked for a command of `root` that is not there; nil where it is.
  static func complaintOfHelp(_ words: ArraySlice<String>, _ root: any ParsableCommand.Type) -> String? {
    guard words.first == "help", let word = words.dropFirst().first, !word.hasPrefix("-") else { return nil }
    let names = root.configuration.subcommands.compactMap { $0.configuration.commandName }
    if word == "help" || names.contains(word) { return nil }
    return unknown(word, names, [], program: ["imap", "help"], help: "imap help")
  }

  /// One line that begins and ends as those of this program do.
  private static func plain(_ message: String) -> String {
    // What can be given comes with dashes, a line each, where it is much.
    var text = message.replacing("\n  - ", with: ", ").replacing(":, ", with: ": ")
      .replacing(". Please provide one of the following:", with: "; give one of")
      .replacing(". Please provide one of", with: "; give one of")
      .split(whereSeparator: \.isWhitespace).joined(separator: " ")
    while text.last == "." { text.removeLast() }
    // Names of options and of environment variables stay as they are.
    guard let first = text.first, text.dropFirst().first?.isLowercase == true else { return text }
    return first.lowercased() + text.dropFirst()
  }

  /// The one of `names` that `word` was most likely meant to be.
  static func nearest(_ word: String, _ names: [String]) -> String? {
    let word = word.lowercased()
    // Whoever types something long has not mistyped a name.
    if word.count < 2 || word.count > 30 { return nil }
    let longer = names.filter { $0.hasPrefix(word) }
    if longer.count == 1 { return longer.first }
    let allowed = word.count < 4 ? 1 : 2
    let near = names.map { (name: $0, distance: distance(Array(word), Array($0))) }.filter { $0.distance <= allowed }
    return near.min { ($0.distance, $0.name) < ($1.distance, $1.name) }?.name
  }

  /// How many characters have to be put in, left out, changed, or swapped with the next.
  private static func distance(_ one: [Character], _ other: [Character]) -> Int {
    var rows = [Array(0...other.count)]
    for (row, left) in one.enumerated() {
      var costs = [row + 1]
      for (column, right) in other.enumerated() {
        var cost = min(costs[column] + 1, rows[row][column + 1] + 1, rows[row][column] + (left == right ? 0 : 1))
        if row > 0, column > 0, left == other[column - 1], one[row - 1] == right {
          cost = min(cost, rows[row - 1][column - 1] + 1)
        }
        costs.append(cost)
      }
      rows.append(costs)
    }
    return rows.last?.last ?? 0
  }
}
