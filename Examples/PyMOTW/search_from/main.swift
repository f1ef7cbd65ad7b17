// imaplib_search_from.py: messages by who sent them and by their subject.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  for listing in try await client.list().sorted() where listing.isSelectable {
    try await client.examine(listing.name)
    print("\(listing.name):", try await client.search(.from("Doug") && .subject("Example message 2")))
  }
}
