import IMAPStateMachine
import Testing

/// Quirks that show only in a conversation: what a server means by what it does or leaves out. The machine tells it as it
/// is, keeps its state right, and leaves the session open wherever the protocol allows it.
///
/// Shown elsewhere already:
/// - SASL-IR announced, and the initial response asked for nevertheless: `authenticate-asked-again.imap`
/// - labels in modified UTF-7: `QuirkTests.mailboxes`
/// - too many connections told in the greeting: `greeting-bye.imap`
/// - EXPUNGE without EXISTS lowers the count: `select.imap`
/// - "Still here" and the texts of refusals, to the parser alone: `QuirkTests.meanings` and `QuirkTests.codes`
/// - the bound of commands in flight as it is set: `PipeliningTests.noMoreThanTheMaximumIsInFlight`
/// - any data renews the time of a command: `command-timeout.imap`; IDLE is renewed: `idle-renewed.imap`
/// - bytes behind the answer to STARTTLS fail every command:
///   `PairTests.bytesBehindTheStartTLSAnswerAreFatalAndTheCommandFails`
/// - what came in the clear before TLS is forgotten: `starttls.imap` and `starttls-injected-responses.imap`
@Suite struct SessionQuirkTests {
  struct Session: CustomTestStringConvertible, Sendable {
    var name: String
    /// In the language of ``Transcript``.
    var conversation: String
    var testDescription: String { name }

    init(_ name: String, _ conversation: String) {
      self.name = name
      self.conversation = conversation
    }
  }

  static let announcements: [Session] = [
    Session(
      "ANNOTATE is announced and refused",
      """
      S: * PREAUTH [CAPABILITY IMAP4rev1 ANNOTATE] hi
      E: greeting PREAUTH [CAPABILITY IMAP4REV1 ANNOTATE] hi
      # Nothing is asked for by itself.
      > SELECT INBOX
      C: A1 SELECT "INBOX"
      S: A1 OK done
      E: completed A1 OK done
      > SELECT INBOX (ANNOTATE)
      C: A2 SELECT "INBOX" (ANNOTATE)
      S: A2 BAD parse error: unexpected parenthesis
      E: completed A2 BAD parse error: unexpected parenthesis
      > .phase
      E: phase authenticated
      > SELECT INBOX
      C: A3 SELECT "INBOX"
      S: A3 OK done
      E: completed A3 OK done
      > .phase
      E: phase mailbox selected
      """),
    Session(
      "ENABLE refused as a whole for one of its words",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > ENABLE IMAP4rev2 UTF8=ACCEPT
      C: A1 ENABLE IMAP4REV2 UTF8=ACCEPT
      S: A1 BAD Unknown capability
      E: completed A1 BAD Unknown capability
      # Nothing is on: names are still modified UTF-7.
      S: * LIST () "/" "Entw&APw-rfe"
      E: list () / Entwürfe
      > ENABLE UTF8=ACCEPT
      C: A2 ENABLE UTF8=ACCEPT
      S: * ENABLED UTF8=ACCEPT
      E: enabled UTF8=ACCEPT
      S: A2 OK done
      E: completed A2 OK done
      S: * LIST () "/" "Entwürfe"
      E: list () / Entwürfe
      """),
    Session(
      "NAMESPACE announced and unknown",
      """
      S: * PREAUTH [CAPABILITY IMAP4rev1 NAMESPACE] hi
      E: greeting PREAUTH [CAPABILITY IMAP4REV1 NAMESPACE] hi
      > NAMESPACE
      C: A1 NAMESPACE
      S: A1 BAD Unknown command
      E: completed A1 BAD Unknown command
      > LIST "" ""
      C: A2 LIST "" ""
      S: * LIST (\\Noselect) "." ""
      E: list (\\Noselect) .\u{20}
      S: A2 OK done
      E: completed A2 OK done
      """),
    Session(
      "NAMESPACE drops the connection",
      """
      S: * PREAUTH [CAPABILITY IMAP4rev1 NAMESPACE] hi
      E: greeting PREAUTH [CAPABILITY IMAP4REV1 NAMESPACE] hi
      > NAMESPACE
      > NOOP
      C: A1 NAMESPACE
      C: A2 NOOP
      > .eof
      E: failed A1 server closed the connection
      E: failed A2 server closed the connection
      E: closed endOfInput
      """),
    Session(
      "no NAMESPACE: the names tell where mailboxes are",
      """
      S: * PREAUTH [CAPABILITY IMAP4] hi
      E: greeting PREAUTH [CAPABILITY IMAP4] hi
      > LIST "" "*"
      C: A1 LIST "" "*"
      S: * LIST (\\Noinferiors) "." INBOX
      E: list (\\Noinferiors) . INBOX
      S: * LIST () "." INBOX.Sent
      E: list () . INBOX.Sent
      S: A1 OK done
      E: completed A1 OK done
      """),
    Session(
      "IDLE is not there, and NOOP tells nothing: STATUS of the selected mailbox",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > SELECT INBOX
      C: A1 SELECT "INBOX"
      S: * 3 EXISTS
      E: exists 3
      S: A1 OK done
      E: completed A1 OK done
      > IDLE
      C: A2 IDLE
      S: A2 BAD Parse command error
      E: completed A2 BAD Parse command error
      > NOOP
      C: A3 NOOP
      S: A3 OK done
      E: completed A3 OK done
      > STATUS INBOX (MESSAGES)
      C: A4 STATUS "INBOX" (MESSAGES)
      S: * STATUS "INBOX" (MESSAGES 5)
      E: mailbox-status INBOX MESSAGES=5
      S: A4 OK done
      E: completed A4 OK done
      # Sequence numbers are those of SELECT, whatever STATUS counts.
      > .selected
      E: selected INBOX exists=3 validity=0 next=0 flags=0
      # SELECT again counts again.
      > SELECT INBOX
      C: A5 SELECT "INBOX"
      S: * 5 EXISTS
      E: exists 5
      S: A5 OK done
      E: completed A5 OK done
      > .selected
      E: selected INBOX exists=5 validity=0 next=0 flags=0
      """),
    Session(
      "new mail is told to NOOP only",
      """
      S: * PREAUTH hi
      E: greeting PREAUTH hi
      > EXAMINE INBOX
      C: A1 EXAMINE "INBOX"
      S: * 3 EXISTS
      E: exists 3
      S: A1 OK done
      E: completed A1 OK done
      > STATUS INBOX (MESSAGES)
      C: A2 STATUS "INBOX" (MESSAGES)
      S: * STATUS INBOX (MESSAGES 4)
      E: mailbox-status INBOX MESSAGES=4
      S: A2 OK done
      E: completed A2 OK done
      > NOOP
      C: A3 NOOP
      S: * 4 EXISTS
      E: exists 4
      S: A3 OK done
      E: completed A3 OK done
      > .selected
      E: selected INBOX exists=4 validity=0 next=0 flags=0
      """),
  ]

  static let logins: [Session] = [
    Session(
      "authenticated but not connected",
      """
      S: * OK hi
      E: greeting OK hi
      > LOGIN a b
      C: A1 LOGIN "a" "b"
      S: A1 OK LOGIN completed.
      E: completed A1 OK LOGIN completed.
      > SELECT INBOX
      C: A2 SELECT "INBOX"
      S: A2 BAD User is authenticated but not connected.
      E: completed A2 BAD User is authenticated but not connected.
      > NOOP
      C: A3 NOOP
      S: A3 BAD User is authenticated but not connected.
      E: completed A3 BAD User is authenticated but not connected.
      > .phase
      E: phase authenticated
      """),
    Session(
      "logins refused for reasons that only text tells",
      "S: * OK hi\nE: greeting OK hi\n"
        + [
          "Your account is not enabled for IMAP use. Please visit your account settings",
          "[ALERT] IMAP access is disabled for your domain. Please contact your domain administrator",
          "[ALERT] Account exceeded command or bandwidth limits. (Failure)",
          "[ALERT] Too many simultaneous connections. (Failure)",
          "[UNAVAILABLE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
          "[ALERT] Application-specific password required: https://support.example/185833 (Failure)",
          "[AUTHENTICATIONFAILED] OCF12",
          "[ALERT] Login to your account via a web browser",
          "[WEBALERT https://accounts.example/x?y=1] Web login required.",
          "Service temporarily unavailable",
        ].enumerated().map { index, text in
          """
          > LOGIN a b
          C: A\(index + 1) LOGIN "a" "b"
          S: A\(index + 1) NO \(text)
          E: completed A\(index + 1) NO \(text)
          > .phase
          E: phase not authenticated
          """
        }.joined(separator: "\n")),
    Session(
      "challenges with spaces inside and around",
      """
      S: * OK hi
      E: greeting OK hi
      > AUTHENTICATE CRAM-MD5
      C: A1 AUTHENTICATE CRAM-MD5
      S: +   PDE4OTYuNjk3MTcwOTUy QHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+  \u{20}
      E: challenge A1 "<1896.697170952@postoffice.reston.mci.net>"
      > .answer A1 x
      C: eA==
      S: A1 OK in
      E: completed A1 OK in
      """),
    Session(
      "mechanisms of no standard",
      """
      S: * OK [CAPABILITY IMAP4rev1 AUTH=XGWTRUSTEDAPP] hi
      E: greeting OK [CAPABILITY IMAP4REV1 AUTH=XGWTRUSTEDAPP] hi
      > AUTHENTICATE XGWTRUSTEDAPP QUJD
      C: A1 AUTHENTICATE XGWTRUSTEDAPP
      S: +
      C: QUJD
      S: A1 OK in
      E: completed A1 OK in
      """),
    // Nothing waits to be sent but what `C:` takes: all of it at once.
    Session(
      "LOGIN goes out in one piece",
      """
      S: * OK [CAPABILITY IMAP4rev1 LITERAL+] hi
      E: greeting OK [CAPABILITY IMAP4REV1 LITERAL+] hi
      > LOGIN "joe q" "se cret\\""
      C: A1 LOGIN "joe q" "se cret\\""
      S: A1 OK in
      E: completed A1 OK in
      """),
  ]

  @Test(arguments: announcements + logins + listings + counts + endurance)
  func isHeldAtEverySplit(_ session: Session) {
    let transcript = Transcript(session.conversation)
    for feed in feeds(transcript.serverByteCount) {
      let problems = transcript.replay(feed)
      #expect(problems.isEmpty, "\(feed): \(problems.joined(separator: "; "))")
      if !problems.isEmpty { break }
    }
  }

  /// Bytes behind the answer to STARTTLS cannot be the server's: nothing that was injected is read, wherever it is cut.
  @Test func injectionBehindStartTLS() throws {
    let greeting = wire("* OK hi\n")
    let answer = wire("A1 OK go\n")
    let injected = wire("* CAPABILITY IMAP4rev1 AUTH=PLAIN\nA2 OK [CAPABILITY X] in\n")
    for cut in 0...injected.count {
      let now = MonotonicInstant(nanoseconds: 0)
      var client = ClientConnection(now: now)
      var input = ReceiveBuffer()
      input.append(greeting.span)
      #expect(Self.kinds(&client, &input, now) == ["greeting", "more"])
      _ = try client.enqueue(.startTLS, now: now)
      let bytes = answer + injected[..<cut]
      input.append(bytes.span)
      if cut == 0 {
        #expect(Self.kinds(&client, &input, now) == ["upgrade", "paused"])
        // It waits for whoever starts the layer, to whom it is no TLS.
        input.append(injected.span)
        #expect(Self.kinds(&client, &input, now) == ["paused"])
        #expect(input.unread == injected.count)
      } else {
        #expect(
          Self.kinds(&client, &input, now) == [
            "failed bytes behind the answer", "closed", "threw",
          ], "\(cut)")
        #expect(client.phase == .closed)
      }
      #expect(client.capabilities == nil)
    }
  }

  /// The events up to the next rest.
  private static func kinds(
    _ client: inout ClientConnection, _ input: inout ReceiveBuffer, _ now: MonotonicInstant
  ) -> [String] {
    var kinds: [String] = []
    while true {
      let kind: String
      do throws(ConnectionError) {
        switch try client.next(&input, now: now) {
        case .needMoreInput: kind = "more"
        case .paused: kind = "paused"
        case .greeting: kind = "greeting"
        case .upgrade: kind = "upgrade"
        case .failed(_, .peer(let violation)) where violation.rule == .plaintextAfterStartTLS:
          kind = "failed bytes behind the answer"
        case .closed: kind = "closed"
        default: kind = "other"
        }
      } catch {
        kind = "threw"
      }
      kinds.append(kind)
      if kind == "more" || kind == "paused" || kind == "threw" { return kinds }
    }
  }
}
