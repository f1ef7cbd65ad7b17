// imaplib_list_subfolders.py: the mailboxes below another one.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  for listing in try await client.list(reference: "Example/", pattern: "*").sorted() { print(listing.name) }
}
