import Foundation
import IMAPLoop
import IMAPStateMachine

/// What a service prints: docs/service.md.
extension JSON {
  /// A line of a service; `members` begin with the kind of event.
  static func serviceEvent(account: String, mailbox: MailboxName, _ members: [Member]) -> JSON {
    .object(
      [
        ("time", .string(Date.now.formatted(timeStyle))), ("account", .string(account)),
        ("mailbox", Self.mailbox(mailbox)),
      ] + members)
  }

  /// A connection, and what the mailbox holds.
  static func connected(_ mailbox: SelectedMailbox, _ resumption: Resumption) -> [Member] {
    let name: String
    let states: [MessageState]
    var vanished: [Member] = []
    switch resumption {
    case .fresh(let all): (name, states) = ("fresh", all)
    case .current(let all): (name, states) = ("current", all)
    case .changes(let gone, let changed):
      (name, states) = ("changes", changed)
      vanished = [("vanished", .string(gone.description))]
    case .notAsked: (name, states) = ("notAsked", [])
    }
    let validity: JSON = mailbox.uidValidity.map { .unsigned($0) } ?? .null
    let members: [Member] = [
      ("event", .string("connected")), ("exists", .unsigned(UInt64(mailbox.exists))), ("uidValidity", validity),
      ("uidNext", .optional(mailbox.uidNext)), ("resumption", .string(name)),
    ]
    return members + messages(states.map { (uid: $0.uid, flags: $0.flags) }) + vanished
  }

  /// Messages by their UIDs, and the UIDs of those that have each flag.
  static func messages(_ messages: [(uid: UID, flags: [MessageFlag])]) -> [Member] {
    var names: [String] = []
    var sets: [String: [UID]] = [:]
    for message in messages {
      for flag in message.flags {
        if sets[flag.rawValue] == nil { names.append(flag.rawValue) }
        sets[flag.rawValue, default: []].append(message.uid)
      }
    }
    let flags: [Member] = names.map { name in (name, .string(UIDSet(sets[name] ?? []).description)) }
    return [("uids", .string(UIDSet(messages.map { $0.uid }).description)), ("flags", .object(flags))]
  }

  /// A connection that is gone.
  static func disconnected(_ error: IMAPError, retryIn wait: Duration) -> [Member] {
    let (seconds, attoseconds) = wait.components
    return [
      ("event", .string("disconnected")), ("error", .string(error.description)),
      ("retryInMilliseconds", .number(seconds * 1000 + attoseconds / 1_000_000_000_000_000)),
    ]
  }

  private static let timeStyle = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
}
