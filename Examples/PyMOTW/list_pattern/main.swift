// imaplib_list_pattern.py: the mailboxes whose names match a pattern.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  for listing in try await client.list(pattern: "*Example*").sorted() { print(listing.name) }
}
