import Foundation
import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// A whole session over each combination of layers, with a fault at each place.
@Suite(.timeLimit(.minutes(10))) struct FaultTests {
  /// Whether there is a fault behind each byte: `EACH_BYTE=1` in the environment, which CI sets. It is some minutes of work.
  static let takesEachByte = ProcessInfo.processInfo.environment["EACH_BYTE"] == "1"

  /// Where faults are put. Where that is not behind each byte, each kind of fault gets bytes of its own.
  static func places(
    through count: Int, every step: Int, _ kind: Fault.Kind = .close
  ) -> StrideThrough<Int> {
    if takesEachByte { return stride(from: 1, through: count, by: 1) }
    let first = 1 + (Fault.Kind.allCases.firstIndex(of: kind) ?? 0) * (step / 3)
    return stride(from: first, through: count, by: step)
  }

  /// The reason of the end is the peer or the network, and all commands that were in flight fail for it.
  static func check(_ report: FlowClient.Report, _ fault: Fault) {
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
  static func whole(_ report: FlowClient.Report) -> (ofServer: Int, ofClient: Int) {
    #expect(report.problems.isEmpty && report.failures.isEmpty, "\(report)")
    #expect(report.completed == 10)
    guard case .logout = report.reason else {
      Issue.record("\(String(describing: report.reason))")
      return (0, 0)
    }
    #expect(report.bytes.ofServer > 300 && report.bytes.ofClient > 150)
    return report.bytes
  }

  private func everywhere(
    _ layers: FaultBench.Layers, _ way: FaultWay.Kind, _ kind: Fault.Kind, hittingServer: Bool
  ) async throws {
    try await withLoop { loop in
      let bench = try await FaultBench(loop, layers, way)
      let bytes = await Self.whole(bench.run(Fault()))
      let count = hittingServer ? bytes.ofClient : bytes.ofServer
      for limit in Self.places(through: count, every: layers.isTLS || way == .httpsConnect ? 97 : 17, kind) {
        let fault = Fault(kind: kind, limit: limit, hitsServer: hittingServer)
        let report = await bench.run(fault)
        Self.check(report, fault)
        if way.isProxy, !report.isConnected {
          // Whoever reads this has to know which of the two it was.
          guard case .error(.transport(let failure)) = report.reason else { continue }
          #expect(failure.operation == .proxy && failure.message.hasPrefix("proxy "), "\(fault): \(failure)")
        }
      }
      await bench.shutdown()
    }
  }

  @Test(arguments: FaultBench.Layers.allCases, Fault.Kind.allCases)
  func behindBytesOfTheServer(layers: FaultBench.Layers, kind: Fault.Kind) async throws {
    try await everywhere(layers, .direct, kind, hittingServer: false)
  }

  @Test(arguments: FaultBench.Layers.allCases, Fault.Kind.allCases)
  func behindBytesOfTheClient(layers: FaultBench.Layers, kind: Fault.Kind) async throws {
    try await everywhere(layers, .direct, kind, hittingServer: true)
  }

  /// Through each kind of proxy, its handshake included, and through a UNIX socket.
  @Test(arguments: FaultWay.Kind.allCases.filter { $0 != .direct }, Fault.Kind.allCases)
  func onOtherWays(way: FaultWay.Kind, kind: Fault.Kind) async throws {
    guard way.faults.contains(kind) else { return }
    try await everywhere(.plain, way, kind, hittingServer: false)
    try await everywhere(.plain, way, kind, hittingServer: true)
  }

  /// Both sides get, and send, a byte at a time.
  @Test(arguments: FaultBench.Layers.allCases, FaultWay.Kind.allCases)
  func aByteAtATime(layers: FaultBench.Layers, way: FaultWay.Kind) async throws {
    try await withLoop { loop in
      let bench = try await FaultBench(loop, layers, way)
      _ = await Self.whole(bench.run(Fault()))
      _ = await Self.whole(bench.run(Fault(piece: 1)))
      await bench.shutdown()
    }
  }
}

/// A session with a server that is a child process, which ends at each place.
@Suite(.timeLimit(.minutes(10))) struct ChildFaultTests {
  /// Runs a session for each fault, `count` at once: a child that is to say how it ended is waited for.
  private func run(
    _ loop: EventLoop, _ faults: [Fault], atOnce count: Int,
    _ check: @escaping @Sendable (FlowClient.Report, Fault) -> Void
  ) async {
    await withTaskGroup(of: Void.self) { group in
      for (index, fault) in faults.enumerated() {
        if index >= count { await group.next() }
        group.addTask { check(await FaultyChild.run(loop, fault), fault) }
      }
    }
  }

  @Test(arguments: Fault.Kind.allCases) func behindBytesOfTheChild(kind: Fault.Kind) async throws {
    try await withLoop { loop in
      let bytes = await FaultTests.whole(FaultyChild.run(loop, Fault()))
      // All of it had come by the last byte.
      let faults = FaultTests.places(through: bytes.ofServer - 1, every: 17, kind).map { Fault(kind: kind, limit: $0) }
      await run(loop, faults, atOnce: kind == .halfClose ? 100 : 4) { report, fault in
        FaultTests.check(report, fault)
      }
    }
  }

  @Test func behindBytesOfTheClient() async throws {
    try await withLoop { loop in
      let bytes = await FaultTests.whole(FaultyChild.run(loop, Fault()))
      let faults = FaultTests.places(through: bytes.ofClient - 1, every: 17).map { Fault(limit: $0, hitsServer: true) }
      await run(loop, faults, atOnce: 4) { report, fault in FaultTests.check(report, fault) }
    }
  }
}
