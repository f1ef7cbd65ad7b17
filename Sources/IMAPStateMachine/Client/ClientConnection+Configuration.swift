extension ClientConnection {
  /// What a connection may be told at its start.
  ///
  /// Its values are shared by all connections that are given it, or a copy of it, and copied for whoever changes them then.
  /// Only ``isSecure`` is each connection's own.
  public struct Configuration: Sendable {
    // First, so that what follows a configuration in a connection stands close to its last byte.
    private var storage: Storage

    /// The bounds of the parser.
    public var limits: ParserLimits {
      get { storage.values.limits }
      set { change { $0.limits = newValue } }
    }

    /// Whether the bytes are already protected, by TLS from the first byte or because they never leave the machine.
    public var isSecure = false

    /// Whether nothing may be believed or told before TLS: PREAUTH is refused (RFC 9051, section 7.1.4: STARTTLS is impossible
    /// then), untagged text of the server but its greeting and BYE is dropped, and so that nobody in between can make a
    /// client do without by refusing STARTTLS, LOGIN, AUTHENTICATE and commands that are not known fail.
    public var requiresTLS: Bool {
      get { storage.values.requiresTLS }
      set { change { $0.requiresTLS = newValue } }
    }

    /// How long the greeting may take, from the start to its last byte. RFC 9051 names no time; mail programs wait 30 s to
    /// 60 s.
    public var greetingTimeout: Duration {
      get { storage.values.greetingTimeout }
      set { change { $0.greetingTimeout = newValue } }
    }

    /// How long a command in flight may go without a single byte from the server, and how long bytes may wait to be sent of
    /// which it takes none. IDLE and DONE, which are sent alone, have to be answered in this time whatever else comes.
    public var commandTimeout: Duration {
      get { storage.values.commandTimeout }
      set { change { $0.commandTimeout = newValue } }
    }

    /// Other times than ``commandTimeout`` for some commands, by their names: `["SEARCH": .seconds(600), "NOOP": .seconds(10)]`.
    /// `SEARCH` is `UID SEARCH`, too, unless that has a time of its own; case counts for nothing, and of two such names that with
    /// the longer time holds. Where several commands are in flight, the longest of their times counts, as a server may work on any
    /// of them. Up to 255 names count.
    public var commandTimeouts: [String: Duration] {
      get { storage.values.commandTimeouts.given }
      set { change { $0.commandTimeouts = CommandTimeouts(newValue) } }
    }

    /// As ``commandTimeouts``, by what commands in flight keep of it.
    var timeouts: CommandTimeouts { storage.values.commandTimeouts }

    /// When an IDLE is renewed. RFC 2177, section 3 allows 29 minutes, and what is longer counts as that; many a NAT forgets
    /// a connection after five.
    public var idleRenewal: Duration {
      get { storage.values.idleRenewal }
      set { change { $0.idleRenewal = min(newValue, .seconds(29 * 60)) } }
    }

    /// By how much at the most an IDLE is renewed earlier, so that connections that began together do not renew together. How
    /// much it is depends on the time at which it began. What is more than ``idleRenewal`` counts as that.
    public var idleJitter: Duration {
      get { storage.values.idleJitter }
      set { change { $0.idleJitter = max(newValue, .zero) } }
    }

    /// How long the server may take to answer LOGOUT, or to close the connection after its BYE.
    public var logoutTimeout: Duration {
      get { storage.values.logoutTimeout }
      set { change { $0.logoutTimeout = newValue } }
    }

    /// Commands in flight at the most. Outlook.com refuses more than about 25.
    public var maximumInFlight: Int {
      get { storage.values.maximumInFlight }
      set { change { $0.maximumInFlight = newValue } }
    }

    /// Commands that may wait to be sent.
    public var maximumQueued: Int {
      get { storage.values.maximumQueued }
      set { change { $0.maximumQueued = newValue } }
    }

    /// Bytes of a command's line at the most, literals not counted (RFC 7162, section 4). What is longer is sent as several
    /// commands where that means the same: see ``ClientEvent/partCompleted(_:_:)``; else it fails.
    public var maximumLineLength: Int {
      get { storage.values.maximumLineLength }
      set { change { $0.maximumLineLength = newValue } }
    }

    /// Messages that one FETCH may name by their UIDs; nil for any number. One that names more is sent as several commands: see
    /// ``ClientEvent/partCompleted(_:_:)``. A set with `*`, as `1:*`, goes as it is, as nobody knows how many messages it names;
    /// sequence numbers do, too.
    public var maximumFetchBatch: UInt32? {
      get { storage.values.maximumFetchBatch }
      set { change { $0.maximumFetchBatch = newValue } }
    }

    /// Whether the UIDs of the selected mailbox's messages are kept, as far as FETCH tells them, for
    /// ``ClientConnection/uid(of:)`` and ``ClientConnection/sequence(of:)``. Off, it costs nothing.
    public var mapsUIDs: Bool {
      get { storage.values.mapsUIDs }
      set { change { $0.mapsUIDs = newValue } }
    }

    /// How many runs of messages are kept at the most, whose UIDs follow one another or are not known. Each takes eight bytes.
    /// UIDs beyond that stay unknown. A mailbox from which every other message was removed takes one run for each.
    public var maximumUIDRanges: Int {
      get { storage.values.maximumUIDRanges }
      set { change { $0.maximumUIDRanges = newValue } }
    }

    /// Is told every line that goes over the wire, without secrets, at once and on the caller's thread: a command when it is
    /// written to ``ClientConnection/outbound``, a response when it was read. Connections that share a configuration share
    /// it. Nil costs nothing.
    public var wireObserver: (@Sendable (WireLine) -> Void)? {
      get { storage.values.wireObserver }
      set { change { $0.wireObserver = newValue } }
    }

    /// The defaults.
    public init() { storage = Storage(Values()) }

    /// Whether nothing but ``isSecure`` can differ, as both are copies of one.
    func hasSameValues(as other: borrowing Self) -> Bool { storage === other.storage }

    private mutating func change(_ body: (inout Values) -> Void) {
      var values = storage.values
      body(&values)
      storage = Storage(values)
    }

    private struct Values: Sendable {
      var limits = ParserLimits()
      var requiresTLS = false
      var greetingTimeout = Duration.seconds(30)
      var commandTimeout = Duration.seconds(120)
      var commandTimeouts = CommandTimeouts([:])
      var idleRenewal = Duration.seconds(5 * 60)
      var idleJitter = Duration.zero
      var logoutTimeout = Duration.seconds(5)
      var maximumInFlight = 20
      var maximumQueued = 10_000
      var maximumLineLength = 8192
      var maximumFetchBatch: UInt32?
      var mapsUIDs = false
      var maximumUIDRanges = 1_000_000
      var wireObserver: (@Sendable (WireLine) -> Void)?
    }

    /// Never written: it is asked several times for each command, and what cannot change is read without a check.
    private final class Storage: Sendable {
      let values: Values

      init(_ values: Values) { self.values = values }
    }
  }
}
