import IMAPStateMachine

print("imap")
