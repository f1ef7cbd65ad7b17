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
  /// The server refused the command.
  case refused = 73
  /// A file cannot be read or written.
  case file = 74
  /// The server took too long.
  case timeout = 75
  /// TLS failed, or the certificate is not trusted.
  case tls = 76
  /// User name or password are wrong.
  case credentials = 77

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
      73  the server refused the command
      74  a file cannot be read or written
      75  timed out
      76  TLS failed or the certificate is not trusted
      77  wrong user name or password
    """
}

/// An error as the user sees it: one line that says what to do, and a status.
struct Failure: Error {
  var status: ExitStatus
  var message: String

  init(_ status: ExitStatus, _ message: String) {
    self.status = status
    self.message = message
  }

  /// What went wrong while talking to `host`.
  init(_ error: IMAPError, host: String) {
    switch error {
    case .connection(let error): self = Failure(error, host: host)
    case .outcomeUnknown(let command, let error):
      self = Failure(error, host: host)
      message += "; whether the server has done \(command) is not known"
    case .capabilityMissing: self.init(.refused, "\(host): \(error)")
    case .source: self.init(.failure, "\(error)")
    case .refused(let command, let status), .rejected(let command, let status),
      .noSuchMailbox(_, let command, let status):
      self = Failure(command, status, host: host)
    case .authentication(let error, let status): self = Failure(error, status, host: host)
    }
  }

  private init(_ error: SASLError, _ status: Status?, host: String) {
    switch error {
    case .noMechanism(loginDisabled: true), .plaintextRefused:
      self.init(.tls, "\(host) takes no password without TLS; use --tls implicit or --tls starttls")
    case .noMechanism(loginDisabled: false):
      self.init(.credentials, "\(host) does not log in users by their password: \(error)")
    case .credential:
      self.init(.credentials, "\(host) cannot be sent these: \(error); check --user and the password")
    case .server, .tokenRefused:
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
        self.init(.unknownHost, "unknown host \(host): check the spelling of --host (\(failure.message))")
      case .connect:
        self.init(
          .unavailable, "cannot connect to \(host): \(failure.message); check --host, --port and that the server runs")
      case .certificate:
        self.init(
          .tls,
          "the certificate of \(host) is not trusted: \(failure.message); give its authority with --ca-file, or use "
            + "--insecure to go on without any protection")
      case .tls:
        self.init(.tls, "TLS with \(host) failed: \(failure.message); check --port and --tls")
      case .read, .write, .listen:
        self.init(.unavailable, "connection to \(host) lost: \(failure.message); try again")
      }
    case .timedOut(let kind):
      self.init(.timeout, "\(host) took too long (\(kind.rawValue)); try again, or raise --timeout")
    case .closedByPeer(let bye?):
      self.init(.unavailable, "\(host) closed the connection: \(bye)")
    case .closedByPeer(nil):
      self.init(.unavailable, "\(host) closed the connection without a word; check --port and --tls")
    case .closedLocally:
      self.init(.unavailable, "connection to \(host) closed")
    case .misuse(let misuse) where misuse.rule == .loginDisabled || misuse.rule == .tlsRequired:
      self.init(.tls, "\(host) takes no password without TLS; use --tls implicit or --tls starttls")
    case .misuse: self.init(.failure, error.description)
    case .peer, .parse, .limit:
      self.init(.protocolError, "\(host) does not speak IMAP properly: \(error); check --port and --tls")
    }
  }

  private init(_ command: String, _ status: Status, host: String) {
    let text = status.text
    switch (command, status.code) {
    case ("LOGIN", _), ("AUTHENTICATE", _):
      if case .unavailable? = status.code {
        self.init(.unavailable, "\(host) cannot log in anybody now: \(text); try again later")
      } else {
        self.init(.credentials, "\(host) refused user name or password: \(text); check --user and the password")
      }
    case (_, .nonexistent?), (_, .tryCreate?), ("SELECT", nil), ("EXAMINE", nil), ("STATUS", nil):
      self.init(.missing, "no such mailbox: \(text); `imap list` shows those there are")
    default:
      self.init(.refused, "\(host) refused \(command): \(status)")
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
    Console.error("imap: \(failure.message)")
    throw ExitCode(failure.status.rawValue)
  default: throw error
  }
}
