import Foundation
import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// A whole session over each combination of layers, with a fault at each place.
@Suite(.serialized, .timeLimit(.minutes(4))) struct FaultTests {
  /// The reason of the end is the peer or the network, and all commands that were in flight fail for it.
  private func check(_ report: FlowClient.Report, _ fault: Fault) {
    #expect(report.problems.isEmpty, "\(fault): \(report.problems)")
    switch report.reason {
    case .endOfInput:
      #expect(report.failures.allSatisfy { $0 == .closedByPeer(bye: nil) }, "\(fault): \(report.failures)")
    case .bye(let text):
      #expect(report.failures.allSatisfy { $0 == .closedByPeer(bye: text) }, "\(fault): \(report.failures)")
    case .error(.transport(let failure)):
      #expect(report.failures.allSatisfy { $0 == .transport(failure) }, "\(fault): \(report.failures)")
    // Said goodbye already: only LOGOUT itself can be without its answer.
    case .logout: #expect(report.failures.count <= 1, "\(fault): \(report.failures)")
    default: Issue.record("\(fault): \(String(describing: report.reason))")
    }
  }

  /// How many bytes a session takes without faults.
  private func whole(_ bench: FaultBench, _ layers: FaultBench.Layers) async -> (ofServer: Int, ofClient: Int) {
    let report = await bench.run(Fault())
    #expect(report.problems.isEmpty && report.failures.isEmpty, "\(report)")
    guard case .logout = report.reason else {
      Issue.record("\(String(describing: report.reason))")
      return (0, 0)
    }
    #expect(report.completed == 10)
    return report.bytes
  }

  /// Steps through the session, each kind of fault on bytes of its own; `EACH_BYTE=1` in the environment takes each byte without
  /// TLS and every 23rd with it, which is some minutes of work.
  private func everywhere(
    _ layers: FaultBench.Layers, _ kind: Fault.Kind, hittingServer: Bool
  ) async throws {
    try await withLoop { loop in
      let bench = try await FaultBench(loop, layers)
      let bytes = await whole(bench, layers)
      let count = hittingServer ? bytes.ofClient : bytes.ofServer
      let takesEach = ProcessInfo.processInfo.environment["EACH_BYTE"] == "1"
      let step = takesEach ? (layers.isTLS ? 23 : 1) : (layers.isTLS ? 97 : 17)
      let first = 1 + (Fault.Kind.allCases.firstIndex(of: kind) ?? 0) * (step / 3)
      for limit in stride(from: first, through: count, by: step) {
        let fault = Fault(kind: kind, limit: limit, hitsServer: hittingServer)
        check(await bench.run(fault), fault)
      }
      await bench.shutdown()
    }
  }

  @Test(arguments: FaultBench.Layers.allCases, Fault.Kind.allCases)
  func behindBytesOfTheServer(layers: FaultBench.Layers, kind: Fault.Kind) async throws {
    try await everywhere(layers, kind, hittingServer: false)
  }

  @Test(arguments: FaultBench.Layers.allCases, Fault.Kind.allCases)
  func behindBytesOfTheClient(layers: FaultBench.Layers, kind: Fault.Kind) async throws {
    try await everywhere(layers, kind, hittingServer: true)
  }

  /// Both sides get, and send, a byte at a time.
  @Test(arguments: FaultBench.Layers.allCases)
  func aByteAtATime(layers: FaultBench.Layers) async throws {
    try await withLoop { loop in
      let bench = try await FaultBench(loop, layers)
      _ = await whole(bench, layers)
      let report = await bench.run(Fault(piece: 1))
      #expect(report.problems.isEmpty && report.failures.isEmpty && report.completed == 10, "\(report)")
      await bench.shutdown()
    }
  }
}
