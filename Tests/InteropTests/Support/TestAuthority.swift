import Foundation
import Testing

/// Certificates of every kind, made by the command `openssl`, in a folder.
///
/// - `ca.pem` has signed `good`, `expired`, `future`, `revoked` and `client` (each `.pem` and `.key`), and `crl.pem`, which names
///   `revoked`.
/// - `other.pem` has signed nothing but `othercrl.pem`. `self` has signed itself.
/// - `client.encrypted.key` is the key of `client`, encrypted with `secret`.
struct TestAuthority {
  let folder: TemporaryFolder

  func path(_ name: String) -> String { "\(folder.path)/\(name)" }

  static func make() async throws -> TestAuthority {
    let authority = TestAuthority(folder: try TemporaryFolder())
    try authority.folder.write("ca.cnf", configuration)
    try authority.folder.write("make", script)
    let shell = try Tool.Running(["-c", "cd \"$0\" && exec sh ./make 2>&1", authority.folder.path], program: sh)
    shell.closeInput()
    let result = await shell.result()
    try #require(result.status == 0, "\(result.output)")
    return authority
  }

  /// What `openssl` prints.
  static func openssl(_ arguments: [String]) async throws -> String {
    let running = try Tool.Running(["-c", "exec openssl \"$@\"", "openssl"] + arguments, program: sh)
    running.closeInput()
    let result = await running.result()
    try #require(result.status == 0, "\(result.error)")
    return result.output
  }

  static let sh = URL(fileURLWithPath: "/bin/sh")

  private static let configuration = """
    [ca]
    default_ca = default
    [default]
    database = index.txt
    new_certs_dir = .
    rand_serial = yes
    default_md = sha256
    default_crl_days = 10
    policy = policy
    unique_subject = no
    x509_extensions = leaf
    [policy]
    commonName = supplied
    [leaf]
    subjectAltName = DNS:localhost,IP:127.0.0.1
    extendedKeyUsage = serverAuth,clientAuth
    """

  private static let script = """
    set -e
    new="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    san="-addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    touch index.txt
    openssl req -x509 $new -keyout ca.key -out ca.pem -subj /CN=authority -days 30
    openssl req -x509 $new -keyout other.key -out other.pem -subj /CN=other -days 30
    openssl req -x509 $new -keyout self.key -out self.pem -subj /CN=localhost -days 30 $san
    sign() {
      openssl req -new $new -keyout $1.key -out $1.csr -subj /CN=$2
      openssl ca -batch -config ca.cnf -cert ca.pem -keyfile ca.key -in $1.csr -out $1.pem -notext -startdate $3 -enddate $4
    }
    sign good localhost 20200101000000Z 20990101000000Z
    sign revoked localhost 20200101000000Z 20990101000000Z
    sign expired localhost 20200101000000Z 20210101000000Z
    sign future localhost 20980101000000Z 20990101000000Z
    sign client user 20200101000000Z 20990101000000Z
    openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -revoke revoked.pem
    openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -gencrl -out crl.pem
    openssl ca -config ca.cnf -cert other.pem -keyfile other.key -gencrl -out othercrl.pem
    openssl pkcs8 -topk8 -v2 aes-256-cbc -in client.key -passout pass:secret -out client.encrypted.key
    """
}

/// `openssl s_server`, for one connection.
struct OneTLSServer {
  let port: UInt16
  private let process: Tool.Running

  /// Listens with the certificate `name`.
  static func start(_ authority: TestAuthority, _ name: String, _ options: [String]) async throws -> OneTLSServer {
    let certificate = ["-cert", authority.path("\(name).pem"), "-key", authority.path("\(name).key")]
    // Ends by itself if nobody ever connects.
    let process = try Tool.Running(
      ["-c", "exec timeout -s KILL 60 openssl s_server \"$@\"", "s_server", "-accept", "127.0.0.1:0", "-naccept", "1"]
        + certificate + options, program: TestAuthority.sh)
    while let line = await process.line() {
      if line.hasPrefix("ACCEPT"), let port = line.split(separator: ":").last.flatMap({ UInt16($0) }) {
        return OneTLSServer(port: port, process: process)
      }
    }
    let result = await process.result()
    throw Unavailable(description: result.error)
  }

  /// Waits until the connection is over; what the server has said.
  func end() async -> String {
    process.closeInput()
    let result = await process.result()
    return result.output + result.error
  }

  struct Unavailable: Error { let description: String }
}
