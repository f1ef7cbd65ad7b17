import Testing

/// What the client's machine enforces and keeps, rule by rule, and the transcripts that show it: a table of contents.
@Suite struct ClientSemanticsTests {
  struct Rule: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var transcripts: [String]

    init(_ rule: String, _ transcripts: String...) {
      testDescription = rule
      self.transcripts = transcripts
    }
  }

  static let rules: [Rule] = start + layers + literals + pipelining + mailboxes + extensions + deadlines + ends + limits

  private static let start: [Rule] = [
    Rule(
      "Nothing is sent before the greeting, which is OK, PREAUTH or BYE and nothing else (RFC 3501, 7.1)",
      "greeting-ok", "greeting-preauth", "greeting-bye", "greeting-late", "greeting-that-is-none",
      "greeting-capability-first"),
    Rule("PREAUTH is refused where TLS is required (RFC 9051, 7.1.4)", "greeting-preauth-where-tls-is-required"),
    Rule(
      "Before the login mailbox data is dropped, and before TLS that must come all text (RFC 9051, 11.3)",
      "data-before-login", "starttls-injected-responses", "starttls-text-before"),
    Rule(
      "A command waits for its turn and is refused where the state forbids it (RFC 3501, 3 and 6)",
      "commands-out-of-state", "commands-before-login", "login-refused"),
    Rule("No LOGIN under LOGINDISABLED (RFC 3501, 6.2.3)", "login-disabled"),
  ]

  private static let layers: [Rule] = [
    Rule(
      "STARTTLS goes alone, and plain text behind its answer ends the connection (RFC 3501, 6.2.1)",
      "starttls", "starttls-refused", "starttls-in-use", "starttls-plain-text-behind",
      "starttls-stripped"),
    Rule(
      "Capabilities come from four places, and are void after STARTTLS, LOGIN and AUTHENTICATE (RFC 3501, 6.1.1, 7.2.1)",
      "capabilities-from-everywhere", "login-drops-old-capabilities", "login-and-logout"),
    Rule(
      "A SASL exchange can be cancelled, and untagged data may come in the middle (RFC 3501, 6.2.2; RFC 4959)",
      "authenticate-by-the-caller", "authenticate-asked-again", "authenticate-plain-with-initial-response",
      "authenticate-plain-without-initial-response", "authenticate-empty-response",
      "authenticate-cancelled-and-accepted"),
    Rule(
      "COMPRESS starts behind its answer, once (RFC 4978, 3)", "compress", "compress-refused"),
    Rule(
      "ENABLE comes before the first SELECT, adds up, and counts as ENABLED says (RFC 5161, 3)",
      "enable-adds-up", "enable-after-select", "enabled-that-nobody-asked-for"),
    Rule(
      "UNAUTHENTICATE takes everything back but TLS (RFC 8437, 4.1)",
      "unauthenticate-resets", "unauthenticate-fails"),
  ]

  private static let literals: [Rule] = [
    Rule(
      "A literal waits for its continuation, or is refused with its command (RFC 3501, 4.3, 7.5)",
      "login-with-a-literal", "login-literal-refused", "append-synchronising", "append-refused"),
    Rule(
      "LITERAL+ and LITERAL- do not wait, the latter up to 4,096 bytes (RFC 7888, 4 and 5)",
      "append-not-synchronising", "append-literal8", "append-refused-in-the-middle",
      "append-that-the-server-does-not-read",
      "literal-minus"),
    Rule("`+` means what the state says, and nothing where nothing waits", "continuation-nobody-asked-for"),
    Rule("No line break but in a literal (RFC 3501, 9)", "line-break-in-a-string"),
    Rule(
      "A command's line is no longer than the server takes (RFC 7162, 4)", "command-line-split",
      "command-line-too-long", "command-line-cut",
      "command-line-split-and-tags-grow"),
    Rule(
      "Parts of a command go together where their order cannot be told (RFC 9051, 5.5), and end it once",
      "command-line-split-in-flight", "command-line-split-one-by-one", "command-line-split-refused",
      "command-line-split-and-literals", "command-line-cut"),
    Rule(
      "The size of messages may be limited (RFC 7889)", "append-limit", "append-above-the-limit",
      "append-above-the-mailbox-limit"),
    Rule(
      "IDLE ends by DONE, behind the continuation, by itself where a command waits, and is renewed (RFC 2177, 3)",
      "idle", "idle-refused", "idle-renewed", "idle-ended-by-the-next-command", "idle-ended-before-the-continuation"),
  ]

  private static let pipelining: [Rule] = [
    Rule("Nothing is begun while a continuation is negotiated (RFC 9051, 5.5)", "literal-holds-everything-back"),
    Rule(
      "Nothing ambiguous is in flight (RFC 9051, 5.5)", "pipelining", "pipelining-ambiguous", "pipelining-unambiguous"),
    Rule("`$` and MOVE (RFC 9051, 6.4.4.2; RFC 6851, 3.3)", "pipelining-saved-result"),
    Rule("What everything behind it needs goes alone", "pipelining-barriers", "starttls", "compress", "idle"),
    Rule(
      "Where EXPUNGE may come at any time no sequence number is sent (RFC 5465, 5.3)", "notify-expunge-at-any-time"),
  ]

  private static let mailboxes: [Rule] = [
    Rule("Any response at any time, known or not (RFC 3501, 2.2.2)", "responses-at-any-time"),
    Rule(
      "What SELECT says, and what changes later", "select", "select-response-codes", "examine", "uids-not-sticky",
      "codes-of-other-mailboxes"),
    Rule("EXPUNGE renumbers at once (RFC 9051, 7.5.1)", "expunge-renumbers"),
    Rule("EXISTS does not go down by itself; where it does, the end is what went", "exists-goes-down"),
    Rule("Another UIDVALIDITY makes UIDs void (RFC 9051, 2.3.1.1)", "uidvalidity-changes"),
    Rule(
      "VANISHED takes messages away, with EARLIER it does not (RFC 7162, 3.2.10)",
      "vanished", "vanished-without-a-map", "vanished-earlier"),
    Rule(
      "CLOSED parts the data of two mailboxes (RFC 7162, 3.2.11)",
      "closed-between-mailboxes", "closed-not-said", "closed-announced-and-not-said", "closed-by-the-server"),
    Rule("A SELECT that fails leaves no mailbox selected (RFC 9051, 6.3.2)", "select-fails"),
    Rule("CLOSE and UNSELECT (RFC 3501, 6.4.2; RFC 3691)", "close-and-unselect"),
    Rule("The map from sequence numbers to UIDs is bounded, and off by default", "map-limit", "map-is-off"),
  ]

  private static let extensions: [Rule] = [
    Rule(
      "HIGHESTMODSEQ is what the server says, else the largest of a completed command (RFC 7162, 6)",
      "highestmodseq", "modseq-is-63-bits", "nomodseq", "idle-renewed-modseq"),
    Rule(
      "CONDSTORE is on after a command that needs it (RFC 7162, 3.1)",
      "condstore-turned-on", "condstore-turned-on-by-fetch-modseq", "condstore-turned-on-by-fetch-changedsince",
      "condstore-turned-on-by-search-modseq"),
    Rule(
      "QRESYNC is used once it is enabled, and says what came of it (RFC 7162, 3.2.5)",
      "qresync", "qresync-uidvalidity-differs", "qresync-must-be-enabled"),
    Rule("UNCHANGEDSINCE and MODIFIED (RFC 7162, 3.1.3)", "highestmodseq"),
    Rule("UIDONLY does without sequence numbers (RFC 9586)", "uidonly"),
    Rule("A tag tells which search a result is of (RFC 4731, 3.1)", "tags-of-commands"),
    Rule("Search results by tag, in parts, and kept up to date in order (RFC 4731, 9394, 5267)", "search-results"),
    Rule("COPYUID comes untagged too (RFC 6851, 4.3), TRYCREATE tagged", "move-copyuid"),
    Rule("NO and BAD without a tag are warnings (RFC 3501, 7.1.2, 7.1.3)", "warnings"),
    Rule(
      "A search is written again where the server does not know its charset (RFC 9051, 6.4.4; RFC 5256, 3)",
      "badcharset-without-one", "badcharset-another", "badcharset-in-its-place", "badcharset-saved-result",
      "badcharset-and-literals", "badcharset-and-numbers"),
    Rule("UTF-8 in names, no charset in SEARCH (RFC 6855, 3; RFC 9051, 5.1)", "enable-utf8", "enable-imap4rev2"),
  ]

  private static let ends: [Rule] = [
    Rule(
      "A tag that was never sent ends the connection, one that comes again does not", "tag-never-sent", "tag-repeated"),
    Rule(
      "Four kinds of BYE: LOGOUT, refusal, shutdown, autologout; nothing is sent behind one (RFC 3501, 7.1.5)",
      "login-and-logout", "logout-tagged-bye", "greeting-bye", "bye-in-mid-command", "bye-at-idle",
      "bye-while-appending", "bye-without-end", "bye-before-starttls", "bye-and-reset", "bye-and-reset-at-logout"),
    Rule(
      "Each command ends, however the connection does",
      "close-by-the-user", "end-of-input", "transport-failure", "command-timeout"),
  ]

  /// What the bounds do is in `LimitTests`, that reading is linear in `IncrementalTests`, iterations of SCRAM in `SASLTests`.
  private static let limits: [Rule] = [
    Rule(
      "Lines, literals, nesting and lists are bounded", "limit-line", "limit-literal", "limit-nesting", "limit-list"),
    Rule("Sets stay ranges", "sets-are-not-expanded", "map-limit"),
  ]

  private static let deadlines: [Rule] = [
    Rule("The greeting has its time, and no more", "deadline-greeting"),
    Rule(
      "A command has its time behind each byte of the server", "deadline-command", "deadline-after-silence",
      "command-timeout", "deadline-progress-once"),
    Rule(
      "A continuation request is awaited, and each turn of a SASL exchange", "deadline-literal",
      "deadline-append-continuation", "deadline-authenticate", "deadline-authenticate-cancelled"),
    Rule(
      "Nothing is due while the user has the next step", "deadline-append-writing", "deadline-authenticate",
      "deadline-starttls"),
    Rule(
      "Bytes that the server takes are progress, and those that it does not take are its fault",
      "deadline-append-not-taken", "deadline-append-taken-slowly", "deadline-command-not-taken", "deadline-blanks"),
    Rule(
      "IDLE is answered at once, renewed after five minutes, and DONE is answered (RFC 2177, 3)", "deadline-idle",
      "deadline-idle-renewal", "deadline-done", "deadline-done-for-a-command"),
    Rule("STARTTLS is answered", "deadline-starttls", "deadline-starttls-unanswered"),
    Rule(
      "LOGOUT and BYE end, whatever comes behind them", "deadline-logout", "deadline-logout-bye", "deadline-bye"),
  ]

  @Test(arguments: rules) func isShown(_ rule: Rule) {
    #expect(!rule.transcripts.isEmpty)
    for name in rule.transcripts { #expect(ClientTranscriptTests.names.contains("\(name).imap"), "\(name)") }
  }

  @Test func everyTranscriptShowsARule() {
    let shown = Set(Self.rules.flatMap(\.transcripts))
    for name in ClientTranscriptTests.names { #expect(shown.contains(String(name.dropLast(5))), "\(name)") }
  }
}
