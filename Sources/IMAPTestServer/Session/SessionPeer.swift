import IMAPLoop
import IMAPStateMachine

/// The connection that a session answers on.
protocol SessionPeer: AnyObject {
  /// Whether TLS protects the connection.
  var isSecure: Bool { get }
  /// What names the TLS connection to both ends.
  func channelBinding(_ kind: ChannelBinding.Kind) -> ChannelBinding?
  /// Whom a certificate that was checked says that the client is.
  var peerCommonName: String? { get }
  /// Lets `body` use the machine in place. What it writes is sent soon. `body` must not come back here.
  func withConnection<Result, Failure: Error>(
    _ body: (inout ServerConnection) throws(Failure) -> Result
  ) throws(Failure) -> Result
  /// Ends the connection.
  func close()
}

extension SessionPeer {
  /// None.
  func channelBinding(_ kind: ChannelBinding.Kind) -> ChannelBinding? { nil }
  /// Nobody.
  var peerCommonName: String? { nil }
}

extension ServerChannel: SessionPeer {}

/// What all sessions of one server share. Everything happens on the server's loop.
// Sendable: closures that are handed to the loop hold it, and only the loop's thread looks at what is in it.
final class ServerCore: @unchecked Sendable {
  /// What the server serves.
  let store: MailStore
  /// Capabilities that the server neither announces nor serves.
  let withheld: Set<Capability>
  /// Whether nobody may log in without TLS.
  let requiresTLS: Bool
  /// The SASL mechanisms that are offered.
  let mechanisms: [String]
  /// Whether connections without TLS may ask for it.
  let offersStartTLS: Bool
  /// Seconds since 1970.
  let clock: () -> Int64
  /// Runs a closure soon: after the event that is being handled.
  let later: (@escaping () -> Void) -> Void

  private(set) var sessions: [ObjectIdentifier: TestServerSession] = [:]
  private var woken: [TestServerSession] = []

  init(
    store: MailStore, withheld: Set<Capability> = [], requiresTLS: Bool = false, offersStartTLS: Bool = false,
    mechanisms: [String] = ["PLAIN"],
    clock: @escaping () -> Int64, later: @escaping (@escaping () -> Void) -> Void
  ) {
    self.store = store
    self.withheld = withheld
    self.requiresTLS = requiresTLS
    self.offersStartTLS = offersStartTLS
    self.mechanisms = mechanisms
    self.clock = clock
    self.later = later
  }

  /// Whether the server serves what `capability` stands for.
  func offers(_ capability: Capability) -> Bool { !withheld.contains(capability) }

  /// Notes a session that began.
  func add(_ session: TestServerSession) { sessions[ObjectIdentifier(session)] = session }

  /// Forgets a session that ended.
  func remove(_ session: TestServerSession) { sessions[ObjectIdentifier(session)] = nil }

  /// Tells an idle session soon that its mailbox changed: once, however many changes come until then.
  func wake(_ session: TestServerSession) {
    if woken.isEmpty {
      later { [self] in
        let sessions = woken
        woken.removeAll()
        for session in sessions { session.pushNews() }
      }
    }
    woken.append(session)
  }
}
