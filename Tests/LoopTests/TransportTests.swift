import Foundation
import IMAPStateMachine
import Testing

@testable import IMAPLoop

@Suite(.timeLimit(.minutes(2))) struct TransportTests {
  private func failure(_ configuration: IMAPClient.Configuration, _ loop: EventLoop) async -> ConnectionError? {
    do throws(IMAPError) {
      let client = try await IMAPClient.connect(configuration, on: loop)
      await client.close()
      return nil
    } catch {
      if case .connection(let reason) = error { return reason }
      Issue.record("\(error)")
      return nil
    }
  }

  private func failure(_ transport: Transport, _ loop: EventLoop) async -> ConnectionError? {
    await failure(IMAPClient.Configuration(transport: transport), loop)
  }

  // MARK: UNIX sockets

  @Test(arguments: Protection.allCases) func unixSocket(protection: Protection) async throws {
    try await withLoop { loop in
      let far = try FarEnd(loop, protection)
      let listener = try UnixListener()
      async let conversation: Void = far.converse(.unixSocket(path: listener.path))
      try await far.serve(descriptor: listener.accepted.value)
      try await conversation
    }
  }

  @Test func unixSocketsThatAreNone() async throws {
    try await withLoop { loop in
      let missing = await failure(.unixSocket(path: "/no/such/socket"), loop)
      #expect(missing?.transportOperation == .connect)
      #expect(missing?.transportMessage.hasPrefix("socket /no/such/socket: ") == true)
      #expect(missing?.transportMessage.contains("ENOENT") == true)
      // One byte too many: nobody may connect to what the path would be without it.
      let long = "/tmp/" + String(repeating: "x", count: PipeStream.longestPath - 4)
      let tooLong = await failure(.unixSocket(path: long), loop)
      #expect(tooLong?.transportMessage.contains("ENAMETOOLONG") == true, "\(String(describing: tooLong))")
      for path in ["", "/tmp/a\0b"] {
        #expect(await failure(.unixSocket(path: path), loop)?.transportMessage.contains("EINVAL") == true)
      }
    }
  }

  // MARK: Child processes

  /// A server in a few lines.
  private static let script = """
    printf '* PREAUTH [CAPABILITY IMAP4rev1] %s\\r\\n' "$$"
    while read -r tag name; do
      case $name in
        LOGOUT*) printf '* BYE\\r\\n%s OK bye\\r\\n' "$tag"; exit 0 ;;
        *) printf '%s OK done\\r\\n' "$tag" ;;
      esac
    done
    """

  @Test func childProcess() async throws {
    try await withLoop { loop in
      for transport in [Transport.shell(Self.script), .command("sh", ["-c", Self.script])] {
        let client = try await IMAPClient.connect(.init(transport: transport), on: loop)
        #expect(await client.phase == .authenticated)
        #expect(await client.greeting?.condition == .preauth)
        for _ in 0..<3 { try await client.noop() }
        await client.logout()
      }
      #expect(await loop.run { loop.counters[.process].opened } == 2)
    }
  }

  @Test func childThatEndsBeforeItSaysAnything() async throws {
    try await withLoop { loop in
      for (line, end) in [("exit 3", "exit status 3"), ("exit 0", "exit status 0"), ("kill -9 $$", "signal 9")] {
        let error = await failure(.shell(line), loop)
        #expect(
          error == .transport(.init(.command, message: "\(line.prefix(4)) ended with \(end) before it said anything")))
      }
      // The other side speaks first, to nobody.
      let far = try FarEnd(loop, .tls)
      let error = await failure(far.configuration(.shell("exit 4")), loop)
      #expect(error?.transportMessage == "exit ended with exit status 4 before it said anything")
      let later = await failure(.shell("printf '* OK hm'; exit 5"), loop)
      #expect(later?.transportMessage == "printf ended with exit status 5")
    }
  }

  /// Passwords stand behind the program, or before it.
  @Test(arguments: [
    ("false --password=s3cret", "false"), ("  /opt/mail/imapd\t-p s3cret", "/opt/mail/imapd"), ("true;s3cret", "true"),
    ("PASSWORD=s3cret false", "false"), ("A=1 B='s3 cret' C=\"s3 \\\" cret\" D=s3\\ cret false x", "false"),
    ("PASSWORD=$(echo s3cret s3cret) false", "/bin/sh"), ("PASSWORD=`cat s3cret` false", "/bin/sh"),
    ("PASSWORD=${X:-s3cret s3cret} false", "/bin/sh"), ("PASSWORD=s3cret; export PASSWORD", "/bin/sh"),
    ("PASSWORD=s3cret", "/bin/sh"), ("PASSWORD='s3cret false", "/bin/sh"), ("(echo s3cret)", "/bin/sh"),
    ("PASSWORD='\u{301}s3 cret false", "/bin/sh"), ("PASSWORD=$'\\' s3cret '", "/bin/sh"), ("'s3cret' x", "/bin/sh"),
    ("s3cret=$x", "/bin/sh"), ("", "/bin/sh"),
  ])
  func theLineOfAShellIsNotTold(_ line: String, _ program: String) {
    let command = Transport.Command.shell(line)
    #expect(command.description == program)
    #expect(!"\(command)".contains("cret"))
  }

  @Test func anErrorNamesTheProgramOnly() async throws {
    try await withLoop { loop in
      let error = await failure(.shell("PASSWORD=s3cret false --password=s3cret"), loop)
      #expect(error?.transportMessage == "false ended with exit status 1 before it said anything")
    }
  }

  @Test func programsThatAreNone() async throws {
    try await withLoop { loop in
      let missing = await failure(.command("/no/such/program", ["secret"]), loop)
      #expect(missing?.transportOperation == .command)
      #expect(missing?.transportMessage.hasPrefix("/no/such/program: ") == true)
      #expect(missing?.transportMessage.contains("ENOENT") == true)
      for command in [Transport.command(""), .command("a\0b"), .command("/bin/sh", ["a\0b"])] {
        #expect(await failure(command, loop)?.transportMessage.contains("EINVAL") == true)
      }
    }
  }

  /// It reads no end of its input and hears no SIGTERM, but it is gone when the loop is.
  @Test func childThatDoesNotWantToEnd() async throws {
    let loop = try EventLoop.start()
    var command = Transport.Command.shell(
      "trap '' TERM; printf '* PREAUTH %s\\r\\n' \"$$\"; while :; do sleep 0.05; done")
    command.graceTime = .milliseconds(20)
    command.keepsErrorOutput = false
    let client = try await IMAPClient.connect(.init(transport: .command(command)), on: loop)
    let process = try #require(await client.greeting.flatMap { pid_t($0.text) })
    #expect(kill(process, 0) == 0)
    await client.close()
    let report = await loop.shutdown()
    #expect(report.isClean, "\(report)")
    #expect(kill(process, 0) == -1)
  }

  @Test func shutdownEndsChildren() async throws {
    let loop = try EventLoop.start()
    let client = try await IMAPClient.connect(.init(transport: .shell(Self.script)), on: loop)
    let process = try #require(await client.greeting.flatMap { pid_t($0.text) })
    let report = await loop.shutdown()
    #expect(report.isClean, "\(report)")
    #expect(kill(process, 0) == -1)
    await client.waitUntilClosed()
  }

  // MARK: Descriptors

  @Test(arguments: Protection.allCases) func descriptor(protection: Protection) async throws {
    try await withLoop { loop in
      let far = try FarEnd(loop, protection)
      let (near, other) = try socketPair()
      try await far.serve(descriptor: other)
      let transport = Transport.descriptor(near)
      try await far.converse(transport)
      let again = await failure(far.configuration(transport), loop)
      #expect(again?.transportMessage.contains("was used for a connection already") == true)
    }
  }

  @Test func descriptorOfATCPConnection() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop)
      let descriptor = try connectedSocket(to: bench.port)
      let client = try await IMAPClient.connect(.init(transport: .descriptor(descriptor)), on: loop)
      #expect(await loop.run { client.assumeIsolated { $0.channel.remoteAddress?.port } } == bench.port)
      await client.logout()
    }
  }

  private func connectedSocket(to port: UInt16) throws -> Int32 {
    #if canImport(Glibc)
      let kind = Int32(SOCK_STREAM.rawValue)
    #else
      let kind = SOCK_STREAM
    #endif
    let descriptor = socket(AF_INET, kind, 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let status = unsafe withUnsafePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if status != 0 { throw SystemError() }
    return descriptor
  }

  @Test func descriptorsThatAreNone() async throws {
    try await withLoop { loop in
      let file = unsafe open("/dev/null", O_RDWR)
      defer { close(file) }
      for descriptor in [file, -1] {
        let error = await failure(.descriptor(descriptor), loop)
        #expect(error?.transportMessage.contains("ENOTSOCK") == true, "\(String(describing: error))")
      }
    }
  }

  // MARK: Pipes of the user's own

  @Test(arguments: Protection.allCases, [20, 1000, .max]) func pipe(protection: Protection, piece: Int) async throws {
    try await withLoop { loop in
      let far = try FarEnd(loop, protection)
      let (near, other) = MemoryPipe.pair(piece: piece)
      try await far.serve(other)
      let transport = Transport.pipe(near)
      try await far.converse(transport)
      #expect(near.closes <= 1)
      let again = await failure(far.configuration(transport), loop)
      #expect(again?.transportMessage.contains("was used for a connection already") == true)
    }
  }

  @Test func pipesAreOpenedAnewForEachConnection() async throws {
    try await withLoop { loop in
      let far = try FarEnd(loop, .startTLS)
      let transport = Transport.pipes {
        let (near, other) = MemoryPipe.pair()
        try await far.serve(other)
        return near
      }
      for _ in 0..<2 { try await far.converse(transport) }
    }
  }

  private struct Broken: Error, CustomStringConvertible {
    var description: String { "the cable is cut" }
  }

  private struct BrokenPipe: BytePipe {
    var sends = true
    func send(_ bytes: [UInt8]) async throws { if !sends { throw Broken() } }
    func receive(upTo count: Int) async throws -> [UInt8]? {
      if sends { throw Broken() }
      return Array("* OK ready\r\n".utf8)
    }
    func close() async {}
  }

  @Test func whatAPipeThrowsIsTheReason() async throws {
    try await withLoop { loop in
      let unopened = await failure(.pipes { throw Broken() }, loop)
      #expect(unopened == .transport(.init(.connect, message: "the pipe: the cable is cut")))
      #expect(await failure(.pipe(BrokenPipe()), loop) == .transport(.init(.read, message: "the cable is cut")))
      let far = try FarEnd(loop, .tls)
      let unsent = await failure(far.configuration(.pipe(BrokenPipe(sends: false))), loop)
      #expect(unsent?.transportMessage == "the cable is cut" || unsent?.transportOperation == .tls)
      let (near, other) = MemoryPipe.pair()
      await other.close()
      #expect(await failure(.pipe(near), loop) == .closedByPeer(bye: nil))
    }
  }

  /// A pipe that never opens: the deadline ends the wait, and what comes too late is closed.
  @Test func aPipeThatComesTooLateIsClosed() async throws {
    try await withLoop { loop in
      let (near, _) = MemoryPipe.pair()
      let gate = Promise<Void>()
      var configuration = IMAPClient.Configuration(
        transport: .pipes {
          await gate.value
          return near
        })
      configuration.connectTimeout = .milliseconds(10)
      #expect(await failure(configuration, loop) == .timedOut(.connect))
      gate.fulfil(())
      // It ends when the pipe is closed.
      while await near.incoming.receive(upTo: 1) != nil {}
      #expect(near.closes == 1)
    }
  }

  @Test func shutdownEndsTheWaitForAPipe() async throws {
    let loop = try EventLoop.start()
    let (near, other) = MemoryPipe.pair()
    let (gate, isAsked) = (Promise<Void>(), Promise<Void>())
    let transport = Transport.pipes {
      isAsked.fulfil(())
      await gate.value
      return near
    }
    async let error = failure(transport, loop)
    await isAsked.value
    let report = await loop.shutdown()
    #expect(report.isClean, "\(report)")
    #expect(await error == .closedLocally)
    gate.fulfil(())
    while await other.incoming.receive(upTo: 1) != nil {}
    #expect(near.closes == 1)
  }

  @Test func aPausedPipeIsAskedForNoMore() async throws {
    try await withLoop { loop in
      let (near, other) = MemoryPipe.pair(piece: 64)
      try await other.send(Array("* OK ready\r\n".utf8))
      for _ in 0..<1000 { try await other.send(Array("* OK more\r\n".utf8)) }
      let done = Promise<String>()
      let log = Confined(ClientLog())
      loop.submit {
        log.value.onLine = { channel, _ in
          if log.value.lines.count != 100 { return }
          channel.pauseReading()
          let before = (near.receives, log.value.lines.count)
          loop.schedule(after: .milliseconds(20)) {
            // One may have been under way.
            let isStill = near.receives <= before.0 + 1 && log.value.lines.count == before.1
            channel.resumeReading()
            log.value.onLine = { channel, _ in
              if log.value.lines.count == 1002 { channel.close() }
            }
            log.value.onClosed = { done.fulfil("\(isStill) \($0.lines.count)") }
          }
        }
        _ = ClientChannel(
          loop: loop, host: "", port: 0, transport: .pipe(near), security: .plain, delegate: log.value)
      }
      #expect(await done.value == "true 1003")
    }
  }

  @Test func shutdownClosesPipes() async throws {
    let loop = try EventLoop.start()
    let (near, other) = MemoryPipe.pair()
    try await other.send(Array("* OK ready\r\n".utf8))
    let client = try await IMAPClient.connect(.init(transport: .pipe(near)), on: loop)
    let report = await loop.shutdown()
    #expect(report.isClean, "\(report)")
    await client.waitUntilClosed()
    while await other.incoming.receive(upTo: 100) != nil {}
    #expect(near.closes == 1)
  }

  // MARK: What they have in common

  @Test func aProxyIsForTCPOnly() async throws {
    try await withLoop { loop in
      var configuration = IMAPClient.Configuration(transport: .shell("exit 1"))
      configuration.proxy = .socks5(host: "127.0.0.1")
      let error = await failure(configuration, loop)
      #expect(error?.transportMessage == "exit: a proxy needs TCP; leave out one of the two")
    }
  }

  @Test func passwordsStayOnThisMachine() {
    #expect(IMAPClient.Configuration(transport: .unixSocket(path: "/x")).signIn.allowsPlaintext)
    #expect(IMAPClient.Configuration(transport: .shell("x")).signIn.allowsPlaintext)
    #expect(!IMAPClient.Configuration(transport: .descriptor(0)).signIn.allowsPlaintext)
    #expect(!IMAPClient.Configuration(host: "h", security: .plain).signIn.allowsPlaintext)
  }
}

/// What a TCP socket is told.
@Suite(.timeLimit(.minutes(1))) struct SocketOptionTests {
  /// Connects with `options` and looks at the socket.
  private func inspect<Value: Sendable>(
    _ options: SocketOptions, _ loop: EventLoop, _ body: @escaping @Sendable (TCPStream) -> Value
  ) async throws -> Result<Value, ConnectionError> {
    let bench = try await TestBench(loop)
    let done = Promise<Result<Value, ConnectionError>>()
    let port = bench.port
    loop.submit {
      let deadline = loop.now.advanced(by: .seconds(10))
      _ = Connector(loop: loop, host: "127.0.0.1", port: port, options: options, deadline: deadline) { result in
        if case .success(let stream) = result, let tcp = stream as? TCPStream {
          done.fulfil(.success(body(tcp)))
          stream.close()
        } else if let error = result.error {
          done.fulfil(.failure(error))
        }
      }
    }
    let result = await done.value
    await bench.server.shutdown()
    return result
  }

  @Test func localAddress() async throws {
    try await withLoop { loop in
      var options = SocketOptions()
      options.localAddress = SocketAddress(numeric: "127.0.0.9", port: 0)
      let host = try await inspect(options, loop) { $0.localAddress?.host }.get()
      #expect(host == "127.0.0.9")
      options.localAddress = SocketAddress(numeric: "192.0.2.1", port: 0)
      let error = try await inspect(options, loop) { _ in }.error
      #expect(error?.transportOperation == .connect)
      let text = error?.transportMessage ?? ""
      #expect(text.contains("EADDRNOTAVAIL"), "\(text)")
      #expect(text.contains("this machine has no address 192.0.2.1"), "\(text)")
    }
  }

  #if canImport(Glibc)
    /// What the port costs is paid when the server is known (IP_BIND_ADDRESS_NO_PORT), unless a port was asked for.
    @Test func thePortIsChosenWithTheServer() async throws {
      try await withLoop { loop in
        func option(_ options: SocketOptions) async throws -> Int32 {
          try await inspect(options, loop) { $0.option(Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT) }.get()
        }
        var options = SocketOptions()
        var value: Int32
        value = try await option(options)
        #expect(value == 0)
        options.localAddress = SocketAddress(numeric: "127.0.0.9", port: 0)
        value = try await option(options)
        #expect(value == 1)
        options.localAddresses = ["127.0.0.7", "127.0.0.8"].compactMap { SocketAddress(numeric: $0, port: 0) }
        options.localAddress = nil
        value = try await option(options)
        #expect(value == 1)
      }
    }
  #endif

  #if canImport(Glibc)
    @Test func timesOfTheSystem() async throws {
      try await withLoop { loop in
        var options = SocketOptions()
        options.keepAlive = .seconds(300)
        options.userTimeout = .milliseconds(45_500)
        let values = try await inspect(options, loop) { stream -> [Int32] in
          [
            stream.option(SOL_SOCKET, SO_KEEPALIVE), stream.option(Int32(IPPROTO_TCP), TCP_KEEPIDLE),
            stream.option(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT),
          ]
        }.get()
        #expect(values == [1, 300, 45_500])
      }
    }
  #endif

  @Test func wantOfDescriptorsSaysHowManyThereMayBe() throws {
    let limit = try #require(DescriptorLimit.soft)
    let text = LoopError(-24, "open socket").connectionError(.connect).description
    #expect(text.contains("EMFILE"))
    #expect(text.contains("this process may have \(limit) of them"))
  }
}
