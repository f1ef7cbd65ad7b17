import Foundation

/// An `imap serve` that runs as a child process and ends with this one.
struct ChildServer {
  /// Where it listens with TLS.
  let tlsPort: UInt16
  /// The certificate to trust.
  let certificateFile: String
  private let process: Process
  private let input: Pipe
  private let ended: DispatchSemaphore

  /// Starts the server, with as many mailboxes for the demo, and waits for the line in which it says where it listens.
  static func start(user: String, password: String, mailboxes: Int) throws -> ChildServer {
    let process = Process()
    process.executableURL = Bundle.main.executableURL ?? URL(fileURLWithPath: CommandLine.arguments[0])
    process.arguments =
      [
        "serve", "--json", "--end-with-input", "--user", "\(user):\(password)",
        "--mailbox-count", "\(mailboxes)", "--mailbox-prefix", DemoSettings.mailboxPrefix,
      ]
    let input = Pipe()
    let output = Pipe()
    process.standardInput = input
    process.standardOutput = output
    let ended = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in ended.signal() }
    do {
      try process.run()
    } catch {
      throw Failure(.failure, "cannot start the server: \(error.localizedDescription)")
    }
    var line = Data()
    while !line.contains(0x0a) {
      let more = output.fileHandleForReading.availableData
      if more.isEmpty { throw Failure(.failure, "the server ended at once") }
      line += more
    }
    struct Ready: Decodable {
      var tlsPort: UInt16
      var caFile: String
    }
    let ready = try JSONDecoder().decode(Ready.self, from: line.prefix { $0 != 0x0a })
    return ChildServer(
      tlsPort: ready.tlsPort, certificateFile: ready.caFile, process: process, input: input, ended: ended)
  }

  /// Ends the server and waits for it.
  func stop() {
    try? input.fileHandleForWriting.close()
    ended.wait()
  }
}
