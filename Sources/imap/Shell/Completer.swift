/// What could come next in a line of the shell. Knows nothing but what it is given.
struct Completer: Sendable {
  /// What the line would become.
  struct Result: Hashable {
    /// How many characters before the cursor go away.
    var removed: Int
    /// What comes in their place.
    var inserted: String
    /// What it could be, where it could be several things.
    var candidates: [String] = []
  }

  var vocabulary: Vocabulary
  /// Asked for when they are wanted: the server has them.
  var mailboxes: @Sendable () -> [String]
  /// Names in the folder that the path begins with, folders with a slash behind them.
  var files: @Sendable (_ path: String) -> [String]

  /// Completes what stands before the cursor; nil where nothing fits.
  func complete(_ text: String) -> Result? {
    let line = ShellLine(text)
    if line.endsInComment { return nil }
    var words = line.words.map(\.text)
    let start = line.endsInWord ? line.words.last?.start ?? text.endIndex : text.endIndex
    let last = line.endsInWord ? words.popLast() ?? "" : ""
    let (head, values) = choices(words, last)
    let typed = String(last.dropFirst(head.count))
    let fitting = values.filter { $0.lowercased().hasPrefix(typed.lowercased()) }
    guard let first = fitting.first else { return nil }
    let removed = text[start...].count
    if fitting.count == 1 {
      let isOpen = ["/", ":", "="].contains { first.hasSuffix($0) }
      return Result(removed: removed, inserted: ShellLine.quoted(head + first, isOpen: isOpen) + (isOpen ? "" : " "))
    }
    var common = first
    for value in fitting { common = common.commonPrefix(with: value) }
    // Those that differ in case only have less in common than what is there.
    let inserted =
      common.count > typed.count || (common.count == typed.count && common != typed)
      ? ShellLine.quoted(head + common, isOpen: true) : String(text[start...])
    return Result(removed: removed, inserted: inserted, candidates: fitting)
  }

  /// What the word behind `words` may be, and what of it is there before that.
  private func choices(_ words: [String], _ last: String) -> (head: String, values: [String]) {
    let names = vocabulary.commands.map(\.commandName).sorted()
    guard let name = words.first else { return ("", names) }
    if name == "help" {
      if words.count == 1 { return ("", names) }
      return ("", vocabulary.command(Array(words.dropFirst()))?.command.subcommands?.map(\.commandName) ?? [])
    }
    guard let (command, count) = vocabulary.command(words) else { return ("", []) }
    if let below = command.subcommands, !below.isEmpty { return ("", below.map(\.commandName)) }
    // Which arguments are there already.
    var pending: Vocabulary.Argument?
    var position = 0
    for word in words.dropFirst(count) {
      if pending != nil {
        pending = nil
      } else if word.hasPrefix("-"), word.count > 1 {
        pending = command.option(word).flatMap { $0.takesValue ? $0 : nil }
      } else {
        position += 1
      }
    }
    if let pending { return values(of: pending, in: command, last) }
    if last.hasPrefix("-") { return ("", command.options.flatMap(\.spellings).filter { $0.hasPrefix("--") }.sorted()) }
    let positionals = command.positionals
    if command.commandName == "raw" { return ("", position == 0 ? Self.imapCommands : Self.fetchItems) }
    guard let argument = positionals.indices.contains(position) ? positionals[position] : positionals.last,
      position < positionals.count || argument.isRepeating
    else { return ("", []) }
    return values(of: argument, in: command, last)
  }

  private func values(
    of argument: Vocabulary.Argument, in command: Vocabulary.Command, _ last: String
  ) -> (head: String, values: [String]) {
    if let values = argument.allValues, !values.isEmpty { return ("", values) }
    let head = last.lastIndex(of: ",").map { String(last[...$0]) } ?? ""
    switch argument.valueName ?? "" {
    case "mailbox", "mailboxes", "target", "name", "pattern", "patterns", "reference": return ("", mailboxes().sorted())
    case "flag", "flags": return (head, Self.flags)
    case "item": return ("", Self.fetchItems)
    case "special-use": return ("", Self.uses)
    case "field": return ("", Self.fields)
    case "criteria": return ("", Self.criteria)
    case "by": return ("", ["orderedsubject", "references", "refs"])
    case "file", "files", "folder": return ("", files(last))
    default: return ("", [])
    }
  }

  private static let flags = ["answered", "deleted", "draft", "flagged", "seen", "$forwarded", "$junk", "$notjunk"]
  private static let uses = ["all", "archive", "drafts", "flagged", "junk", "sent", "trash"]
  private static let fields = [
    "bcc", "cc", "date", "from", "in-reply-to", "list-id", "message-id", "received", "references", "reply-to",
    "subject", "to",
  ]
  private static let fetchItems = [
    "BODY[]", "BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "BODYSTRUCTURE", "EMAILID", "ENVELOPE", "FLAGS",
    "INTERNALDATE", "MODSEQ", "PREVIEW", "RFC822.SIZE", "SAVEDATE", "THREADID", "UID", "X-GM-LABELS", "X-GM-MSGID",
    "X-GM-THRID",
  ]
  /// Those that `raw` sends.
  private static let imapCommands = [
    "CAPABILITY", "CHECK", "COPY", "CREATE", "DELETE", "EXPUNGE", "FETCH", "GETQUOTA", "GETQUOTAROOT", "ID", "LIST",
    "LSUB", "MYRIGHTS", "NAMESPACE", "NOOP", "RENAME", "SEARCH", "SORT", "STATUS", "STORE", "SUBSCRIBE", "THREAD",
    "UID", "UNSUBSCRIBE",
  ]
  /// Those of docs/cli.md.
  private static let criteria = [
    "all", "answered", "bcc:", "before:", "body:", "cc:", "deleted", "draft", "emailid:", "filter:", "flagged", "from:",
    "gmail:", "header:", "id:", "keyword:", "label:", "larger:", "new", "not", "old", "older:", "on:", "or", "read",
    "recent", "seen", "sentbefore:", "senton:", "sentsince:", "seq:", "since:", "smaller:", "subject:", "text:",
    "threadid:", "to:", "uid:", "unanswered", "undeleted", "undraft", "unflagged", "unread", "unseen", "younger:",
  ]
}
