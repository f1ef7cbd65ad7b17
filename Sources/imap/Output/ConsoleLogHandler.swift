import Logging

/// Writes what is logged to standard error, a line each.
struct ConsoleLogHandler: LogHandler {
  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    // Lines of the wire need no more than what they are; there is one connection.
    if event.level == .trace { return Console.error("\(event.message)") }
    var line = "imap: \(event.message)"
    var recent: [Logger.MetadataValue] = []
    for (key, value) in (event.metadata ?? [:]).sorted(by: { $0.key < $1.key }) {
      if key == "recent", case .array(let lines) = value { recent = lines } else { line += " \(key)=\(value)" }
    }
    Console.error(line)
    for value in recent { Console.error("  \(value)") }
  }
}
