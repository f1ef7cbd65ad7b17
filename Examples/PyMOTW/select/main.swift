// imaplib_select.py: opens a mailbox.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  let inbox = try await client.select(.inbox)
  print("There are \(inbox.exists) messages in \(inbox.name)")
}
