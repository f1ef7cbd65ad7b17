// imaplib_archive_read.py: copies what was read to another mailbox.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  try await client.create("Example/Today")
  try await client.select(.inbox)
  let read = try await client.search(.seen)
  print("read:", read)
  if let pairs = try await client.copy(.uids(UIDSet(read)), to: "Example/Today")?.map {
    for pair in pairs { print("\(pair.source) became \(pair.destination)") }
  }
  try await client.select("Example/Today")
  print("copied:", try await client.search(.all))
}
