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
  case larger(UInt32)
  /// Smaller than this many bytes.
  case smaller(UInt32)
  /// Changed since the modification sequence, or with it (RFC 7162, section 3.1.5).
  case modSeq(ModSeq)
}

/// What a SEARCH response holds (RFC 3501, section 7.2.5; RFC 7162, section 3.1.5).
public struct SearchResult: Hashable, Sendable {
  /// UIDs of UID SEARCH, sequence numbers of SEARCH.
  public var numbers: [UInt32]
  /// The highest modification sequence of the found messages, where one was asked for.
  public var modSeq: ModSeq?

  /// A result.
  public init(numbers: [UInt32] = [], modSeq: ModSeq? = nil) {
    self.numbers = numbers
    self.modSeq = modSeq
  }
}
