// imaplib_connect_fail.py: logs in with the wrong password.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

let account = Account()
do {
  try await IMAPClient.withClient(account.configuration) { client in
    let method = try await client.signIn(user: account.user, password: Secret("this is wrong"))
    print("Logged in by", method)
  }
} catch let error as IMAPError {
  // The text is the server's; the reason is for programs.
  print("ERROR:", error.reason)
}
