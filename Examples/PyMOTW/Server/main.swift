// The mail that the programs of this folder look at. `serve FILE` serves it from memory, writes the certificate to trust into
// FILE, and ends with standard input. `fill` puts it into the account of the environment, for another server.
import Foundation
import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import PyMOTWConnection

func message(_ from: String, _ subject: String, _ text: String) -> IMAPTestServer.Configuration.Message {
  let date = InternalDate(unixSeconds: 1_457_244_000)
  let head = "From: \(from)\nTo: Example <example@example.com>\nSubject: \(subject)\n"
  return .init(head + "Content-Type: text/plain; charset=utf-8\n\n\(text)\n", date: date)
}

let mailboxes: [IMAPTestServer.Configuration.Mailbox] = [
  .init("Archive"), .init("Deleted Messages"), .init("Example"), .init("Example/2016"), .init("Sent Messages"),
  .init(
    "INBOX",
    messages: [
      message("Doug <doug@example.com>", "Example message 1", "First."),
      message("Doug <doug@example.com>", "Example message 2", "Second."),
      message("=?utf-8?q?Ad=C3=A4?= <ada@example.com>", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße."),
    ]),
]

if CommandLine.arguments.dropFirst().first == "fill" {
  await withConnection { client in
    for mailbox in mailboxes {
      if mailbox.name != .inbox { try await client.create(mailbox.name) }
      for message in mailbox.messages { try await client.append(message.bytes, to: mailbox.name, date: message.date) }
    }
  }
} else {
  var configuration = IMAPTestServer.Configuration(
    users: [.init("example", password: "secret", mailboxes: mailboxes)])
  configuration.mechanisms = ["SCRAM-SHA-256"]
  let server = try await IMAPTestServer.start(configuration)
  try server.certificatePEM.write(toFile: CommandLine.arguments[2], atomically: true, encoding: .utf8)
  print(server.tlsPort ?? 0)
  fflush(nil)
  _ = try FileHandle.standardInput.readToEnd()
  await server.shutdown()
}
