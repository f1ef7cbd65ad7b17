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
    let configuration = IMAPClient.Configuration(
      host: "127.0.0.1", port: proxy.port, security: security, trust: .pem(server.certificatePEM))

    proxy.cut(after: .max)
    #expect(try await attempt(configuration, loop) == nil)
    let total = proxy.passedBytes
    #expect(total > 50)

    var failures: [String: Int] = [:]
    var count = 0
    // Signatures and tickets vary by a few bytes from handshake to handshake.
    let slack = security == .plain ? 1 : 64
    for cut in 1..<total - slack {
      proxy.cut(after: cut)
      let error = try #require(
        try await attempt(configuration, loop), "cut behind byte \(cut) of \(total): the login succeeded")
      guard case .connection(let cause) = error else {
        Issue.record("cut behind byte \(cut): \(error)")
        continue
      }
      failures[Self.kind(cause), default: 0] += 1
      count += 1
    }
    #expect(count == total - slack - 1)
    #expect(!failures.keys.contains { $0.hasPrefix("other") }, "\(failures)")
    #expect(failures.values.reduce(0, +) == count)
    proxy.stop()
    await server.shutdown()
    let report = await loop.shutdown()
    #expect(report.isClean, "\(report)")
  }

  /// Connects and logs in; returns the error that this ended in.
  private func attempt(
    _ configuration: IMAPClient.Configuration, _ loop: EventLoop
  ) async throws -> IMAPError? {
    do throws(IMAPError) {
      let client = try await IMAPClient.connect(configuration, on: loop)
      do throws(IMAPError) {
        try await client.signIn(user: "user", password: Secret("password"))
      } catch {
        await client.close()
        throw error
      }
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
