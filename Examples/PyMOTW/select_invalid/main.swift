// imaplib_select_invalid.py: opens a mailbox that is not there.
import IMAPLoop
import IMAPStateMachine
import PyMOTWConnection

await withConnection { client in
  do {
    try await client.select("Does-Not-Exist")
  } catch let error as IMAPError where error.reason == .noSuchMailbox {
    print("There is no such mailbox")
  }
}
