import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Testing

/// The connection is cut behind each byte that the server sends up to the end of the login.
@Suite(.serialized, .timeLimit(.minutes(5))) struct LoginCutTests {
  @Test(arguments: [IMAPClient.Configuration.Security.plain, .startTLS, .implicitTLS])
  func cutAtEveryByte(_ security: IMAPClient.Configuration.Security) async throws {
    let server = try await IMAPTestServer.start()
    let port = try #require(security == .implicitTLS ? server.tlsPort : server.plainPort)
    let proxy = try CuttingProxy(target: port)
    let loop = try EventLoop.start()
    var configuration = IMAPClient.Configuration(
      host: "127.0.0.1", port: proxy.port, security: security, trust: .pem(server.certificatePEM))
    configuration.signIn.allowsPlaintext = true

    // How many bytes a login takes: without TLS always the same. With TLS the length of signatures varies from handshake
    // to handshake, and what is sent in one record in one attempt may be several records in the next, as the server gets
    // to it. The part that does not vary, certificate and answers, is far more than a half.
    var least = Int.max
    for _ in 0..<5 {
      proxy.cut(after: .max)
      var passed = 0
      #expect(try await attempt(configuration, loop) { passed = proxy.passedBytes } == nil)
      #expect(await !proxy.outcome().isCut)
      least = min(least, passed)
    }
    #expect(least > 50)
    if security != .plain { least /= 2 }

    var failures: [String: Int] = [:]
    var cut = 0
    // Up to an attempt that needs fewer bytes than may pass: no cut is left out.
    while true {
      cut += 1
      try #require(cut < 20_000, "no login succeeds")
      proxy.cut(after: cut)
      let error = try await attempt(configuration, loop)
      let outcome = await proxy.outcome()
      if let error {
        #expect(outcome.isCut && outcome.passed == cut, "cut behind byte \(cut): \(outcome), \(error)")
        switch error {
        case .connection(let cause), .outcomeUnknown(_, let cause): failures[Self.kind(cause), default: 0] += 1
        default: Issue.record("cut behind byte \(cut): \(error)")
        }
      } else if !outcome.isCut {
        // It needed fewer bytes than could pass.
        #expect(outcome.passed < cut)
        break
      } else {
        // All that belongs to the login has passed; the cut fell behind it.
        #expect(cut >= least, "cut behind byte \(cut): the login succeeded")
      }
    }
    #expect(cut > least)
    #expect(failures.values.reduce(0, +) >= least - 1)
    #expect(!failures.keys.contains { $0.hasPrefix("other") }, "\(failures)")
    proxy.stop()
    await server.shutdown()
    let report = await loop.shutdown()
    #expect(report.isClean, "\(report)")
  }

  /// Connects, logs in and calls `succeeded`; returns the error that this ended in.
  private func attempt(
    _ configuration: IMAPClient.Configuration, _ loop: EventLoop, succeeded: () -> Void = {}
  ) async throws -> IMAPError? {
    do throws(IMAPError) {
      let client = try await IMAPClient.connect(configuration, on: loop)
      do throws(IMAPError) {
        try await client.signIn(user: "user", password: Secret("password"))
      } catch {
        await client.close()
        throw error
      }
      succeeded()
      await client.close()
      return nil
    } catch {
      return error
    }
  }

  private static func kind(_ error: ConnectionError) -> String {
    switch error {
    case .closedByPeer: "closed by peer"
    case .transport(let failure) where [.tls, .read, .write, .connect].contains(failure.operation):
      failure.operation.rawValue
    default: "other \(error)"
    }
  }
}
