import ArgumentParser

/// What `imap watch --accounts` can be told.
struct ServiceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Watch all accounts of this file until SIGTERM; SIGHUP reads it again. Prints JSON.", valueName: "file"),
    completion: .file())
  var accounts: String?

  @Option(help: "Threads that the connections are spread over. (default: 1)")
  var threads: Int?

  @Option(help: ArgumentHelp("Accounts to start, and logins to one host, in a second. (default: 100)", valueName: "n"))
  var startRate: Int?

  @Option(help: ArgumentHelp("Connections to one host at the most; further accounts wait.", valueName: "n"))
  var connectionsPerHost: Int?

  @Option(
    help: ArgumentHelp(
      "How long all accounts together may take to log out at the end. (default: 10)", valueName: "seconds"))
  var drainTime: Double?

  @Option(
    help: ArgumentHelp(
      "Tell metrics by HTTP, for Prometheus, on this address of the loopback interface, as 127.0.0.1:9100.",
      valueName: "address:port"))
  var metrics: String?

  /// Where metrics are told.
  var metricsAddress: LoopbackAddress? { metrics.flatMap { LoopbackAddress($0) } }

  mutating func validate() throws {
    if accounts == nil {
      let isSaid = threads != nil || startRate != nil || connectionsPerHost != nil || drainTime != nil || metrics != nil
      if isSaid {
        throw ValidationError(
          "--threads, --start-rate, --connections-per-host, --drain-time and --metrics are for --accounts.")
      }
    }
    if let threads, !(1...256).contains(threads) { throw ValidationError("--threads must be from 1 to 256.") }
    if let startRate, !(1...100_000).contains(startRate) {
      throw ValidationError("--start-rate must be from 1 to 100000.")
    }
    if let connectionsPerHost, connectionsPerHost < 1 {
      throw ValidationError("--connections-per-host must be at least 1.")
    }
    if let drainTime, !(drainTime >= 0 && drainTime < 1e6) { throw ValidationError("--drain-time must be from 0.") }
    if let metrics, metricsAddress == nil {
      throw ValidationError(
        "--metrics \(metrics): give an address of the loopback interface and a port, as 127.0.0.1:9100 or [::1]:9100.")
    }
  }
}

/// An address that only this machine reaches, and a port.
struct LoopbackAddress: Hashable {
  var host: String
  var port: UInt16

  /// Nil where `text` is no `127.0.0.1:9100` or `[::1]:9100`.
  init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    self.port = port
    host = String(text[..<colon])
    if host == "[::1]" {
      host = "::1"
      return
    }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    let isNumeric = parts.allSatisfy { part in
      UInt8(part).map { String($0) == part } ?? false
    }
    guard parts.count == 4, parts[0] == "127", isNumeric else { return nil }
  }

  /// As in a URL.
  var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
