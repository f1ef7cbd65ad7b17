// An IMAP client on one POSIX socket: logs in, lists the mailboxes, prints one message. It has no TLS, so use it on a server
// of this machine or through a tunnel. To run it (`imap serve` starts a server to try it on):
//
//   IMAP_PASSWORD=secret swift run --package-path Examples BlockingSocket 127.0.0.1 1143 joe INBOX 1

// C declares `stdout` and `stderr` as variables.
@unsafe @preconcurrency import Glibc
import IMAPStateMachine

@main struct BlockingSocket {
  static func main() {
    do {
      let arguments = CommandLine.arguments
      guard arguments.count == 6, let uid = UInt32(arguments[5]), uid > 0, let password = unsafe getenv("IMAP_PASSWORD")
      else { throw Failure("usage: IMAP_PASSWORD=secret BlockingSocket HOST PORT USER MAILBOX UID") }
      var client = Client(file: try connect(arguments[1], arguments[2]))
      try client.run(.login(user: arguments[3], password: Secret(unsafe String(cString: password))))
      try client.run(.list(reference: "", pattern: "*"))
      try client.run(.examine(MailboxName(arguments[4])))
      try client.run(.fetch(.uids(UIDSet(UID(rawValue: uid))), [.section(.full)]))
      if client.messageBytes == 0 { throw Failure("no message with UID \(uid)") }
      try client.run(.logout)
      if unsafe ferror(stdout) != 0 || fflush(stdout) != 0 { throw Failure("standard output: \(systemError())") }
    } catch {
      unsafe fputs("BlockingSocket: \(printable("\(error)"))\n", stderr)
      exit(1)
    }
  }
}

/// The machine, its socket, which ends with the program, and what has arrived.
struct Client: ~Copyable {
  let file: Int32
  var machine = ClientConnection(now: now())
  var input = ReceiveBuffer()
  var messageBytes = 0

  /// Returns once the server has completed `command` with OK.
  mutating func run(_ command: Command) throws {
    let id = try machine.enqueue(command, now: now())
    while try !handleEvents(&machine, &input, until: id, &messageBytes) { try wait() }
  }

  /// Sleeps until the socket can do something or the deadline is there. What fails is in the next events.
  private mutating func wait() throws {
    var polled = pollfd(fd: file, events: Int16(machine.outbound.isEmpty ? POLLIN : POLLIN | POLLOUT), revents: 0)
    // Rounded up: a call that is early would do nothing.
    let wait = machine.nextDeadline.map { max(0, ($0.nanoseconds - now().nanoseconds + 999_999) / 1_000_000) }
    if unsafe poll(&polled, 1, Int32(clamping: wait ?? -1)) < 0, errno != EINTR { throw Failure(systemError()) }
    machine.handleTimeout(now: now())
    if polled.revents & Int16(POLLOUT) != 0 {
      let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
      let count = unsafe machine.outbound.withUnsafeBytes { unsafe send(file, $0.baseAddress, $0.count, flags) }
      machine.consumeOutbound(max(0, count))  // A socket that cannot be written to tells whoever reads.
    }
    if polled.revents & ~Int16(POLLOUT) != 0 {
      let free = unsafe input.prepareForRead(suggested: 16 << 10)
      let count = unsafe recv(file, free.baseAddress, free.count, Int32(MSG_DONTWAIT))
      if count > 0 { input.commitRead(count) } else if count == 0 { input.close() }
      if count >= 0 || errno == EAGAIN || errno == EINTR { return }
      machine.transportFailed(.transport(.init(.read, code: Int(errno), message: systemError())))
    }
  }
}

/// Handles what has happened. True once `id` is completed.
func handleEvents(
  _ machine: inout ClientConnection, _ input: inout ReceiveBuffer, until id: CommandID, _ messageBytes: inout Int
) throws -> Bool {
  while true {
    switch try machine.next(&input, now: now()) {
    case .needMoreInput: return false
    case .completed(id, let status):
      if status.condition != .ok { throw Failure("the server said \(status.copy())") }
      return true
    case .failed(_, let error): throw error
    case .closed, .paused: throw Failure("the connection is closed")
    case .response(.untagged(.list(let mailbox))): print(printable("\(mailbox.copy().name)"))
    case .response(.literalChunk(let bytes, _)): messageBytes += show(bytes)
    case .response(.fetchAttribute(.section(_, .some(let text)))): messageBytes += show(text.copy().span)
    default: break
    }
  }
}

func show(_ bytes: Span<UInt8>) -> Int {
  unsafe bytes.withUnsafeBytes { unsafe fwrite($0.baseAddress, 1, $0.count, stdout) }
}

/// A connected socket. The system tries each address for as long as `SO_SNDTIMEO` says.
func connect(_ host: String, _ port: String) throws -> Int32 {
  var hints = unsafe addrinfo()
  unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
  var found = unsafe UnsafeMutablePointer<addrinfo>?.none
  let status = unsafe getaddrinfo(host, port, &hints, &found)
  if status != 0 { throw Failure("\(host) \(port): \(unsafe String(cString: gai_strerror(status)))") }
  var timeout = timeval(tv_sec: 30, tv_usec: 0)
  while let address = unsafe found?.pointee {
    let file = unsafe socket(address.ai_family, address.ai_socktype, address.ai_protocol)
    unsafe setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    if unsafe connect(file, address.ai_addr, address.ai_addrlen) == 0 { return file }
    unsafe found = address.ai_next
  }
  throw Failure("\(host) \(port): \(systemError())")
}

struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ text: String) { description = text }
}

/// What servers say is shown on one line, and moves no cursor.
func printable(_ text: String) -> String {
  String(text.unicodeScalars.filter { $0.properties.generalCategory != .control }.map { Character($0) })
}

func systemError() -> String { unsafe String(cString: strerror(errno)) }
let start = ContinuousClock.now
func now() -> MonotonicInstant { MonotonicInstant(nanoseconds: 0).advanced(by: start.duration(to: .now)) }
