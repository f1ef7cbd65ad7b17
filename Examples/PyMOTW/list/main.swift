// imaplib_list.py: all mailboxes.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  for listing in try await client.list().sorted() { print(listing.name) }
}
