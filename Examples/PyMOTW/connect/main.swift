// imaplib_connect.py: opens a connection and logs in.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  print("Logged in:", await client.phase)
  print("IMAP4rev1:", try await client.supports(.imap4rev1))
}
