import IMAPLoop
import IMAPStateMachine

extension IMAPTestServer {
  /// What a server serves and how. The defaults make a server on free ports of the loopback interface with one user, `user`
  /// with the password `password`, whose INBOX is empty.
  public struct Configuration: Sendable {
    /// A user with what is there at the start.
    public struct User: Sendable {
      /// What LOGIN names; compared byte by byte.
      public var name: String
      /// What LOGIN must say.
      public var password: Secret
      /// Mailboxes to start with. INBOX is there in any case.
      public var mailboxes: [Mailbox]

      /// A user.
      public init(_ name: String, password: String, mailboxes: [Mailbox] = []) {
        self.name = name
        self.password = Secret(password)
        self.mailboxes = mailboxes
      }
    }

    /// A mailbox to start with.
    public struct Mailbox: Sendable {
      /// Its name; levels are separated by `/`.
      public var name: MailboxName
      /// What LIST shows besides the children, for example `\Sent`.
      public var attributes: [Flag]
      /// Messages to start with, oldest first; their UIDs count from 1.
      public var messages: [Message]

      /// A mailbox.
      public init(_ name: MailboxName, attributes: [Flag] = [], messages: [Message] = []) {
        self.name = name
        self.attributes = attributes
        self.messages = messages
      }
    }

    /// A message to start with.
    public struct Message: Sendable {
      /// Header and body as they are served.
      public var bytes: [UInt8]
      /// Its flags.
      public var flags: [Flag]
      /// Its internal date; nil is the time at which the server starts.
      public var date: InternalDate?

      /// A message of exactly `bytes`.
      public init(_ bytes: [UInt8], flags: [Flag] = [], date: InternalDate? = nil) {
        self.bytes = bytes
        self.flags = flags
        self.date = date
      }

      /// A message of `text`, each line break of which becomes CRLF.
      public init(_ text: String, flags: [Flag] = [], date: InternalDate? = nil) {
        self.init(Self.withCRLF(text), flags: flags, date: date)
      }

      static func withCRLF(_ text: String) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
          if byte == 0x0a, output.last != 0x0d { output.append(0x0d) }
          output.append(byte)
        }
        return output
      }
    }

    /// The users.
    public var users: [User]
    /// A numeric address to listen on.
    public var host = "127.0.0.1"
    /// The port for connections that start without TLS; 0 is a free one, nil none at all.
    public var plainPort: UInt16? = 0
    /// The port for connections that start with TLS; 0 is a free one, nil none at all.
    public var tlsPort: UInt16? = 0
    /// Whether STARTTLS is offered on ``plainPort``.
    public var offersStartTLS = true
    /// Whether nobody may log in before TLS: LOGINDISABLED.
    public var requiresTLS = false
    /// The SASL mechanisms that are offered, of PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-1 and SCRAM-SHA-256 with and without -PLUS,
    /// OAUTHBEARER, XOAUTH2 and EXTERNAL. Those with -PLUS are offered below TLS only, and EXTERNAL to clients that have shown
    /// a certificate: its common name is the user. A user's token is the password.
    public var mechanisms = ["PLAIN"]
    /// The server's certificate; nil makes one for `localhost` and ``host`` at the start.
    public var certificate: SelfSignedCertificate?
    /// Whether clients are asked for a certificate.
    public var clientCertificates = TLSContext.ClientCertificates.none
    /// Application protocols of which one is chosen (RFC 7301); where this is empty none is.
    public var applicationProtocols: [String] = []
    /// Capabilities that are neither announced nor served, to see how a client does without them. Literals without a
    /// continuation are read in any case.
    public var withheldCapabilities: Set<Capability> = []
    /// The first mailbox's UIDVALIDITY. Each further one gets the next number.
    public var uidValidity: UInt32 = 1
    /// Bytes of messages that one user may have.
    public var quota = 4 << 30
    /// Bounds and timeouts of the connections.
    public var connection = ServerConnection.Configuration()

    /// A configuration for `users`.
    public init(users: [User] = [User("user", password: "password")]) { self.users = users }
  }
}

/// Why a call to an ``IMAPTestServer`` did nothing.
public enum TestServerError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The server cannot listen, or has no certificate.
  case connection(ConnectionError)
  /// There is no such user.
  case unknownUser(String)
  /// The user has no such mailbox.
  case unknownMailbox(MailboxName)
  /// The store refused it; the text says why.
  case refused(String)

  /// One line for a person or a log.
  public var description: String {
    switch self {
    case .connection(let error): error.description
    case .unknownUser(let name): "no user \(name)"
    case .unknownMailbox(let name): "no mailbox \(name)"
    case .refused(let text): text
    }
  }

  init(_ error: StoreError, _ name: MailboxName) {
    self = error == .nonexistent ? .unknownMailbox(name) : .refused("\(name): \(error.text)")
  }
}
