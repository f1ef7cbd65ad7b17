/// What LIST asks for (RFC 9051, section 6.3.9; RFC 5258).
public struct ListRequest: Hashable, Sendable {
  /// What the names are relative to; usually empty.
  public var reference: MailboxName
  /// Which names, `*` and `%` standing for any characters. Several need LIST-EXTENDED.
  public var patterns: [MailboxName]
  /// Which mailboxes of that name.
  public var selection: [ListSelectionOption]
  /// What to say of them.
  public var returning: [ListReturnOption]
  /// Whether the extended form is used although nothing else of it is: then the empty pattern is no question for the
  /// hierarchy's delimiter, and is written as `LIST ()` (RFC 5258, section 3).
  public var isExtended: Bool

  /// A request.
  public init(
    reference: MailboxName = "", patterns: [MailboxName], selection: [ListSelectionOption] = [],
    returning: [ListReturnOption] = [], extended: Bool = false
  ) {
    self.reference = reference
    self.patterns = patterns
    self.selection = selection
    self.returning = returning
    isExtended = extended || patterns.count != 1 || !selection.isEmpty || !returning.isEmpty
  }
}

/// Which mailboxes LIST is about.
public enum ListSelectionOption: Hashable, Sendable {
  /// Subscribed ones, whether they exist or not (RFC 5258, section 3.1).
  case subscribed
  /// Those on other servers, too.
  case remote
  /// Also mailboxes that do not match, but have children that do.
  case recursiveMatch
  /// Those with a special use (RFC 6154, section 2).
  case specialUse
  /// An option without a case of its own, with its value.
  case other(name: String, value: CommandArgument?)
}

/// What LIST says of each mailbox.
public enum ListReturnOption: Hashable, Sendable {
  /// Whether it is subscribed.
  case subscribed
  /// Whether it has children.
  case children
  /// Its special use (RFC 6154, section 2).
  case specialUse
  /// Its status (RFC 5819).
  case status([StatusItem])
  /// The user's rights on it (RFC 8440).
  case myRights
  /// Its annotations (RFC 9590).
  case metadata([[UInt8]])
  /// An option without a case of its own, with its value.
  case other(name: String, value: CommandArgument?)
}

/// What SELECT and EXAMINE are told besides the mailbox (RFC 4466, section 2.1).
public struct SelectParameters: Hashable, Sendable {
  /// Whether CONDSTORE is turned on (RFC 7162, section 3.1.8).
  public var condStore: Bool
  /// What the client knows of the mailbox; QRESYNC must be enabled (RFC 7162, section 3.2.5).
  public var qResync: QResyncParameters?
  /// Whether changes of annotations are told (RFC 5257, section 4.2).
  public var annotate: Bool

  /// Parameters; none by default.
  public init(condStore: Bool = false, qResync: QResyncParameters? = nil, annotate: Bool = false) {
    self.condStore = condStore
    self.qResync = qResync
    self.annotate = annotate
  }

  /// Whether there is nothing to say.
  public var isEmpty: Bool { !condStore && qResync == nil && !annotate }
}

/// What a client knows of a mailbox that it has seen before (RFC 7162, section 3.2.5).
public struct QResyncParameters: Hashable, Sendable {
  /// The UID validity value.
  public var uidValidity: UInt64
  /// The highest modification sequence.
  public var modSeq: ModSeq
  /// The UIDs; nil stands for all below the next UID.
  public var knownUIDs: UIDSet?
  /// Some messages with their UIDs, so that the server finds out how far the client's list is right.
  public var sequenceMatch: SequenceMatch?

  /// Sequence numbers and the UIDs of the same messages, in ascending order.
  public struct SequenceMatch: Hashable, Sendable {
    /// The sequence numbers.
    public var sequence: SequenceSet
    /// Their UIDs.
    public var uids: UIDSet

    /// A match.
    public init(sequence: SequenceSet, uids: UIDSet) {
      self.sequence = sequence
      self.uids = uids
    }
  }

  /// What is known.
  public init(
    uidValidity: UInt64, modSeq: ModSeq, knownUIDs: UIDSet? = nil, sequenceMatch: SequenceMatch? = nil
  ) {
    self.uidValidity = uidValidity
    self.modSeq = modSeq
    self.knownUIDs = knownUIDs
    self.sequenceMatch = sequenceMatch
  }
}
