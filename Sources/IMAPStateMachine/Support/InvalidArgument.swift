/// An argument that cannot be what it is meant for, and why: mostly one of a command that has no form on the wire. It holds
/// nothing of the value, which may be a secret.
public struct InvalidArgument: Error, Hashable, Sendable, CustomStringConvertible {
  /// Which argument.
  public enum Argument: String, Hashable, Sendable {
    /// The name of a mailbox, or a pattern.
    case mailbox = "mailbox name"
    /// Who logs in.
    case user = "user name"
    /// The password.
    case password = "password"
    /// The name of a mechanism.
    case mechanism = "mechanism"
    /// A capability of ENABLE.
    case capability = "capability"
    /// A flag or keyword.
    case flag = "flag"
    /// A label of Gmail.
    case label = "label"
    /// UIDs or sequence numbers.
    case messages = "set of messages"
    /// A message of APPEND.
    case message = "message to append"
    /// An item of FETCH.
    case fetchItem = "FETCH item"
    /// An item of STATUS.
    case statusItem = "STATUS item"
    /// A section, a part number or a range of its bytes.
    case section = "section"
    /// The name of a header field.
    case headerField = "header field name"
    /// What is searched for.
    case searchText = "search text"
    /// A key of SEARCH that is no text.
    case searchKey = "search key"
    /// A day of a search.
    case date = "date"
    /// The charset of a search.
    case charset = "charset"
    /// What messages are sorted by.
    case sortCriterion = "sort criterion"
    /// The algorithm of THREAD.
    case threadAlgorithm = "thread algorithm"
    /// The tag of an earlier search.
    case tag = "tag"
    /// A modification sequence.
    case modSeq = "modification sequence"
    /// The UID validity of a mailbox.
    case uidValidity = "UID validity"
    /// An option of LIST, SEARCH or FETCH.
    case option = "option"
    /// The name of an entry of METADATA.
    case entry = "metadata entry name"
    /// The value of an entry.
    case value = "value"
    /// An annotation.
    case annotation = "annotation"
    /// Whose rights.
    case identifier = "identifier"
    /// Rights of an access control list.
    case rights = "access rights"
    /// The name of a quota root.
    case quotaRoot = "quota root"
    /// A limit of a quota root.
    case quotaLimit = "quota limit"
    /// A URL.
    case url = "URL"
    /// The name or address of a server.
    case host = "host"
    /// The name or address of a proxy.
    case proxyHost = "host of the proxy"
    /// The URL of a proxy.
    case proxyURL = "proxy URL"
    /// A field of ID.
    case idField = "ID field"
    /// A language or comparator.
    case language = "language or comparator"
    /// An argument of a command without a case of its own.
    case argument = "argument"
    /// The command as a whole.
    case command = "command"
  }

  /// What it breaks.
  public enum Rule: String, Hashable, Sendable {
    /// RFC 9051, section 9: CHAR8 and the characters of strings leave NUL out.
    case nul = "holds a NUL byte, which no string can: take it out"
    /// RFC 9051, section 9: ATOM-CHAR.
    case character = "holds a character that cannot stand there, like a space or a bracket: take it out"
    /// At least one is needed.
    case empty = "is empty, and must not be"
    /// Numbers of this kind start at 1.
    case zero = "is or holds 0: such numbers start at 1"
    /// RFC 9051, section 9: number64 has 63 bits.
    case tooLarge = "is above 9223372036854775807, the largest number there is: make it smaller"
    /// ``ClientConnection/Configuration/maximumLineLength``.
    case tooLong = "makes too long a line: name less at once"
    /// Lists or search keys inside one another.
    case nesting = "is nested more than 64 deep: make it flatter"
    /// The charset lacks a character, or is not known here.
    case charset = "cannot be written in this charset: use UTF-8"
    /// A URL where a host is wanted.
    case url = "is a URL: give the name or address alone, and the port and the kind of TLS where they belong"
    /// A host with its port.
    case port = "has a port behind it: give the name or address alone, and the port where it belongs"
    /// What no host is called (RFC 1123, section 2.1) and no address is written like.
    case hostName = "is no name and no address: write it as mail.example.org, 192.0.2.1 or 2001:db8::1"
    /// A date that the Gregorian calendar lacks, or a year without four digits.
    case noSuchDay = "is on a day that there is not, like 31 February: check year, month and day"
    /// The URL of a proxy of another kind, or of none.
    case scheme = "does not start with socks5://, socks4://, http:// or https://: put one of them in front"
    /// The host of a URL (RFC 3986, section 3.2.2).
    case authority = "has no host, or none that can be read: write scheme://host:port, an IPv6 address in [ ]"
    /// The port of a URL.
    case portNumber = "has a port that is no number from 1 to 65535: correct it, or leave it out"
    /// A path, a query or a fragment of a URL.
    case path = "has something behind host and port: end it there"
    /// The user or the password of a URL (RFC 3986, section 2.1).
    case percentEncoding = "has a user or password in a wrong percent-encoding: write UTF-8, and %25 for a percent sign"
    /// A URL with `@`, and nothing or only a password before it.
    case noUser = "has no user in front of the @: write one, or take the @ out"
    /// SOCKS4 has a place for a user only.
    case passwordOfSOCKS4 = "has a password, and SOCKS4 knows none: take it out, or use SOCKS5"
    /// Something that the RFC of the command forbids.
    case form = "is of a form that is not allowed there: see the RFC of the command"
  }

  /// Which argument.
  public var argument: Argument
  /// What it breaks.
  public var rule: Rule

  /// An argument that breaks `rule`.
  public init(_ argument: Argument, _ rule: Rule) {
    self.argument = argument
    self.rule = rule
  }

  /// The argument, the rule, and what to do.
  public var description: String { "the \(argument.rawValue) \(rule.rawValue)" }
}
