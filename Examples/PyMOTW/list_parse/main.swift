// imaplib_list_parse.py: what LIST says of each mailbox. Python's program takes the line apart by a regular expression.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  for listing in try await client.list().sorted() {
    let children = listing.attributes.contains("\\HasChildren") ? "has children" : "has none"
    print("\(listing.name): delimiter \(listing.delimiter ?? " "), \(children), selectable: \(listing.isSelectable)")
  }
}
