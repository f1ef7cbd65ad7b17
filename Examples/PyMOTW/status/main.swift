// imaplib_status.py: how many messages there are in each mailbox. All questions are on their way at once.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  let names = try await client.list().sorted().filter(\.isSelectable).map(\.name)
  try await withThrowingTaskGroup(of: MailboxStatus?.self) { group in
    for name in names {
      group.addTask { try await client.status(name, [.messages, .recent, .uidNext, .uidValidity, .unseen]) }
    }
    var all: [MailboxName: MailboxStatus] = [:]
    for try await status in group { if let status { all[status.mailbox] = status } }
    for status in names.compactMap({ all[$0] }) {
      let (messages, unseen, next) = (status.messages ?? 0, status.unseen ?? 0, status.uidNext ?? 0)
      print("\(status.mailbox): \(messages) messages, \(unseen) unseen, the next is \(next)")
    }
  }
}
