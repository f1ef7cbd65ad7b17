// imaplib_fetch_rfc822.py: subject, sender and receivers. The server parses the header, and the words of it are decoded here.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  try await client.examine(.inbox)
  for try await message in client.messages(.uids(.all), [.uid, .envelope, .bodyStructure]) {
    guard let envelope = message.envelope else { continue }
    print("SUBJECT:", envelope.decodedSubject ?? "")
    print("FROM:   ", envelope.from.map(\.formatted).joined(separator: ", "))
    print("TO:     ", envelope.to.map(\.formatted).joined(separator: ", "))
    print("TEXT:    part", message.bodyStructure?.textPart?.number ?? "none")
  }
}
