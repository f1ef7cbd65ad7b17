// imaplib_delete_messages_one.py: flags two messages, and removes one by EXPUNGE, which takes no others here; then what
// UNSELECT leaves and CLOSE takes.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  try await client.select(.inbox)
  let two = try await client.search(.from("doug"))
  try await client.copy(.uids(UIDSet(two)), to: "Example/Today")
  try await client.select("Example/Today")
  let messages = try await client.search(.all)
  print("before:", messages)
  guard let first = messages.first else { return }

  // Both are marked, and only the named one goes.
  try await client.addFlags([.deleted], to: UIDSet(messages))
  try await client.expunge(UIDSet(first))
  print("after EXPUNGE:", try await client.search(.all))

  // Leaves the mailbox, and the messages that are marked in it.
  try await client.unselect()
  try await client.select("Example/Today")
  print("after UNSELECT:", try await client.search(.all))

  // Leaves the mailbox, and removes them without a word.
  try await client.closeMailbox()
  try await client.select("Example/Today")
  print("after CLOSE:", try await client.search(.all))
}
