import ArgumentParser
import IMAPLoop
import IMAPStateMachine
import Synchronization

struct FetchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fetch", abstract: "Show messages, or their bytes.",
    discussion: """
      Without --raw a line a message: UID, date, size, flags, sender and subject. With --raw the message as it is.

      EXAMPLES
        imap fetch --host imap.example.org --user joe --password-file pw 1:10,42
        imap fetch --host imap.example.org --user joe --password-file pw --raw 42 > message.eml
        imap fetch --host imap.example.org --user joe --password-file pw --json --structure '1:*'
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(help: "Mailbox to read.")
  var mailbox = "INBOX"

  @Argument(help: "UIDs, like 1:10,42 or 1:*.")
  var uids = "1:*"

  @Flag(help: "Print the messages' bytes and nothing else. Does not mark them as seen.")
  var raw = false

  @Flag(help: "With --json: add the MIME structure.")
  var structure = false

  @Flag(help: "One JSON object a line: sequence, items.")
  var json = false

  func run() async throws {
    try await reporting {
      let set = try MessageArguments.uids(uids)
      try await connection.withClient { client in
        _ = try await client.examine(MailboxName(mailbox))
        if raw { return try await fetchRaw(set, client) }
        var items: [FetchItem] = [.uid, .flags, .internalDate, .rfc822Size, .envelope]
        if structure { items.append(.bodyStructure) }
        let messages = try await client.fetch(.uids(set), items)
        if messages.isEmpty { try failIfExplicit(set) }
        for message in messages {
          if json {
            try Console.line(
              JSON.object([
                ("sequence", .unsigned(UInt64(message.sequence.rawValue))),
                ("items", JSON.fetchItems(message.attributes)),
              ]))
          } else {
            try Console.line(MessageLine.text(message))
          }
        }
      }
    }
  }

  private func fetchRaw(_ set: UIDSet, _ client: IMAPClient) async throws {
    let output = RawOutput()
    do {
      try await client.fetch(.uids(set), [.section(.full)]) { event in
        var isOpen = true
        switch copy event {
        case .literalBegin: isOpen = output.write([])
        case .literalChunk(let bytes, _): isOpen = output.write(ByteView(bytes).copy())
        case .fetchAttribute(.section(_, .some(let text))): isOpen = output.write(text.copy())
        default: break
        }
        // The rest of the messages would only be thrown away, and may be long: the connection ends instead.
        if !isOpen { Task { await client.close() } }
      }
    } catch {
      throw output.failure ?? error
    }
    if let failure = output.failure { throw failure }
    if output.isUnused { try failIfExplicit(set) }
  }

  /// `1:*` may well name no message; `42` was meant.
  private func failIfExplicit(_ set: UIDSet) throws {
    if set.ranges.contains(where: { $0.first == UIDSet.star || $0.last == UIDSet.star }) { return }
    throw Failure(.missing, "\(mailbox) has no message with UID \(set); `imap search` shows those there are")
  }
}

/// The output of `--raw`, written on the loop's thread while the bytes are there.
private final class RawOutput: Sendable {
  private struct State {
    var failure: OutputError?
    var isUnused = true
  }

  private let state = Mutex(State())

  /// Why nothing more is written.
  var failure: OutputError? { state.withLock(\.failure) }

  /// Whether no message has come.
  var isUnused: Bool { state.withLock(\.isUnused) }

  /// Writes bytes of a message. Returns false the first time that this fails; what follows is dropped.
  func write(_ bytes: [UInt8]) -> Bool {
    state.withLock { state in
      state.isUnused = false
      if state.failure != nil { return true }
      do throws(OutputError) { try Console.bytes(bytes) } catch { state.failure = error }
      return state.failure == nil
    }
  }
}

/// Message sets from the command line.
enum MessageArguments {
  static func uids(_ text: String) throws -> UIDSet {
    let line = Array("A UID EXPUNGE \(text)\r\n".utf8)
    if let parsed = try? CommandParser().parse(line.span), case .uidExpunge(let set) = parsed.command { return set }
    throw Failure(.usage, "\(text) names no messages; write UIDs like 1:10,42 or 1:*")
  }
}

/// A message on one line.
enum MessageLine {
  static func text(_ message: FetchResponse) -> String {
    var uid = "-"
    var date = "-"
    var size = "-"
    var flags = ""
    var from = ""
    var subject = ""
    for attribute in message.attributes {
      switch attribute {
      case .uid(let value): uid = value.description
      case .internalDate(let value): date = value.iso8601
      case .rfc822Size(let value): size = String(value)
      case .flags(let list): flags = list.map(\.rawValue).joined(separator: " ")
      case .envelope(let envelope):
        subject = printable(envelope.subject ?? [])
        if let sender = envelope.from.first { from = address(sender) }
      default: break
      }
    }
    return [uid, date, size, flags, from, subject].joined(separator: "\t")
  }

  private static func address(_ address: Address) -> String {
    let mailbox = printable(address.mailbox ?? []) + (address.host.map { "@" + printable($0) } ?? "")
    return address.name.map { "\(printable($0)) <\(mailbox)>" } ?? mailbox
  }

  /// No control character of a message reaches the terminal.
  private static func printable(_ bytes: [UInt8]) -> String {
    String(
      String(decoding: bytes, as: UTF8.self).unicodeScalars.map { scalar in
        scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) ? " " : Character(scalar)
      })
  }
}
