/// What servers make of mailbox names, counts and long sessions.
extension SessionQuirkTests {
  static let listings: [Session] = [
    Session(
      "LIST returns the parent, and what is no child",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > LIST "" "x/%"
      C: A1 LIST "" "x/%"
      S: * LIST (\\HasChildren) "/" x
      E: list (\\HasChildren) / x
      S: * LIST (\\HasNoChildren) "/" x/a
      E: list (\\HasNoChildren) / x/a
      S: * LIST (\\HasNoChildren) "/" x/a/b
      E: list (\\HasNoChildren) / x/a/b
      S: * LIST (\\HasNoChildren) "/" other
      E: list (\\HasNoChildren) / other
      S: A1 OK done
      E: completed A1 OK done
      """),
    Session(
      "nothing for INBOX with RETURN",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > LIST "" INBOX RETURN (SUBSCRIBED SPECIAL-USE)
      C: A1 LIST "" "INBOX" RETURN (SUBSCRIBED SPECIAL-USE)
      S: A1 OK List completed.
      E: completed A1 OK List completed.
      > LIST "" INBOX
      C: A2 LIST "" "INBOX"
      S: * LIST (\\HasNoChildren) "/" INBOX
      E: list (\\HasNoChildren) / INBOX
      S: A2 OK List completed.
      E: completed A2 OK List completed.
      """),
    Session(
      "selection options refused, and names that must be quoted",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > LIST (SPECIAL-USE) "" "*"
      C: A1 LIST (SPECIAL-USE) "" "*"
      S: A1 BAD [Error offset=6]: bad command
      E: completed A1 BAD [ERROR offset=6] : bad command
      > LIST "" "*"
      C: A2 LIST "" "*"
      S: * LIST (\\Sent) "/" "Sent"
      E: list (\\Sent) / Sent
      S: A2 OK done
      E: completed A2 OK done
      > SELECT Sent
      C: A3 SELECT "Sent"
      S: A3 OK done
      E: completed A3 OK done
      """),
    Session(
      "return options refused one by one, and only what was asked for is told",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > LIST "" "*" RETURN (SUBSCRIBED STATUS (MESSAGES))
      C: A1 LIST "" "*" RETURN (SUBSCRIBED STATUS (MESSAGES))
      S: A1 BAD Unknown RETURN option STATUS
      E: completed A1 BAD Unknown RETURN option STATUS
      > LIST "" "*" RETURN (CHILDREN)
      C: A2 LIST "" "*" RETURN (CHILDREN)
      S: * LIST (\\HasNoChildren) "/" a
      E: list (\\HasNoChildren) / a
      S: A2 OK done
      E: completed A2 OK done
      > LIST "" "*" RETURN (SUBSCRIBED)
      C: A3 LIST "" "*" RETURN (SUBSCRIBED)
      S: * LIST (\\Subscribed) "/" a
      E: list (\\Subscribed) / a
      S: A3 OK done
      E: completed A3 OK done
      """),
    Session(
      "the question for the delimiter fails",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > LIST "" ""
      > LIST "" "%"
      C: A1 LIST "" ""
      C: A2 LIST "" "%"
      S: A1 NO LIST failed
      E: completed A1 NO LIST failed
      S: * LIST () "." INBOX
      E: list () . INBOX
      S: A2 OK done
      E: completed A2 OK done
      """),
    Session(
      "names with wildcards, and with an ampersand",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > LIST "" "100% %new%"
      C: A1 LIST "" "100% %new%"
      S: * LIST () "/" "100% *new*"
      E: list () / 100% *new*
      S: * LIST () "/" "100x ynewz"
      E: list () / 100x ynewz
      S: A1 OK done
      E: completed A1 OK done
      > SELECT "100% *new*"
      C: A2 SELECT "100% *new*"
      S: A2 OK done
      E: completed A2 OK done
      > SELECT R&-D
      C: A3 SELECT "R&-D"
      S: A3 OK done
      E: completed A3 OK done
      """),
    Session(
      "DELETE takes the children, too",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > SELECT a/b
      C: A1 SELECT "a/b"
      S: A1 OK done
      E: completed A1 OK done
      > DELETE a
      C: A2 DELETE "a"
      S: A2 OK done
      E: completed A2 OK done
      > LIST "" "a/%"
      C: A3 LIST "" "a/%"
      S: A3 OK done
      E: completed A3 OK done
      > SELECT a/b
      C: A4 SELECT "a/b"
      S: A4 NO [NONEXISTENT] a/b doesn't exist.
      E: completed A4 NO [NONEXISTENT] a/b doesn't exist.
      > .selected
      E: nothing selected
      """),
    Session(
      "a name with the delimiter behind it is listed so, or not at all",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > LIST "" folder/
      C: A1 LIST "" "folder/"
      S: * LIST (\\NoSelect) "/" folder/
      E: list (\\NoSelect) / folder/
      S: A1 OK done
      E: completed A1 OK done
      > LIST "" folder/
      C: A2 LIST "" "folder/"
      S: A2 OK done
      E: completed A2 OK done
      """),
  ]

  static let counts: [Session] = [
    Session(
      "SELECT tells neither flags nor identifiers",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > SELECT INBOX
      C: A1 SELECT "INBOX"
      S: * FLAGS (\\Seen)
      E: flags \\Seen
      S: * 3 EXISTS
      E: exists 3
      S: A1 OK done
      E: completed A1 OK done
      > .known
      E: known permanent=unknown validity=unknown next=unknown
      > SELECT b
      C: A2 SELECT "b"
      S: * OK [PERMANENTFLAGS ()] none
      E: status OK [PERMANENTFLAGS ()] "none"
      S: * OK [UIDVALIDITY 7] v
      E: status OK [UIDVALIDITY 7] "v"
      S: A2 OK done
      E: completed A2 OK done
      > .known
      E: known permanent=0 validity=7 next=unknown
      # What was known of another mailbox is not carried over.
      > SELECT INBOX
      C: A3 SELECT "INBOX"
      S: A3 OK done
      E: completed A3 OK done
      > .known
      E: known permanent=unknown validity=unknown next=unknown
      """),
    Session(
      "no EXISTS after APPEND",
      """
      S: * PREAUTH [CAPABILITY IMAP4rev1 LITERAL+] hi
      E: greeting PREAUTH [CAPABILITY IMAP4REV1 LITERAL+] hi
      > SELECT INBOX
      C: A1 SELECT "INBOX"
      S: * 3 EXISTS
      E: exists 3
      S: A1 OK done
      E: completed A1 OK done
      > APPEND INBOX {5}
      E: ready A2 5
      > .write A2 hello
      E: wrote 5
      C: A2 APPEND "INBOX" {5+}
      C: hello
      S: A2 OK [APPENDUID 7 12] done
      E: completed A2 OK [APPENDUID 7 12] done
      # Nothing is made up: the next word of the server counts.
      > .selected
      E: selected INBOX exists=3 validity=0 next=0 flags=0
      > NOOP
      C: A3 NOOP
      S: * 4 EXISTS
      E: exists 4
      S: A3 OK done
      E: completed A3 OK done
      > .selected
      E: selected INBOX exists=4 validity=0 next=0 flags=0
      """),
    Session(
      "EXISTS before EXPUNGE, and EXPUNGE without EXISTS",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > SELECT INBOX
      C: A1 SELECT "INBOX"
      S: * 3 EXISTS
      E: exists 3
      S: A1 OK done
      E: completed A1 OK done
      > NOOP
      C: A2 NOOP
      S: * 4 EXISTS
      E: exists 4
      S: * 1 EXPUNGE
      E: expunge 1
      S: * 1 EXPUNGE
      E: expunge 1
      S: A2 OK done
      E: completed A2 OK done
      > .selected
      E: selected INBOX exists=2 validity=0 next=0 flags=0
      > EXPUNGE
      C: A3 EXPUNGE
      S: * 2 EXPUNGE
      E: expunge 2
      S: A3 OK done
      E: completed A3 OK done
      > .selected
      E: selected INBOX exists=1 validity=0 next=0 flags=0
      """),
  ]

  static let endurance: [Session] = [
    Session(
      "command lines longer than the server takes",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > SUBSCRIBE \(String(repeating: "x", count: 1000))
      C: A1 SUBSCRIBE "\(String(repeating: "x", count: 1000))"
      S: A1 BAD Command line too long
      E: completed A1 BAD Command line too long
      > NOOP
      C: A2 NOOP
      S: * BAD Too long argument
      E: status BAD "Too long argument"
      S: A2 OK done
      E: completed A2 OK done
      """),
    Session(
      "no more in flight than servers take, and refusals of what is too much",
      "S: * PREAUTH hi\nE: greeting PREAUTH hi\n"
        + String(repeating: "> NOOP\n", count: 22) + (1...20).map { "C: A\($0) NOOP\n" }.joined()
          + """
          S: A1 OK done
          E: completed A1 OK done
          C: A21 NOOP
          S: A2 BAD Command Error. 12
          E: completed A2 BAD Command Error. 12
          C: A22 NOOP

          """ + (3...22).map { "S: A\($0) OK done\nE: completed A\($0) OK done\n" }.joined()),
    Session(
      "a long FETCH ends in BYE",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > SELECT INBOX
      C: A1 SELECT "INBOX"
      S: A1 OK done
      E: completed A1 OK done
      > UID FETCH 1:* (UID)
      C: A2 UID FETCH 1:* (UID)
      S: * 1 FETCH (UID 5)
      E: fetch 1
      E: \u{20}\u{20}uid 5
      E: fetch end
      S: * BYE Connection is closed. 13
      E: status BYE "Connection is closed. 13"
      > .eof
      E: failed A2 server closed the connection: Connection is closed. 13
      E: closed bye("Connection is closed. 13")
      """),
    Session(
      "signs of life",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > IDLE
      C: A1 IDLE
      S: + idling
      E: idling A1
      > .at 120
      S: * OK Still here
      E: status OK "Still here"
      # The IDLE is renewed when it would have been.
      > .deadline
      E: deadline 300
      > NOOP
      C: DONE
      S: A1 OK done
      E: completed A1 OK done
      C: A2 NOOP
      > .at 200
      S: * OK Still here
      E: status OK "Still here"
      # A command that is in flight may take longer now.
      > .deadline
      E: deadline 320
      S: A2 OK done
      E: completed A2 OK done
      """),
    Session(
      "IDLE is dropped without a word",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > IDLE
      C: A1 IDLE
      S: + idling
      E: idling A1
      > .at 55
      > .eof
      E: failed A1 server closed the connection
      E: closed endOfInput
      """),
    Session(
      "BYE instead of the answer to IDLE",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > IDLE
      C: A1 IDLE
      S: * BYE Autologout; idle for too long
      E: status BYE "Autologout; idle for too long"
      > .done A1
      > .eof
      E: failed A1 server closed the connection: Autologout; idle for too long
      E: closed bye("Autologout; idle for too long")
      """),
  ]
}
