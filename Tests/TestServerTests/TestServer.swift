import IMAPLoop
import IMAPStateMachine
import Testing

@testable import IMAPTestServer

/// Runs `body` with a server on a loop of its own and proves afterwards that nothing leaked.
func withTestServer(
  _ configuration: IMAPTestServer.Configuration = .init(),
  _ body: (IMAPTestServer) async throws -> Void
) async throws {
  let loop = try EventLoop.start(name: "test")
  let result: Result<Void, any Error>
  do {
    let server = try await IMAPTestServer.start(configuration, on: loop)
    do {
      try await body(server)
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await server.shutdown()
    #expect(await server.connectionCount == 0)
  } catch {
    result = .failure(error)
  }
  let report = await loop.shutdown()
  #expect(report.isClean, "\(report)")
  try result.get()
}

extension IMAPTestServer.Configuration {
  /// A server without `capabilities`.
  init(without capabilities: Set<Capability>) {
    self.init()
    withheldCapabilities = capabilities
  }
}

extension IMAPTestServer.Configuration.Message {
  /// A short message whose subject is a number.
  static func numbered(_ number: Int) -> Self { Self("Subject: \(number)\n\ntext\n") }
}
