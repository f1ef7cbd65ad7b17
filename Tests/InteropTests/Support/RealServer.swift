import Foundation
import IMAPLoop
import IMAPStateMachine
import Testing

/// A server from a package that a test starts for itself: on free ports of the loopback interface, with its own configuration,
/// certificate and mail in a temporary folder, and ended with the object.
class RealServer {
  struct Unavailable: Error, CustomStringConvertible {
    var description: String
  }

  let plainPort: UInt16
  let tlsPort: UInt16
  let certificateFile: String
  let password = "secret"
  let folder: String
  /// A certificate that names joe, and its key; nil where the server takes none.
  let clientCertificateFile: String?
  /// The certificate alone, for the server to trust.
  let clientAuthorityFile: String?
  private var processes: [ServerProcess] = []

  /// Prepares what each server needs, lets it prepare the rest, and starts it.
  init(_ name: String, folders: [String], takesCertificates: Bool = false) throws {
    folder = FileManager.default.temporaryDirectory.path + "/imap-\(name)-\(UUID().uuidString)"
    for name in folders + ["log"] {
      try FileManager.default.createDirectory(
        atPath: "\(folder)/\(name)", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    }
    let certificate = try SelfSignedCertificate.generate(hosts: ["localhost", "127.0.0.1"])
    certificateFile = "\(folder)/certificate.pem"
    clientCertificateFile = takesCertificates ? "\(folder)/joe.pem" : nil
    clientAuthorityFile = takesCertificates ? "\(folder)/clients.pem" : nil
    (plainPort, tlsPort) = try FreePort.pair()
    try write(certificate.certificatePEM, to: "certificate.pem")
    try write(certificate.privateKeyPEM, to: "key.pem")
    if takesCertificates {
      let client = try SelfSignedCertificate.generate(hosts: ["joe"])
      try write(client.certificatePEM, to: "clients.pem")
      try write(client.certificatePEM + client.privateKeyPEM, to: "joe.pem")
    }
    try prepare()
    try start()
  }

  deinit {
    for process in processes { process.end() }
    try? FileManager.default.removeItem(atPath: folder)
  }

  /// Writes the configuration.
  func prepare() throws {}

  /// Starts the processes of the server.
  func launch() throws -> [ServerProcess] { [] }

  /// Starts the server, and returns when it has greeted: until then connecting is refused.
  func start() throws {
    processes = try launch()
    let deadline = Date().addingTimeInterval(60)
    while !(FreePort.greets(plainPort) && FreePort.listens(tlsPort)) {
      let hasEnded = !processes.allSatisfy(\.isRunning)
      if hasEnded || Date() > deadline {
        let log = (try? String(contentsOfFile: logFile, encoding: .utf8)) ?? ""
        let what = hasEnded ? "ended at once" : "did not start in time"
        throw Unavailable(description: "\(type(of: self)) \(what): \(log.suffix(2000))")
      }
      usleep(5000)
    }
  }

  /// Ends the server by `signal`, and returns when nobody listens any more.
  func end(_ signal: Int32 = SIGTERM) {
    for process in processes { process.end(signal) }
    processes = []
    while FreePort.listens(plainPort) || FreePort.listens(tlsPort) { usleep(1000) }
  }

  /// What the server writes.
  final var logFile: String { "\(folder)/log/server.log" }

  final func write(_ text: String, to name: String) throws {
    try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
  }

  /// Runs a shell script in the folder.
  final func run(_ script: String, environment: [String: String] = [:]) throws {
    let process = try ServerProcess(
      ["/bin/sh", "-e", "-c", script], environment: environment, folder: folder, log: logFile)
    if process.hasSucceeded() { return }
    let log = (try? String(contentsOfFile: logFile, encoding: .utf8)) ?? ""
    throw Unavailable(description: "\(type(of: self)) cannot be prepared: \(log.suffix(2000))")
  }

  /// Where `Scripts/setup` has unpacked the server `name`.
  static func unpacked(_ name: String, _ program: String) throws -> String {
    let servers = ProcessInfo.processInfo.environment["IMAP_TEST_SERVERS"] ?? "/opt/imap-test-servers"
    let root = "\(servers)/\(name)"
    if FileManager.default.isExecutableFile(atPath: "\(root)/\(program)") { return root }
    throw Unavailable(description: "\(name) is not there: run Scripts/setup, which unpacks it from Debian's packages")
  }

  /// The folder of shared libraries that Debian's packages have, whatever the processor.
  static func libraries(_ root: String) -> String {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(root)/usr/lib")) ?? []
    return (names.filter { $0.hasSuffix("-linux-gnu") } + [""]).map { "\(root)/usr/lib/\($0)" }.joined(separator: ":")
  }

  /// Who owns the mail: servers drop their rights where they have any.
  static var mailUser: String { getuid() == 0 ? "nobody" : NSUserName() }
}

/// The servers that tests are run against.
enum ServerKind: String, Sendable, CustomTestStringConvertible {
  case dovecot, cyrus, courier

  /// All that there are packages of.
  #if os(Linux)
    static let all: [ServerKind] = [.dovecot, .cyrus, .courier]
  #else
    static let all: [ServerKind] = [.dovecot]
  #endif

  var testDescription: String { rawValue }

  func start(takesCertificates: Bool = false) throws -> RealServer {
    switch self {
    case .dovecot: try DovecotServer(takesCertificates: takesCertificates)
    case .cyrus: try CyrusServer(takesCertificates: takesCertificates)
    case .courier: try CourierServer(takesCertificates: takesCertificates)
    }
  }

  /// What tests ask for and the server does not announce. `ServerTests.announcesWhatIsExpected` proves it.
  var lacks: Set<Capability> {
    switch self {
    case .dovecot: ["XLIST", "CREATE-SPECIAL-USE", "ANNOTATEMORE", "ANNOTATE-EXPERIMENT-1", "XAPPLEPUSHSERVICE"]
    case .cyrus: ["NOTIFY", "CONTEXT=SEARCH"]
    case .courier:
      [
        .id, .unselect, .move, .condStore, .qResync, .specialUse, .literalPlus, "ESEARCH", "LIST-EXTENDED",
        "LIST-STATUS", "METADATA", "MULTIAPPEND", "COMPRESS=DEFLATE", "XLIST", "CREATE-SPECIAL-USE", "ANNOTATEMORE",
        "ANNOTATE-EXPERIMENT-1", "XAPPLEPUSHSERVICE", "NOTIFY", "CONTEXT=SEARCH", "URLAUTH", "URLAUTH=BINARY",
        "PREVIEW",
      ]
    }
  }

  func has(_ capability: Capability) -> Bool { !lacks.contains(capability) }

  /// The name of a mailbox of the user: Courier has all of them below INBOX.
  func mailbox(_ parts: String...) -> MailboxName { mailbox(parts) }

  func mailbox(_ parts: [String]) -> MailboxName {
    self == .courier
      ? MailboxName((["INBOX"] + parts).joined(separator: ".")) : MailboxName(parts.joined(separator: "/"))
  }
}

extension RealServer {
  /// How to connect to it.
  func configuration(_ security: IMAPClient.Configuration.Security = .implicitTLS) -> IMAPClient.Configuration {
    IMAPClient.Configuration(
      host: "localhost", port: security == .implicitTLS ? tlsPort : plainPort, security: security,
      trust: .file(certificateFile))
  }

  /// A client that is logged in.
  func client(_ user: String = "joe", on loop: EventLoop) async throws -> IMAPClient {
    let client = try await IMAPClient.connect(configuration(), on: loop)
    try await client.signIn(user: user, password: Secret(password))
    return client
  }
}

/// Runs `body` with a server and a client that is logged in, and proves that nothing leaks.
func withServer(
  _ kind: ServerKind, _ body: (RealServer, IMAPClient, EventLoop) async throws -> Void
) async throws {
  let server = try kind.start()
  let loop = try EventLoop.start()
  let result: Result<Void, any Error>
  do {
    let client = try await server.client(on: loop)
    do {
      try await body(server, client, loop)
      await client.logout()
    } catch {
      await client.logout()
      throw error
    }
    result = .success(())
  } catch {
    result = .failure(error)
  }
  #expect(await loop.shutdown().isClean)
  try result.get()
}
