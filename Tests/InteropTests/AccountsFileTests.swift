import Foundation
import IMAPLoop
import Testing

@testable import imap

/// What is wrong with a file of accounts: all of it at once, each where it stands.
@Suite struct AccountsFileTests {
  private let folder: TemporaryFolder
  private let certificate: SelfSignedCertificate

  init() throws {
    folder = try TemporaryFolder()
    certificate = try SelfSignedCertificate.generate(hosts: ["localhost"])
    try folder.write("ca.pem", certificate.certificatePEM)
    try folder.write("key.pem", certificate.privateKeyPEM)
    try folder.write("text", "no PEM\n")
  }

  /// Each complaint without the name of the file, and shortened to what `starts` has there.
  private func check(_ text: String, _ starts: String...) throws {
    let path = try folder.write("accounts", text.replacing("FOLDER", with: folder.path))
    do throws(Failure) {
      let file = try AccountsFile.read(path, mailbox: "INBOX")
      #expect(starts.isEmpty, "\(file.entries.count) accounts")
    } catch {
      let lines = ([error.message] + error.others).map {
        $0.replacing("\(path):", with: "").replacing(folder.path, with: "FOLDER")
      }
      #expect(error.status == .configuration)
      #expect(lines.count == starts.count, "\(lines)")
      for (line, start) in zip(lines, starts) { #expect(line.hasPrefix(start)) }
    }
  }

  @Test func eachSectionIsCheckedWhateverIsWrongAboveIt() throws {
    try check(
      """
      [DEFAULT]
      host = localhost
      port = 70000
      password = secret
      [a]
      username = joe
      [b]
      username = ann
      ssl_ca_file = /no/such/file
      [c]
      """,
      "3: port: write a number", "9: [b] names a file that cannot be read: /no/such/file (ssl_ca_file)",
      "10: [c] names no user; write username")
  }

  @Test func eachMistakeOfASectionIsTold() throws {
    try check(
      """
      [a]
      port = 0
      timeout = soon
      [b]
      oauth2 = yes
      host = localhost
      oauth2_client_id = id
      [c]
      host = localhost
      username = joe
      password = secret
      ssl_ca_file = FOLDER/text
      ssl_crl_file = FOLDER/none
      ssl_client_cert = FOLDER/ca.pem
      ssl_key_log = FOLDER/none/keys
      """,
      "1: [a] names no server", "1: [a] names no user", "1: [a] has no password", "2: port: write", "3: timeout: write",
      "4: [b] names no user", "4: [b] oauth2 is on for localhost, but oauth2_client_secret, oauth2_refresh_token",
      "4: [b] nobody knows where localhost gives out tokens",
      "12: [c] cannot load the trusted certificates in FOLDER/text",
      "13: [c] names a file that cannot be read: FOLDER/none (ssl_crl_file)",
      "14: [c] cannot load the private key in FOLDER/ca.pem", "15: [c] ")
  }

  /// What may come of another mistake is no mistake.
  @Test(arguments: [
    "host =", "stream =", "socket =", "username =", "password =", "password_command =", "oauth2 = perhaps",
    "oauth2_command =", "ssl_ca_file =", "ssl_client_key =", "ssl_client_cert =",
  ])
  func nothingIsToldOfWhatIsInDoubt(_ line: String) throws {
    let key = try #require(line.split(separator: " ").first)
    let needed = ["host = localhost", "username = joe", "password = secret"].filter { !$0.hasPrefix(key) }
    let others =
      key.hasPrefix("password") || key.hasPrefix("oauth2") ? needed.filter { $0 != "password = secret" } : needed
    // In a section, for all, and where it says nothing.
    let rest = others.joined(separator: "\n")
    try check("[a]\n\(line)\n\(rest)\n", "2: \(key)")
    try check("[DEFAULT]\n\(line)\n[a]\n\(rest)\n[b]\n\(rest)\n", "2: \(key)")
    try check("\(line)\n[a]\n\(rest)\n", "1: \(key) stands before the first section", "1: \(key)")
    try check("[a]\n\(rest)\n[a]\n\(line)\n", "\(others.count + 2): [a] comes twice", "\(others.count + 3): \(key)")
  }

  @Test func certificatesAreNotInDoubtTwice() throws {
    let head = "host = localhost\nusername = joe\npassword = secret\nssl_client_cert = FOLDER/ca.pem\n"
    try check("[a]\n\(head)ssl_client_key = FOLDER/key.pem\n")
    try check("[a]\n\(head)ssl_client_key =\n", "6: ssl_client_key has no value")
    try check("[a]\n\(head)ssl_client_key = /no/such\n", "6: [a] names a file that cannot be read: /no/such")
    // Told where it stands, and once.
    try check("[DEFAULT]\n\(head)[a]\n[b]\n", "5: [DEFAULT] cannot load the private key in FOLDER/ca.pem")
  }

  @Test func wrongLinesHideNothing() throws {
    try check(
      """
      [DEFAULT]
      host = localhost
      hosst = localhost
      [a
      username = joe
      port = x
      [b] of joe
      password secret
      password command is not said
      [b]
      username = joe
      []
      password = secret
      """,
      "3: unknown key hosst", "4: [a: a section is a name", "4: [a] has no password", "6: port: write",
      "7: [b]: a section is a name", "8: this is neither", "9: this is neither", "10: [b] comes twice",
      "12: []: a section is a name", "12: [] names no user")
    try check(
      "[DEFAULT]\nport = 0\n", "2: port: write",
      "\(folder.path)/accounts has no account".replacing(folder.path, with: "FOLDER"))
  }
}
