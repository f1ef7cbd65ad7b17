// imaplib_fetch_raw.py: what the server says of the first message. Python's program prints nested tuples.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  try await client.examine(.inbox)
  guard let message = try await client.fetchOne(UID(1), [.section(.header), .internalDate]) else { return }
  print("message \(message.sequence), UID \(message.uid ?? 0), received on \(day(message.internalDate))")
  print(String(decoding: message.bytes(of: .header) ?? [], as: UTF8.self))
}
