import ArgumentParser
import Foundation
import IMAPLoop
import IMAPStateMachine
import IMAPTestServer

struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Run an IMAP server with mailboxes in memory, for demos and tests.",
    discussion: """
      Listens on the loopback interface only. Prints its ports and the file with the certificate to trust, then serves until
      Ctrl-C or SIGTERM. Everything is gone when it ends.

      EXAMPLE
        imap serve --user joe:secret --mailbox Archive --port 1143 --tls-port 1993
      """)

  @Option(help: "Loopback address to listen on.")
  var host = "127.0.0.1"

  @Option(help: "Port for connections that start without TLS; STARTTLS is offered. 0 is a free one.")
  var port: UInt16 = 0

  @Option(help: "Port for connections that start with TLS. 0 is a free one.")
  var tlsPort: UInt16 = 0

  @Option(
    name: .customLong("user"), help: ArgumentHelp("User and password; may be repeated.", valueName: "name:password"))
  var users: [String] = ["user:password"]

  @Option(
    help: ArgumentHelp(
      "Further users, this many: user0, user1 and so on, all with the password 'password'.", valueName: "n"))
  var userCount = 0

  @Option(name: .customLong("mailbox"), help: "Mailbox that every user has besides INBOX; may be repeated.")
  var mailboxes: [String] = []

  @Option(help: "Further mailboxes that every user has: this many, named by --mailbox-prefix and a number from 0.")
  var mailboxCount = 0

  @Option(help: "What the names of these mailboxes start with.")
  var mailboxPrefix = "box"

  @Option(help: ArgumentHelp("Where to write the certificate to trust. (default: a temporary file)", valueName: "file"))
  var caFile: String?

  @Flag(help: "End when standard input ends, for programs that start the server.")
  var endWithInput = false

  @Flag(help: "Print ports and file as one JSON object: host, port, tlsPort, caFile.")
  var json = false

  func validate() throws {
    if caFile == "" { throw ValidationError("--ca-file needs the name of a file.") }
    if !Self.isLoopback(host) { throw ValidationError("\(host) is no loopback address: use 127.0.0.1 or ::1.") }
    if mailboxCount < 0 || mailboxCount > 1_000_000 {
      throw ValidationError("--mailbox-count must be from 0 to 1000000.")
    }
    if userCount < 0 || userCount > 1_000_000 {
      throw ValidationError("--user-count must be from 0 to 1000000.")
    }
    for user in users where !user.contains(":") {
      throw ValidationError("\(user) has no password: write --user NAME:PASSWORD.")
    }
  }

  func run() async throws {
    DescriptorLimit.raise()
    let interrupted = Interruption()
    if endWithInput {
      Thread.detachNewThread {
        while let data = try? FileHandle.standardInput.read(upToCount: 4096), !data.isEmpty {}
        interrupted.come()
      }
    }
    try await reporting {
      let loop = try EventLoop.start()
      do {
        let server = try await IMAPTestServer.start(configuration, on: loop)
        do {
          try await serve(server, until: interrupted)
        } catch {
          await server.shutdown()
          throw error
        }
        await server.shutdown()
      } catch let error as TestServerError {
        await loop.shutdown()
        throw Failure(.unavailable, "cannot serve: \(error); choose other ports")
      } catch {
        await loop.shutdown()
        throw error
      }
      await loop.shutdown()
    }
  }

  private func serve(_ server: IMAPTestServer, until interrupted: Interruption) async throws {
    let directory = caFile == nil ? try PrivateDirectory() : nil
    defer { directory?.remove() }
    let file = caFile ?? directory.map { $0.path + "/ca.pem" } ?? ""
    try Self.write(server.certificatePEM, to: file)
    try announce(server, file)
    await interrupted.wait()
  }

  private static func write(_ certificate: String, to path: String) throws(Failure) {
    let file = try PartFile(path, overwrites: true)
    do throws(OutputError) {
      try Console.bytes(Array(certificate.utf8), to: file.descriptor)
    } catch {
      let reason =
        if case .failed(let code) = error { unsafe String(cString: strerror(code)) } else { "nobody reads it" }
      throw Failure(.file, "cannot write the certificate to \(path): \(reason)")
    }
    try file.commit()
  }

  private var configuration: IMAPTestServer.Configuration {
    let names = mailboxes + (0..<mailboxCount).map { "\(mailboxPrefix)\($0)" }
    let owned = names.map { IMAPTestServer.Configuration.Mailbox(MailboxName($0)) }
    var configuration = IMAPTestServer.Configuration(
      users: users.map { user in
        let parts = user.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        return IMAPTestServer.Configuration.User(
          String(parts[0]), password: parts.count > 1 ? String(parts[1]) : "",
          mailboxes: owned)
      }
        + (0..<userCount).map {
          IMAPTestServer.Configuration.User("user\($0)", password: "password", mailboxes: owned)
        })
    configuration.host = host
    configuration.plainPort = port
    configuration.tlsPort = tlsPort
    return configuration
  }

  private func announce(_ server: IMAPTestServer, _ file: String) throws {
    let plain = server.plainPort ?? 0
    let tls = server.tlsPort ?? 0
    if json {
      try Console.line(
        JSON.object([
          ("host", .string(host)), ("port", .number(Int64(plain))), ("tlsPort", .number(Int64(tls))),
          ("caFile", .string(file)),
        ]))
    } else {
      try Console.line("host     \(host)")
      try Console.line("port     \(plain)  (plain, STARTTLS)")
      try Console.line("TLS port \(tls)")
      try Console.line("CA file  \(file)")
    }
  }

  private static func isLoopback(_ host: String) -> Bool {
    if host == "::1" { return true }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }
}

/// A directory that only this user can look into, with a name that nobody can guess and so prepare.
private struct PrivateDirectory {
  let path: String

  init() throws {
    let start = FileManager.default.temporaryDirectory.path
    var template = Array("\(start.hasSuffix("/") ? String(start.dropLast()) : start)/imap-serve-XXXXXX".utf8CString)
    // Made with mode 0700.
    let isMade = unsafe template.withUnsafeMutableBufferPointer { template in
      unsafe template.baseAddress.flatMap { unsafe mkdtemp($0) } != nil
    }
    guard isMade else {
      throw Failure(.file, "cannot make a directory in \(start) for the certificate; name a file with --ca-file")
    }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }
}
