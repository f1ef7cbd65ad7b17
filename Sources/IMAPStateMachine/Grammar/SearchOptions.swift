/// What RETURN asks a search for (RFC 4731, section 3.1; RFC 9051, section 6.4.4).
public enum SearchReturnOption: Hashable, Sendable {
  /// The lowest number.
  case min
  /// The highest number.
  case max
  /// All numbers.
  case all
  /// How many there are.
  case count
  /// Nothing, but the result can be named by `$` (RFC 5182).
  case save
  /// A part of the result (RFC 5267, section 4.4; RFC 9394, section 3.1).
  case partial(SearchWindow)
  /// Changes of the result are told as they come; with items, new messages are fetched at once where NOTIFY is there
  /// (RFC 5267, section 4.3; RFC 5465, section 8).
  case update([FetchItem] = [])
  /// A hint that the same search comes again (RFC 5267, section 4.2).
  case context
  /// A score for each message (RFC 6203, section 4).
  case relevancy
  /// An option without a case of its own, with its value (RFC 4466, section 2.6).
  case other(name: String, value: CommandArgument?)
}

/// What SORT goes by (RFC 5256, section 3).
public struct SortCriterion: Hashable, Sendable {
  /// A property of a message.
  public enum Key: Hashable, Sendable {
    /// When the server received it.
    case arrival
    /// The first Cc address.
    case cc
    /// When it was sent.
    case date
    /// The first From address.
    case from
    /// Its size.
    case size
    /// Its base subject.
    case subject
    /// The first To address.
    case to
    /// The name shown for From (RFC 5957).
    case displayFrom
    /// The name shown for To (RFC 5957).
    case displayTo
    /// The score of a fuzzy search (RFC 6203, section 5).
    case relevancy
    /// An annotation; `attribute` is `value.priv` or `value.shared` (RFC 5257, section 4.8).
    case annotation(entry: [UInt8], attribute: [UInt8])
  }

  /// The property.
  public var key: Key
  /// Whether the order is turned round.
  public var isReversed: Bool

  /// A criterion.
  public init(_ key: Key, reversed: Bool = false) {
    self.key = key
    isReversed = reversed
  }
}

/// How THREAD finds threads (RFC 5256, section 3).
public struct ThreadAlgorithm: Hashable, Sendable, CustomStringConvertible {
  /// The name in upper case.
  public let rawValue: String

  /// The algorithm `name`.
  public init(_ name: String) { rawValue = asciiUppercased(name) }

  /// By base subject and date.
  public static let orderedSubject = ThreadAlgorithm("ORDEREDSUBJECT")
  /// By the References field.
  public static let references = ThreadAlgorithm("REFERENCES")
  /// By the References field alone, without the subject (draft THREAD=REFS).
  public static let refs = ThreadAlgorithm("REFS")

  /// The name.
  public var description: String { rawValue }
}

/// What FETCH is told besides messages and items (RFC 4466, section 2.4).
public struct FetchModifiers: Hashable, Sendable {
  /// Only messages that changed since (RFC 7162, section 3.1.4.1).
  public var changedSince: ModSeq?
  /// With ``changedSince``: also which messages went. UID FETCH only; QRESYNC must be enabled (RFC 7162, section 3.2.6).
  public var vanished: Bool
  /// Only a part of the messages. UID FETCH only (RFC 9394, section 3.2).
  public var partial: SearchWindow?

  /// Modifiers; none by default.
  public init(changedSince: ModSeq? = nil, vanished: Bool = false, partial: SearchWindow? = nil) {
    self.changedSince = changedSince
    self.vanished = vanished
    self.partial = partial
  }

  /// Whether there is nothing to say.
  public var isEmpty: Bool { changedSince == nil && !vanished && partial == nil }
}

/// What STORE does with Gmail's labels.
public struct LabelOperation: Hashable, Sendable {
  /// How the named labels combine with those the message has.
  public var action: StoreOperation.Action
  /// The named labels.
  public var labels: [GmailLabel]
  /// Whether the server is asked not to answer with the new labels (`.SILENT`).
  public var isSilent: Bool

  /// An operation on `labels`.
  public init(_ action: StoreOperation.Action, _ labels: [GmailLabel], silent: Bool = false) {
    self.action = action
    self.labels = labels
    self.isSilent = silent
  }
}
