// imaplib_append.py: puts a message into a mailbox, and shows what is there then.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

let lines = [
  "From: pymotw@example.com", "To: example@example.com", "Subject: subject goes here", "", "This is the body.", "",
]

await withConnection { client in
  let message = Array(lines.joined(separator: "\r\n").utf8)
  let date = InternalDate(unixSeconds: 1_457_330_400)
  let appended = try await client.append(message, to: .inbox, flags: [.seen], date: date)
  print("appended as", appended?.destination.description ?? "a message that the server does not name")
  try await client.examine(.inbox)
  for try await message in client.messages(.uids(.all), [.uid, .envelope, .internalDate]) {
    print("\(message.uid ?? 0): \(message.envelope?.decodedSubject ?? ""), \(day(message.internalDate))")
  }
}
