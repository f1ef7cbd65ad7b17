// imaplib_delete_messages.py: finds messages and removes them, and no others.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  try await client.select("Example/Today")
  print("before:", try await client.search(.all))
  let found = try await client.search(.subject("subject goes here"))
  print("found:", found)
  try await client.delete(UIDSet(found))
  print("after:", try await client.search(.all))
}
