import IMAPStateMachine
import Metrics
import Synchronization

/// What clients count: give one to all of them by ``IMAPClient/Configuration/metrics``. The instruments are made once, those of a
/// command when it is used first; the values that labels take are few whatever servers say.
///
/// | name | kind | labels |
/// |---|---|---|
/// | `imap_connections_opened` | counter | |
/// | `imap_connections_failed`, `imap_connections_lost` | counter | `reason` |
/// | `imap_connections_open`, `imap_connections_idle` | meter | |
/// | `imap_commands` | counter | `command`, `outcome`: `ok`, `no`, `bad`, `failed` |
/// | `imap_command_duration` | timer | `command` |
/// | `imap_connect_duration`, `imap_tls_duration` | timer | |
/// | `imap_bytes_received`, `imap_bytes_sent` | counter | |
///
/// A connection is opened by the server's greeting. Failed is one that ends before that; lost is one that ends later, neither by
/// LOGOUT nor by this side. Bytes are those of IMAP, inside TLS; those received are counted with the completion of commands. A
/// command takes from the call, its wait for others included, to its completion.
public final class IMAPMetrics: Sendable {
  private let factory: any MetricsFactory
  private let dimensions: [(String, String)]
  private let commands = Mutex<[String: CommandInstruments]>([:])
  private let failures: [String: Counter]
  private let losses: [String: Counter]

  let opened: Counter
  let open: Meter
  let idle: Meter
  let received: Counter
  let sent: Counter
  let connecting: Metrics.Timer
  let securing: Metrics.Timer

  /// Instruments of `factory`, with `dimensions` as labels of all: for example the host, where there are few. Without a factory
  /// it is that of `MetricsSystem`, which must have been bootstrapped before.
  public init(factory: (any MetricsFactory)? = nil, dimensions: [(String, String)] = []) {
    let factory = factory ?? MetricsSystem.factory
    self.factory = factory
    self.dimensions = dimensions
    opened = Counter(label: "imap_connections_opened", dimensions: dimensions, factory: factory)
    open = Meter(label: "imap_connections_open", dimensions: dimensions, factory: factory)
    idle = Meter(label: "imap_connections_idle", dimensions: dimensions, factory: factory)
    received = Counter(label: "imap_bytes_received", dimensions: dimensions, factory: factory)
    sent = Counter(label: "imap_bytes_sent", dimensions: dimensions, factory: factory)
    connecting = Metrics.Timer(label: "imap_connect_duration", dimensions: dimensions, factory: factory)
    securing = Metrics.Timer(label: "imap_tls_duration", dimensions: dimensions, factory: factory)
    func counters(_ label: String) -> [String: Counter] {
      var counters: [String: Counter] = [:]
      for reason in CloseReason.labels {
        counters[reason] = Counter(label: label, dimensions: dimensions + [("reason", reason)], factory: factory)
      }
      return counters
    }
    failures = counters("imap_connections_failed")
    losses = counters("imap_connections_lost")
  }

  func failed(_ reason: CloseReason) { failures[reason.label]?.increment() }

  func lost(_ reason: CloseReason) { losses[reason.label]?.increment() }

  /// The command of this name, one of those that the library has or `OTHER`.
  func command(_ name: String, _ outcome: CommandOutcome, took duration: Duration) {
    let instruments = commands.withLock { commands in
      if let known = commands[name] { return known }
      let made = CommandInstruments(name, dimensions, factory)
      commands[name] = made
      return made
    }
    instruments.counter(of: outcome).increment()
    instruments.duration.recordNanoseconds(duration.nanosecondCount)
  }
}

/// How a command ended.
enum CommandOutcome: String {
  case ok, no, bad, failed

  init(_ condition: Status.Condition) {
    switch condition {
    case .ok, .preauth, .bye: self = .ok
    case .no: self = .no
    case .bad: self = .bad
    }
  }
}

private struct CommandInstruments: Sendable {
  private let ok: Counter
  private let no: Counter
  private let bad: Counter
  private let failed: Counter
  let duration: Metrics.Timer

  init(_ name: String, _ dimensions: [(String, String)], _ factory: any MetricsFactory) {
    let dimensions = dimensions + [("command", name)]
    func counter(_ outcome: CommandOutcome) -> Counter {
      Counter(label: "imap_commands", dimensions: dimensions + [("outcome", outcome.rawValue)], factory: factory)
    }
    ok = counter(.ok)
    no = counter(.no)
    bad = counter(.bad)
    failed = counter(.failed)
    duration = Metrics.Timer(label: "imap_command_duration", dimensions: dimensions, factory: factory)
  }

  func counter(of outcome: CommandOutcome) -> Counter {
    switch outcome {
    case .ok: ok
    case .no: no
    case .bad: bad
    case .failed: failed
    }
  }
}

extension CloseReason {
  /// What stands for it in metrics.
  var label: String {
    switch self {
    case .logout: "logout"
    case .refused: "refused"
    case .bye: "bye"
    case .endOfInput: "end_of_input"
    case .local: "local"
    case .error(let error):
      switch error {
      case .peer: "violation"
      case .parse: "unreadable"
      case .limit: "limit"
      case .misuse: "misuse"
      case .timedOut: "timeout"
      case .transport(let failure): failure.operation.rawValue
      case .closedByPeer: "bye"
      case .closedLocally: "local"
      }
    }
  }

  /// All of them.
  fileprivate static let labels =
    ["logout", "refused", "bye", "end_of_input", "local", "violation", "unreadable", "limit", "misuse", "timeout"]
    + ConnectionError.TransportFailure.Operation.allCases.map(\.rawValue)
}

extension Duration {
  /// Cut to what an `Int64` holds.
  var nanosecondCount: Int64 {
    let (seconds, attoseconds) = components
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? (seconds < 0 ? .min : .max) : whole &+ attoseconds / 1_000_000_000
  }

  /// For people: milliseconds with three digits behind the point.
  var inMilliseconds: String {
    let microseconds = max(0, nanosecondCount / 1000)
    let digits = String(microseconds % 1000)
    return "\(microseconds / 1000).\(String(repeating: "0", count: 3 - digits.utf8.count))\(digits) ms"
  }
}
