import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct HeadersCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "headers", abstract: "Show the headers of messages.",
    discussion: """
      Folded lines are put together, and encoded words (RFC 2047) are decoded. Between two messages is an empty line.

      EXAMPLES
        imap headers -a work 42
        imap headers -a work --field list-id --field subject --json '1:*'
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .shortAndLong, help: "Mailbox to read. (default: INBOX)")
  var mailbox: String?

  @Argument(help: "UIDs, like 1:10,42 or 1:*; - reads them from standard input.")
  var uids: String

  @Option(help: "Only this field; may be repeated.")
  var field: [String] = []

  @Flag(help: "One JSON object a line: uid, headers, an array of name, value and decodedValue.")
  var json = false

  func work(_ server: any MailServer) async throws {
    let section = field.isEmpty ? Section.header : Section(.headerFields(field))
    try await server.withMessages(uids, of: mailbox) { client, selected, named in
      if named.isEmpty { return }
      var found: [UID] = []
      var isFirst = true
      for try await message in client.messages(.uids(named.set), [.uid, .section(section)])
      where named.names(message.uid) {
        var fields: [HeaderField] = []
        for attribute in message.attributes {
          switch attribute {
          case .section(_, _, let data): fields = HeaderField.fields(data ?? [])
          default: break
          }
        }
        if let uid = message.uid { found.append(uid) }
        try show(message.uid, fields, isFirst)
        isFirst = false
      }
      try named.failIfMissing(found, in: selected)
    }
  }

  private func show(_ uid: UID?, _ fields: [HeaderField], _ isFirst: Bool) throws {
    if json {
      let list = fields.map { field in
        JSON.object([
          ("name", .bytes(field.name)), ("value", .bytes(field.value)), ("decodedValue", .string(field.decodedValue)),
        ])
      }
      return try Console.line(JSON.object([("uid", .optional(uid?.rawValue)), ("headers", .array(list))]))
    }
    if !isFirst { try Console.line("") }
    for field in fields {
      try Console.line("\(MessageLine.printable(field.name)): \(Console.printable(field.decodedValue))")
    }
  }
}

/// A field of a message's header (RFC 5322, section 2.2), unfolded.
struct HeaderField {
  var name: [UInt8]
  var value: [UInt8]

  /// As people read it.
  var decodedValue: String { EncodedWord.decode(value, charsets: .system) }

  /// The fields of a header, as far as they are some.
  static func fields(_ header: [UInt8]) -> [HeaderField] {
    var fields: [HeaderField] = []
    for line in header.split(separator: 0x0a, omittingEmptySubsequences: true) {
      let line = line.last == 0x0d ? line.dropLast() : line
      if line.first == 0x20 || line.first == 0x09 {
        if let last = fields.indices.last { fields[last].value += line }
        continue
      }
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
      let value = line[(colon + 1)...].drop { $0 == 0x20 || $0 == 0x09 }
      fields.append(HeaderField(name: Array(line[..<colon]), value: Array(value)))
    }
    return fields
  }
}
