import IMAPStateMachine

/// Why the store refused something.
enum StoreError: Error, Hashable {
  /// The mailbox does not exist.
  case nonexistent
  /// The mailbox exists already.
  case alreadyExists
  /// The name cannot be that of a mailbox.
  case invalidName
  /// INBOX cannot be deleted or renamed.
  case inbox
  /// The account holds too many bytes, messages or mailboxes.
  case overQuota
  /// The mailbox cannot take another keyword, or another message.
  case limit
  /// A sequence number that no message has.
  case invalidSequence
  /// A search with too many keys inside one another.
  case tooComplex
  /// A search key, or `$`, that the server does not offer.
  case notOffered

  /// The response code that tells a client (RFC 5530).
  var code: ResponseCode? {
    switch self {
    case .nonexistent: .nonexistent
    case .alreadyExists: .alreadyExists
    case .invalidName, .inbox: .cannot
    case .overQuota: .atom("OVERQUOTA")
    case .limit, .tooComplex: .atom("LIMIT")
    case .invalidSequence, .notOffered: nil
    }
  }

  /// The text that tells a person.
  var text: String {
    switch self {
    case .nonexistent: "Mailbox does not exist"
    case .alreadyExists: "Mailbox exists already"
    case .invalidName: "Not a name for a mailbox"
    case .inbox: "INBOX cannot be deleted or renamed"
    case .overQuota: "Account is full"
    case .limit: "Mailbox cannot take more"
    case .invalidSequence: "No message has this sequence number"
    case .tooComplex: "Search is too deeply nested"
    case .notOffered: "Not offered"
    }
  }
}

/// How much one account may hold.
struct StoreLimits: Sendable {
  /// Bytes of all messages. A test that needs more is not served well by a store in memory.
  var bytes = 4 << 30
  /// Messages. Empty ones cost no byte of the quota, but memory all the same.
  var messages = 10_000_000
  /// Mailboxes.
  var mailboxes = 100_000
  /// Bytes of a mailbox name on the wire.
  var nameBytes = 512
  /// Levels of a mailbox name. Dovecot takes 16.
  var nameLevels = 16
}
