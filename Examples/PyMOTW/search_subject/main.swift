// imaplib_search_subject.py: messages by their subject.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  for listing in try await client.list().sorted() where listing.isSelectable {
    try await client.examine(listing.name)
    print("\(listing.name):", try await client.search(.subject("Example message 2")))
  }
}
