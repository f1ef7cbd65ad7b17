/// What SEARCH looks for (RFC 9051, section 6.4.4).
public indirect enum SearchKey: Hashable, Sendable {
  /// Every message.
  case all
  /// All of the keys match.
  case and([SearchKey])
  /// One of the two matches.
  case or(SearchKey, SearchKey)
  /// The key does not match.
  case not(SearchKey)
  /// The message has the flag: one of the system flags, or a keyword.
  case flag(Flag)
  /// The message lacks the flag.
  case noFlag(Flag)
  /// `\Recent` and not `\Seen` (RFC 3501).
  case new
  /// Not `\Recent` (RFC 3501).
  case old
  /// By UID.
  case uid(UIDSet)
  /// By sequence number.
  case sequence(SequenceSet)
  /// The Bcc field holds the text.
  case bcc(String)
  /// The Cc field holds the text.
  case cc(String)
  /// The From field holds the text.
  case from(String)
  /// The To field holds the text.
  case to(String)
  /// The Subject field holds the text.
  case subject(String)
  /// The body holds the text.
  case body(String)
  /// Header or body hold the text.
  case text(String)
  /// The named header field holds the text; the empty text matches every message that has the field.
  case header(String, String)
  /// Received before the day.
  case before(SearchDate)
  /// Received on the day.
  case on(SearchDate)
  /// Received on the day or later.
  case since(SearchDate)
  /// Date field before the day.
  case sentBefore(SearchDate)
  /// Date field on the day.
  case sentOn(SearchDate)
  /// Date field on the day or later.
  case sentSince(SearchDate)
  /// Larger than this many bytes.
  case larger(UInt64)
  /// Smaller than this many bytes.
  case smaller(UInt64)
  /// Changed since the modification sequence, or with it (RFC 7162, section 3.1.5).
  /// With `entry`, only changes of that flag count.
  case modSeq(ModSeq, entry: ModSeqEntry? = nil)
  /// Received more than this many seconds ago (RFC 5032).
  case older(UInt32)
  /// Received within this many seconds (RFC 5032).
  case younger(UInt32)
  /// Put into the mailbox before the day (RFC 8514).
  case savedBefore(SearchDate)
  /// Put into the mailbox on the day (RFC 8514).
  case savedOn(SearchDate)
  /// Put into the mailbox on the day or later (RFC 8514).
  case savedSince(SearchDate)
  /// The mailbox keeps when messages were put into it (RFC 8514).
  case saveDateSupported
  /// By what the message is called in every mailbox (RFC 8474, section 6).
  case emailID(String)
  /// By what its thread is called (RFC 8474, section 6).
  case threadID(String)
  /// The key matches, or nearly (RFC 6203, section 3).
  case fuzzy(SearchKey)
  /// The search that the server has under this name matches (RFC 5466, section 3.1).
  case filter(String)
  /// An annotation holds the text; nil is NIL. `attribute` is `value`, `value.priv` or `value.shared`, and `entry` may
  /// have wildcards (RFC 5257, section 4.7).
  case annotation(entry: [UInt8], attribute: [UInt8], value: [UInt8]?)
  /// The UID is above this one (RFC 9738, section 3.2).
  case uidAfter(UID)
  /// The UID is below this one (RFC 9738, section 3.2).
  case uidBefore(UID)
  /// By a query in the language of Gmail's web pages (X-GM-RAW).
  case gmailRaw(String)
  /// By X-GM-MSGID.
  case gmailMessageID(UInt64)
  /// By X-GM-THRID.
  case gmailThreadID(UInt64)
  /// The message has the label (X-GM-LABELS).
  case gmailLabel(GmailLabel)
  /// A key without a case of its own, such as Dovecot's `X-GUID`: its name and what stands behind it, spaces between them. The
  /// name is a tagged-ext-label (RFC 9051, section 9): letters, digits, `-`, `_`, `.` and `:`, the first no digit. Strings become
  /// quoted or literals as they must; `CommandArgument.raw` takes text as Python's `imaplib` does. What the server must have
  /// announced for it is the caller's to know, and of sequence numbers in raw text nothing is known here.
  case other(String, [CommandArgument] = [])
}

/// What a search for modification sequences is about (RFC 7162, section 3.1.5).
public struct ModSeqEntry: Hashable, Sendable {
  /// Whose value counts.
  public enum Scope: String, Hashable, Sendable {
    /// The user's own.
    case `private` = "priv"
    /// The one that all share.
    case shared = "shared"
    /// Either.
    case all = "all"
  }

  /// The entry, for example `/flags/\draft`.
  public var name: String
  /// Whose value counts.
  public var scope: Scope

  /// An entry.
  public init(_ name: String, _ scope: Scope = .all) {
    self.name = name
    self.scope = scope
  }

  /// Whether `name` can stand between quotes. An entry's name never is a literal (RFC 7162, section 7).
  static func isQuotable(_ name: String) -> Bool {
    name.utf8.count <= CommandEncoder.longestQuoted && name.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f }
  }
}

/// What a SEARCH response holds (RFC 3501, section 7.2.5; RFC 7162, section 3.1.5).
public struct SearchResult: Hashable, Sendable {
  /// UIDs of UID SEARCH, sequence numbers of SEARCH.
  public var numbers: [UInt32]
  /// The highest modification sequence of the found messages, where one was asked for.
  public var modSeq: ModSeq?
  /// What else was among the numbers. It is not sent.
  public var invalid: [InvalidItem] = []

  /// A result.
  public init(numbers: [UInt32] = [], modSeq: ModSeq? = nil) {
    self.numbers = numbers
    self.modSeq = modSeq
  }
}
