import Foundation
import IMAPTestServer
import Testing

/// A folder of a test, removed with the object.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("imap-cli-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// What is in it, hidden files included.
  var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }

  /// Writes a file and returns its path.
  @discardableResult
  func write(_ name: String, _ text: String, mode: Int = 0o600) throws -> String {
    let file = "\(path)/\(name)"
    try Data(text.utf8).write(to: URL(fileURLWithPath: file))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
    return file
  }

  func bytes(_ name: String) -> [UInt8]? { FileManager.default.contents(atPath: "\(path)/\(name)").map { Array($0) } }
}

/// The tool with an account in a configuration file, as its users have it.
struct ToolAccount {
  let folder: TemporaryFolder
  let environment: [String: String]

  /// An account at a server of this machine that listens with TLS.
  init(port: UInt16, user: String, password: String, certificate: String) throws {
    folder = try TemporaryFolder()
    let authority = try folder.write("ca.pem", certificate)
    let config = try folder.write(
      "config",
      """
      [DEFAULT]
      ssl_ca_file = \(authority)
      timeout = 20

      [work]
      host = localhost
      port = \(port)
      username = \(user)
      password = \(password)

      """)
    environment = ["IMAP_CONFIG": config, "IMAP_ACCOUNT": "work"]
  }

  /// The account `user` of a server in this process.
  init(_ server: IMAPTestServer) throws {
    let port = try #require(server.tlsPort)
    try self.init(port: port, user: "user", password: "password", certificate: server.certificatePEM)
  }

  func callAsFunction(_ arguments: String..., input: String = "") async throws -> Tool.Result {
    try await Tool.run(arguments, input: input, environment: environment)
  }

  /// The JSON objects that a command prints. It has to succeed.
  func json(_ arguments: String..., input: String = "") async throws -> [[String: any Sendable]] {
    let result = try await Tool.run(arguments + ["--json"], input: input, environment: environment)
    #expect(result.status == 0, "\(arguments): \(result.error)")
    #expect(result.error.isEmpty, "\(result.error)")
    let lines = result.output.split(separator: "\n").count
    #expect(result.objects.count == lines, "\(result.output)")
    return result.objects
  }
}
