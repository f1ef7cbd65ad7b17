/// A bound that the peer's bytes passed.
public struct LimitExceeded: Error, Hashable, Sendable, CustomStringConvertible {
  /// Which bound.
  public enum Limit: String, Hashable, Sendable {
    /// Bytes from the start of a response or command to its end, streamed literals not counted.
    case line
    /// Bytes of one streamed literal.
    case literal
    /// Bytes of one literal in a place that is not streamed.
    case bufferedLiteral = "buffered literal"
    /// Parentheses inside one another.
    case nesting
    /// Data items in one FETCH response.
    case fetchItems = "FETCH items"
    /// Elements of one list.
    case listElements = "list elements"
    /// Positions kept for one ENVELOPE or BODYSTRUCTURE: 18 for each of its parts, four for each address, two for each
    /// parameter. Not configurable: 1,048,576, which is 8 MiB.
    case structure = "parts of a structure"
    /// Bytes of responses since the last tagged one, streamed literals not counted.
    case unsolicitedBytes = "bytes without a tagged response"
    /// Messages in one APPEND, or parts in one message of it.
    case appendParts = "parts of APPEND"
    /// Commands waiting in the machine.
    case queuedCommands = "queued commands"
    /// Bytes of a message of APPEND, as the server told the limit for all mailboxes or the caller that of one (RFC 7889).
    case appendedMessage = "bytes of an appended message"
    /// Bytes of a command's line, literals not counted.
    case commandLine = "bytes of a command line"
    /// Bytes that a peer's compressed ones were inflated to.
    case inflatedBytes = "inflated bytes"
    /// What compressed bytes were inflated to, for each of them.
    case compressionRatio = "inflated bytes for each compressed one"
    /// Commands in a row that a server could not understand.
    case badCommands = "bad commands"
  }

  /// Which bound was passed.
  public var limit: Limit
  /// The bound's value.
  public var value: UInt64
  /// Where: bytes from the start of the stream.
  public var offset: Int

  /// A bound of `value` that was passed at `offset`.
  public init(limit: Limit, value: UInt64, offset: Int) {
    self.limit = limit
    self.value = value
    self.offset = offset
  }

  /// One line for a log.
  public var description: String { "limit of \(value) for \(limit.rawValue) passed at byte \(offset)" }
}

/// What a parser accepts at the most. Every default names its reason.
public struct ParserLimits: Sendable, Hashable {
  /// One response or command without its streamed literals. A SEARCH answer for a million messages is one line of 7 MB.
  public var line: Int = 8 << 20
  /// One streamed literal. Streaming costs no memory, so this only stops nonsense: 2 GiB is above any provider's limit.
  public var literal: UInt64 = 2 << 30
  /// One literal that is kept with its line: a mailbox name, a subject in ENVELOPE, a message that URLFETCH brings, for which
  /// this is as much as a line may have. It counts for ``line`` too.
  public var bufferedLiteral: Int = 8 << 20
  /// Parentheses inside one another, in any value of a response or command: FETCH items, THREAD, LIST, ESEARCH, response
  /// codes, and lines that are not known. Strings and text for people have none. Passing it is fatal like passing any bound.
  /// Real BODYSTRUCTUREs stay below 25. A value above 256 counts as 256: what is nested
  /// is read by recursion, and no peer may exhaust the stack. One below 1 counts as 1.
  public var nesting: Int = 64
  /// Data items in one FETCH response. Fetching 100 sections at once is already rare.
  public var fetchItems: Int = 1024
  /// Elements of one list: between two parentheses (flags, addresses, parameters, the parts of a body), in one run of words
  /// (capabilities, the numbers of SEARCH), or ranges in one set of numbers. Where lists are nested each has its own count.
  ///
  /// An element takes a byte of the line at least. So nothing that meets the default bound on lines passes this one, a
  /// SEARCH answer with four million numbers included, and both have to be set together: raise this when lines may be
  /// longer, lower it where values that are copied must stay small, for each element then takes 16 bytes or more. Lines with
  /// fewer bytes than this number are not counted.
  public var listElements: Int = 8 << 20
  /// Responses between two tagged ones, in bytes. Sections that are streamed are not counted: they are the caller's as they
  /// come, nothing of them is kept, and ``literal`` bounds each. What passes this is noticed behind the response that did,
  /// whose own size other bounds hold.
  ///
  /// No command of real use gets near the default. FETCH 1:* FLAGS of a million messages answers with 60 MB; ENVELOPE and
  /// BODYSTRUCTURE of as many with 1 GB. IDLE has no tagged response until DONE: clients renew it every 29 minutes (RFC
  /// 2177), and in that time the default takes 2.4 MB a second of news.
  public var unsolicitedBytes: UInt64 = 4 << 30
  /// Messages in one APPEND (RFC 3502), and parts in one message of it (RFC 4469). A draft with a hundred attachments has
  /// four parts for each.
  public var appendParts: Int = 1024

  /// The defaults.
  public init() {}

  /// The same bounds as numbers that can be counted with: not negative, and far enough from the largest that sums of them
  /// and of positions in a buffer do not overflow.
  var countable: ParserLimits {
    var limits = self
    limits.line = min(max(line, 0), Int(Int32.max / 4))
    limits.bufferedLiteral = min(max(bufferedLiteral, 0), Int(Int32.max / 4))
    limits.nesting = min(max(nesting, 1), 256)
    limits.fetchItems = max(fetchItems, 0)
    limits.listElements = max(listElements, 0)
    limits.unsolicitedBytes = min(unsolicitedBytes, UInt64(Int.max / 4))
    limits.appendParts = max(appendParts, 0)
    return limits
  }

  /// The defaults for a server that reads commands: it buffers little before anybody is authenticated. Dovecot takes
  /// 64 KiB a line, which bounds the elements of its lists as well. A client sends nothing but commands, so there
  /// ``unsolicitedBytes`` has nothing to count.
  public static var server: ParserLimits {
    var limits = ParserLimits()
    limits.line = 64 << 10
    limits.literal = 64 << 20
    limits.bufferedLiteral = 64 << 10
    return limits
  }
}
