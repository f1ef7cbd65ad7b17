import ArgumentParser
import IMAPLoop
import IMAPStateMachine
import Synchronization

struct WatchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch", abstract: "Print what happens to a mailbox as it happens; Ctrl-C ends it.",
    discussion: """
      Uses IDLE, and asks every 30 seconds where a server has none or refuses it. Ends by LOGOUT on Ctrl-C or SIGTERM.

      With --accounts it is a service: it watches all accounts of a file, each in its mailbox, comes back where a connection is
      lost, and prints one JSON object a line. SIGHUP reads the file again. docs/service.md has the formats.

      EXAMPLE
        imap watch --host imap.example.org --user joe --password-file pw --json INBOX | while read -r event; do ...; done
        imap watch --accounts /etc/imap/accounts --metrics 127.0.0.1:9100
      """)

  @OptionGroup var connection: ConnectionOptions

  @OptionGroup(title: "MANY ACCOUNTS") var service: ServiceOptions

  @Argument(help: "Mailbox to watch.")
  var mailbox = "INBOX"

  @Flag(help: "One JSON object a line: event and its fields.")
  var json = false

  func validate() throws {
    if service.accounts != nil, connection.isSaid {
      throw ValidationError("--accounts FILE says all of each account: give no other option for one.")
    }
  }

  func run() async throws {
    if let path = service.accounts {
      return try await reporting { try await WatchService.run(path, mailbox: mailbox, service) }
    }
    try await reporting {
      var printing: (task: Task<Void, any Error>, interrupted: Interruption)?
      let leave = Leave()
      let result: Result<Void, any Error>
      do {
        try await connection.withClient { client in
          // In this order nothing is lost. Until it is known what to watch, a signal is an interruption.
          let events = await client.events()
          _ = try await client.examine(MailboxName(mailbox))
          let interrupted = Interruption(patience: Self.patience)
          printing = (Task { try await print(events, interrupted, leave) }, interrupted)
          do { try await watch(client, interrupted) } catch {
            // LOGOUT follows where the server has not gone by itself.
            if case .selected = await client.phase { leave.begin() }
            throw error
          }
        }
        result = .success(())
      } catch {
        result = .failure(error)
      }
      // What came before the end is printed first: the stream has ended with the connection.
      if let printing { try await printing.interrupted.bounds { try await printing.task.value } }
      try result.get()
    }
  }

  /// Whether LOGOUT follows for another reason than a signal.
  private final class Leave: Sendable {
    private let state = Mutex(false)

    var hasBegun: Bool { state.withLock(\.self) }

    func begin() { state.withLock { $0 = true } }
  }

  /// How long the end of IDLE and LOGOUT may take together.
  private static let patience = Duration.seconds(7)

  /// Idles until the interruption.
  private func watch(_ client: IMAPClient, _ interrupted: Interruption) async throws {
    var usesIdle = try await client.supports(.idle)
    let stop = Task {
      await interrupted.wait()
      // Again and again: an IDLE that is only starting, or being renewed, cannot be ended yet.
      while !Task.isCancelled {
        await client.endIdle()
        try? await Task.sleep(for: .milliseconds(100))
      }
    }
    defer { stop.cancel() }
    while !interrupted.hasCome {
      if usesIdle {
        do throws(IMAPError) { try await client.idle() } catch {
          // Some servers announce IDLE and refuse it.
          guard let status = error.refusal else { throw error }
          usesIdle = false
          Console.error("imap: \(Self.idleRefusal(status)); it is asked every 30 seconds")
        }
      } else {
        try await client.noop()
        await interrupted.wait(upTo: .seconds(30))
      }
    }
  }

  /// What is said of a server that has refused IDLE with `status`.
  static func idleRefusal(_ status: Status) -> String {
    "the server refuses IDLE: \(status.text.isEmpty ? status.description : status.text)"
  }

  private func print(
    _ events: AsyncStream<MailboxEvent>, _ interrupted: Interruption, _ leave: Leave
  ) async throws {
    var filter = WatchFilter()
    for await event in events {
      // The answer to our own LOGOUT is no news.
      if case .notice(let status) = event, status.condition == .bye, interrupted.hasCome || leave.hasBegun { continue }
      do throws(OutputError) {
        for event in filter.take(event) { try report(event) }
      } catch {
        interrupted.come()
        throw error
      }
    }
  }

  private func report(_ event: MailboxEvent) throws(OutputError) {
    if json { try Console.line(JSON.object(Self.json(event))) } else { try Console.line(Self.text(event)) }
  }

  static func json(_ event: MailboxEvent) -> [(key: String, value: JSON)] {
    switch event {
    case .exists(let count): [("event", .string("exists")), ("count", .unsigned(UInt64(count)))]
    case .recent(let count): [("event", .string("recent")), ("count", .unsigned(UInt64(count)))]
    case .expunged(let sequence):
      [("event", .string("expunged")), ("sequence", .unsigned(UInt64(sequence.rawValue)))]
    case .changed(let message):
      [
        ("event", .string("changed")), ("sequence", .unsigned(UInt64(message.sequence.rawValue))),
        ("items", JSON.fetchItems(message.attributes)),
      ]
    case .flags(let flags): [("event", .string("flags")), ("flags", JSON.flags(flags))]
    case .notice(let status):
      [
        ("event", .string("notice")), ("status", .string(status.condition.rawValue)), ("code", JSON.code(status.code)),
        ("text", .string(status.text)),
      ]
    case .unknown(let line): [("event", .string("unknown")), ("raw", .bytes(line))]
    case .vanished(let uids): [("event", .string("vanished")), ("uids", .string(uids.description))]
    case .listing(let listing): [("event", .string("listing"))] + JSON.listing(listing)
    case .mailboxStatus(let status): [("event", .string("status"))] + JSON.mailboxStatus(status)
    case .metadata(let metadata): [("event", .string("metadata"))] + JSON.extensionData(.metadata(metadata)).members
    case .searchUpdate(let result):
      [("event", .string("search"))] + JSON.extensionData(.extendedSearch(result)).members
    }
  }

  static func text(_ event: MailboxEvent) -> String {
    switch event {
    case .exists(let count): "\(count) messages"
    case .recent(let count): "\(count) recent"
    case .expunged(let sequence): "message number \(sequence) expunged"
    case .changed(let message): "message number \(message.sequence)\(change(message))"
    case .flags(let flags): "flags of the mailbox: \(flags.map(\.rawValue).joined(separator: " "))"
    case .notice(let status): status.description
    case .unknown(let line): "unknown: \(JSON.bytes(line).text)"
    case .vanished(let uids): "messages with the UIDs \(uids) gone"
    // Without NOTIFY no server sends these.
    case .listing, .mailboxStatus, .metadata, .searchUpdate: JSON.object(json(event)).text
    }
  }

  /// What is new of a message, in words: `, UID 7: \Seen`.
  private static func change(_ message: FetchResponse) -> String {
    var words: [String] = []
    for attribute in message.attributes {
      switch attribute {
      case .uid, .modSeq: break
      case .flags(let flags):
        words.append(flags.isEmpty ? "no flags" : "flags " + flags.map(\.rawValue).joined(separator: " "))
      default:
        let (name, value) = JSON.item(attribute)
        words.append("\(name) \(value.plainText)")
      }
    }
    let uid = message.uid.map { ", UID \($0)" } ?? ""
    return uid + (words.isEmpty ? " changed" : ": " + words.joined(separator: ", "))
  }
}

/// Takes the answer to EXAMINE out of the events: of that, only the number of messages is news, and it comes first.
struct WatchFilter {
  private var hasCount = false
  private var hasFlags = false
  private var hasRecent = false
  /// What came before the number of messages.
  private var held: [MailboxEvent] = []

  /// The events to print now that `event` has come.
  mutating func take(_ event: MailboxEvent) -> [MailboxEvent] {
    switch event {
    case .exists where !hasCount:
      hasCount = true
      defer { held = [] }
      return [event] + held
    case .flags where !hasFlags:
      hasFlags = true
      return []
    case .recent where !hasRecent:
      hasRecent = true
      return []
    case .notice(let status) where Self.describesMailbox(status.code): return []
    default: break
    }
    if hasCount { return [event] }
    held.append(event)
    // A server that does not say how many messages there are.
    if held.count > 1000 { hasCount = true }
    defer { if hasCount { held = [] } }
    return hasCount ? held : []
  }

  private static func describesMailbox(_ code: ResponseCode?) -> Bool {
    switch code {
    case .permanentFlags, .uidValidity, .uidNext, .unseen, .highestModSeq, .noModSeq: true
    default: false
    }
  }
}

extension IMAPError {
  /// What the server has answered with, where it understood the command, or not, and does not do it.
  var refusal: Status? {
    switch self {
    case .refused(_, let status), .rejected(_, let status): status
    default: nil
    }
  }
}
