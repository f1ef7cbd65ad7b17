import ArgumentParser
import IMAPLoop
import IMAPStateMachine

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How `imap` ends, so that scripts can tell what went wrong. The numbers follow sysexits.h where it has one.
enum ExitStatus: Int32, CaseIterable {
  /// Anything that has no number of its own.
  case failure = 1
  /// The command line was wrong.
  case usage = 64
  /// The server sent something that is no IMAP.
  case protocolError = 65
  /// The mailbox or message does not exist.
  case missing = 66
  /// The host name cannot be resolved.
  case unknownHost = 68
  /// Nobody listens there, or the connection was lost.
  case unavailable = 69
  /// The system does not give this process what it needs.
  case system = 71
  /// The server refused the command.
  case refused = 73
  /// A file cannot be read or written.
  case file = 74
  /// The server took too long.
  case timeout = 75
  /// TLS failed, or the certificate is not trusted.
  case tls = 76
  /// User name or password are wrong, or the server wants more than these.
  case credentials = 77
  /// The configuration file or the environment is wrong.
  case configuration = 78
  /// Ctrl-C.
  case interrupted = 130

  /// For the help text.
  static let table = """
    EXIT STATUS
      0   success
      1   failure without a number of its own
      64  wrong command line
      65  the server sent something that is no IMAP
      66  no such mailbox or message
      68  unknown host
      69  connection refused or lost
      71  a limit of the system is in the way
      73  the server refused the command
      74  a file cannot be read or written
      75  timed out
      76  TLS failed or the certificate is not trusted
      77  wrong user name or password, or the server wants more than these
      78  wrong configuration file or environment
      130 interrupted by Ctrl-C
    """
}

/// An error as the user sees it: a line that says what to do, and a status.
struct Failure: Error {
  var status: ExitStatus
  var message: String
  /// Lines behind the first: what else is wrong with a file.
  var others: [String] = []

  init(_ status: ExitStatus, _ message: String) {
    self.status = status
    self.message = message
  }

  /// Everything that is wrong at once, a line each.
  init(_ status: ExitStatus, _ messages: [String]) {
    self.status = status
    message = messages.first ?? ""
    others = Array(messages.dropFirst())
  }

  /// What went wrong while talking to `host`, to which one logs in by an access token or by a password. `mailbox` is the one
  /// that the command was about, where it was about one.
  init(_ error: IMAPError, host: String, byToken: Bool = false, mailbox: MailboxName? = nil) {
    // A name that is empty says nothing.
    let mailbox = mailbox.flatMap { $0.description.isEmpty ? nil : $0 }
    switch error {
    case .connection(let error): self = Failure(error, host: host)
    case .outcomeUnknown(let command, let connection):
      self = Failure(connection, host: host)
      if !Self.isReading(command) { message += "; \(Self.unknownOutcome(command, mailbox))" }
    case .capabilityMissing(let capability, let command):
      self.init(.refused, "\(host) cannot do \(command): it has no \(capability); `imap capability` shows what it has")
    case .cancelled: self.init(.failure, "\(host): \(error)")
    case .invalidArgument:
      self.init(.usage, (mailbox.map { "\($0): " } ?? "") + error.description)
    case .source(let command, let reason, outcomeUnknown: false): self.init(.file, "\(command) is not done: \(reason)")
    case .source(let command, let reason, outcomeUnknown: true):
      self.init(.file, "\(reason); whether the server has done \(command) is not known")
    case .readOnly: self.init(.refused, "\(host): \(error)")
    case .copiedOnly(let copies, let error):
      self = Failure(error, host: host, byToken: byToken)
      message += "; \(Self.copied(copies))"
    case .refused(let command, let status), .rejected(let command, let status):
      self = Failure(error.reason, command, status, host: host, byToken: byToken, mailbox: mailbox)
    case .noSuchMailbox(let mailbox, let command, let status):
      self = Failure(error.reason, command, status, host: host, byToken: byToken, mailbox: mailbox)
    case .authentication(.server, let status?) where error.reason != .notAuthenticated,
      .authentication(.tokenRefused, let status?) where error.reason != .notAuthenticated:
      // What the status says is more than that the mechanism has failed.
      self = Failure(error.reason, "AUTHENTICATE", status, host: host, byToken: byToken)
    case .authentication(let error, _): self = Failure(error, host: host)
    }
  }

  private init(_ error: SASLError, host: String) {
    switch error {
    case .noMechanism(loginDisabled: true), .plaintextRefused:
      self.init(.tls, "\(host) takes no password without TLS; use --tls implicit or --tls starttls")
    case .noMechanism(loginDisabled: false):
      self.init(
        .credentials,
        "\(host) has no way to log in with what it is given: \(error); it may want a token where that is a password, or a "
          + "password where that is a token")
    case .credential:
      self.init(.credentials, "\(host) cannot be sent these: \(error); check --user and the password")
    case .tokenRefused:
      self.init(.credentials, "\(host) refused the access token: \(error); get a new one, and check --user")
    case .server:
      self.init(.credentials, "\(host) refused user name or password: \(error); check --user and the password")
    case .serverSignature, .serverNotVerified, .completedEarly:
      self.init(.tls, "\(host) is not the server that knows the password: \(error)")
    case .malformedChallenge, .unexpectedChallenge, .nonceNotExtended, .mandatoryExtension, .iterationCount:
      self.init(.protocolError, "\(host) does not authenticate properly: \(error)")
    case .hashUnavailable, .cancelled, .channelBindingUnavailable: self.init(.failure, error.description)
    }
  }

  private init(_ error: ConnectionError, host: String) {
    switch error {
    case .transport(let failure):
      switch failure.operation {
      case .resolve:
        self.init(.unknownHost, "unknown host \(failure.message); check the spelling of --host")
      case .connect:
        // No host has a slash in its name.
        let options = host.contains("/") ? "--socket" : "--host, --port"
        self.init(
          .unavailable, "cannot connect to \(host): \(failure.message); check \(options) and that the server runs")
      case .certificate, .tls: self = Self.tls(failure, host: host)
      case .deflate:
        self.init(.protocolError, "\(host) does not compress properly: \(failure.message); try without --compress")
      case .command:
        self.init(.unavailable, "\(failure.message); check --stream, and what the command says in a shell")
      case .proxy:
        let advice =
          if case .certificate? = failure.tls { "give its authority with --proxy-ca-file" } else { "check --proxy" }
        self.init(.unavailable, "\(failure.message); \(advice)")
      case .read, .write, .listen:
        self.init(.unavailable, "connection to \(host) lost: \(failure.message); try again")
      }
    case .timedOut(let kind):
      self.init(.timeout, "\(host) took too long (\(kind.rawValue)); try again, or raise --timeout")
    case .closedByPeer(let bye?):
      self.init(.unavailable, "\(host) closed the connection: \(bye)")
    case .closedByPeer(nil):
      self.init(
        .unavailable,
        "\(host) closed the connection before it was done; try again, or check --port and --tls where it never works")
    case .closedLocally:
      self.init(.unavailable, "connection to \(host) closed")
    case .misuse(let misuse) where misuse.rule == .loginDisabled || misuse.rule == .tlsRequired:
      self.init(.tls, "\(host) takes no password without TLS; use --tls implicit or --tls starttls")
    case .misuse: self.init(.failure, error.description)
    case .peer, .parse, .limit:
      self.init(.protocolError, "\(host) does not speak IMAP properly: \(error); check --port and --tls")
    }
  }

  /// Each reason calls for something else.
  private static func tls(_ failure: ConnectionError.TransportFailure, host: String) -> Failure {
    let (message, trouble) = (failure.message, "TLS with \(host) failed: \(failure.message)")
    switch failure.tls {
    case .configuration: return Failure(.file, "\(message); check the files and options for TLS")
    case .certificate(let refusal):
      let advice =
        switch refusal {
        case .expired, .notYetValid: "check the clock of this machine, and tell whoever runs the server"
        case .wrongHost: "name the host that it is for, or use --no-check-hostname"
        case .wrongPin: "if the server has got another one, check that and change --pin"
        case .revoked: "do not go on, and tell whoever runs the server"
        case .revocationUnknown: "give a newer list of its authority with --crl"
        default: "give its authority with --ca-file, or use --insecure to go on without any protection"
        }
      return Failure(.tls, "the certificate of \(host) is not trusted: \(message); \(advice)")
    case .certificateRequired:
      return Failure(.tls, "\(trouble); it asks for a certificate: give one with --client-cert and --client-key")
    case .certificateRejected: return Failure(.tls, "\(trouble); it refused the certificate; check --client-cert")
    case .version: return Failure(.tls, "\(trouble); the server speaks too old a version, or check --tls-min")
    case .parameters, .applicationProtocol: return Failure(.tls, "\(trouble); the two have nothing in common")
    case .notTLS, .closed, .other, nil: return Failure(.tls, "\(trouble); check --port and --tls")
    }
  }

  /// `error` where it is one of a server that is called `host`; nil where it is anything else.
  init?(serverError error: any Error, host: String) {
    switch error {
    case let error as IMAPError: self.init(error, host: host)
    case let error as MailboxError:
      self.init(error.error, host: host, mailbox: error.mailbox)
      if let first = error.first { status = first }
    default: return nil
    }
  }

  /// What is said where nobody knows whether `command` was done.
  static func unknownOutcome(_ command: String, _ mailbox: MailboxName?) -> String {
    "whether the server has done \(command)\(mailbox.map { " of \($0)" } ?? "") is not known"
  }

  /// What is said where something stopped once there were `copies`.
  static func copied(_ copies: CopyResult?) -> String {
    let messages = copies.map { "UID \(NamedMessages($0.source.ranges).shown)" } ?? "some or all of the messages"
    return "\(messages) were copied before that: doing it again copies them twice"
  }

  private init(
    _ reason: IMAPError.Reason, _ command: String, _ status: Status, host: String, byToken: Bool,
    mailbox: MailboxName? = nil
  ) {
    // The text of BAD may repeat the line, and so a password.
    let mayHoldSecret = status.condition == .bad && ["LOGIN", "AUTHENTICATE"].contains(command)
    let said = mayHoldSecret ? "BAD" : status.text.isEmpty ? status.description : status.text
    let refusal = "\(host) refused \(command)\(mailbox.map { " of \($0)" } ?? ""): \(said)"
    let missing = "no such mailbox: \(mailbox.map { "\($0) (\(said))" } ?? said); `imap list` shows those there are"
    if ["LOGIN", "AUTHENTICATE"].contains(command),
      let failure = Self.login(reason, said, status.code, host: host, byToken: byToken)
    {
      self = failure
      return
    }
    switch (command, reason) {
    case (_, .expired):
      self.init(.credentials, "\(host) says that the password has expired: \(said); set a new one with your provider")
    case (_, .privacyRequired):
      self.init(.tls, "\(refusal); use --tls implicit or --tls starttls")
    case (_, .throttled(let delay)):
      let time = delay.map { "\(max(1, $0.components.seconds)) seconds" } ?? "a while"
      self.init(.unavailable, "\(refusal); it is asked too much: wait \(time) and try again")
    case (_, .noSuchMailbox):
      self.init(.missing, missing)
    case ("SELECT", .unspecified) where status.condition == .no,
      ("EXAMINE", .unspecified) where status.condition == .no,
      ("STATUS", .unspecified) where status.condition == .no:
      // Servers without codes: what else is there to be wrong with a name?
      self.init(status.code == nil ? .missing : .refused, missing)
    default: self.init(Self.status(reason), refusal + (Self.advice(reason).map { "; \($0)" } ?? ""))
    }
  }

  /// Why nobody is logged in, in the words that the server has `said`; nil where that is no other than with any command.
  private static func login(
    _ reason: IMAPError.Reason, _ said: String, _ code: ResponseCode?, host: String, byToken: Bool
  ) -> Failure? {
    switch reason {
    case .notAuthenticated, .unspecified:
      let what = byToken ? "the access token" : "user name or password"
      let advice = byToken ? "get a new one, and check --user" : "check --user and the password"
      return Failure(.credentials, "\(host) refused \(what): \(said); \(advice)")
    case .accessDisabled:
      return Failure(
        .credentials,
        "\(host) does not let this account use IMAP: \(said); switch IMAP on in its settings, or ask its administrator")
    case .applicationPasswordRequired:
      return Failure(
        .credentials,
        "\(host) wants a password for this program, not that of the account: \(said); make one in the settings of the "
          + "account, or use oauth2")
    case .webLoginRequired:
      let place = if case .webAlert(let url)? = code { "open \(url)" } else { "log in at the provider's page" }
      return Failure(
        .credentials,
        "\(host) wants you to log in on the web first: \(said); \(place) in a web browser, and try again")
    case .noPermission:
      return Failure(
        .refused, "\(host) refused to log in: \(said); this user may not log in there: ask the administrator")
    case .inUse:
      return Failure(.unavailable, "\(host) cannot log in now: \(said); the account is in use: try again later")
    case .unavailable:
      return Failure(.unavailable, "\(host) cannot log in anybody now: \(said); try again later")
    case .limit:
      return Failure(
        .unavailable, "\(host) takes no more logins now: \(said); close other connections, or try again later")
    default: return nil
    }
  }

  private static func status(_ reason: IMAPError.Reason) -> ExitStatus {
    switch reason {
    case .notAuthenticated: .credentials
    case .unavailable, .inUse, .expungeIssued: .unavailable
    default: .refused
    }
  }

  /// What to do about a refusal; nil where nobody knows.
  private static func advice(_ reason: IMAPError.Reason) -> String? {
    switch reason {
    case .noPermission: "you lack the right to do so; `imap acl my MAILBOX` shows those you have"
    case .alreadyExists: "there is one already; choose another name"
    case .hasChildren: "there are mailboxes below it; remove or rename those first"
    case .overQuota: "no room is left; `imap quota` shows what is used"
    case .limit: "it is more than the server takes; do it in smaller pieces"
    case .inUse: "somebody else has it open; try again later"
    case .unavailable: "try again later"
    case .expungeIssued: "messages went away meanwhile; search again"
    case .readOnly: "the mailbox can only be read"
    case .badCharset(let names):
      names.isEmpty ? "the server cannot search for this text" : "the server knows \(names.joined(separator: ", "))"
    case .cannot: "the server never does this"
    case .contactAdministrator: "ask the administrator of the server"
    case .bug: "the server or this program is at fault; please report it"
    default: nil
    }
  }
}

/// Runs a command's work and turns its errors into one line and a status.
func reporting(_ work: () async throws -> Void) async throws {
  do { try await work() } catch { try report(error) }
}

/// As the other, for work that waits for nothing.
func reporting(_ work: () throws -> Void) throws {
  do { try work() } catch { try report(error) }
}

private func report(_ error: any Error) throws {
  switch error {
  case OutputError.readerGone: return
  case OutputError.failed(let code):
    Console.error("imap: cannot write the output: \(unsafe String(cString: strerror(code)))")
    throw ExitCode(ExitStatus.file.rawValue)
  case let failure as Failure:
    // By a second signal, or one that was heard of late.
    if failure.status == .interrupted { Interruption.isTold.store(true, ordering: .relaxed) }
    if !failure.message.isEmpty { Console.error("imap: \(failure.message)") }
    for line in failure.others { Console.error("imap: \(line)") }
    throw ExitCode(failure.status.rawValue)
  default: throw error
  }
}
