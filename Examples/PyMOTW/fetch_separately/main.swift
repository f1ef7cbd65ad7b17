// imaplib_fetch_separately.py: header, text and flags of a message, each for itself.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  try await client.examine(.inbox)
  let header = try await client.fetchOne(UID(1), [.section(.header)])
  let text = try await client.fetchOne(UID(1), [.section(.text)])
  let flags = try await client.flags(of: [1])
  print("HEADER:", header?.bytes(of: .header)?.count ?? 0, "bytes")
  print("TEXT:", String(decoding: text?.bytes(of: .text) ?? [], as: UTF8.self))
  print("FLAGS:", flags[1]?.filter { $0 != .recent } ?? [])
}
