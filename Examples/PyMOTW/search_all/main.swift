// imaplib_search_all.py: the messages of each mailbox.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  for listing in try await client.list().sorted() where listing.isSelectable {
    // For reading only.
    try await client.examine(listing.name)
    print("\(listing.name):", try await client.search(.all))
  }
}
