import IMAPStateMachine
import Testing

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Replays each file of `Transcripts/` at every split point of the server's bytes.
@Suite struct ClientTranscriptTests {
  static let names: [String] = {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Transcripts")
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { $0.hasSuffix(".imap") }.sorted()
  }()

  @Test func thereAreTranscripts() { #expect(Self.names.count >= 20) }

  @Test(arguments: names) func transcript(_ name: String) throws {
    let transcript = try Transcript(named: name)
    for feed in transcript.feeds {
      let problems = transcript.replay(feed)
      #expect(problems.isEmpty, "\(name), \(feed): \(problems.joined(separator: "; "))")
      if !problems.isEmpty { break }
    }
  }
}

/// A connection that was put to rest goes on as if it had not been.
@Suite struct RestingTests {
  @Test func everyTranscriptWithRests() throws {
    var rests = 0
    for name in ClientTranscriptTests.names {
      let transcript = try Transcript(named: name)
      for feed in transcript.isWhole ? [Feed.whole] : [.whole, .bytewise] {
        let (problems, count) = transcript.replayResting(feed)
        #expect(problems.isEmpty, "\(name), \(feed): \(problems.joined(separator: "; "))")
        rests += count
      }
    }
    #expect(rests > 1000)
  }

  @Test func whatIsGoingOnKeepsItAwake() throws {
    let now = MonotonicInstant(nanoseconds: 0)
    var machine = ClientConnection(now: now)
    var input = ReceiveBuffer()
    // The greeting is waited for.
    var resting = machine.rest()
    var isNil = resting == nil
    #expect(isNil)
    input.append(Array("* PREAUTH hi\r\n* OK hal".utf8).span)
    Self.drain(&machine, &input)
    // A response has begun.
    resting = machine.rest()
    isNil = resting == nil
    #expect(isNil)
    input.append(Array("f\r\n".utf8).span)
    Self.drain(&machine, &input)
    _ = try machine.enqueue(.noop, now: now)
    // A command waits to be sent.
    resting = machine.rest()
    isNil = resting == nil
    #expect(isNil)
    let count = machine.outboundCount
    machine.consumeOutbound(count)
    // Its answer is waited for.
    resting = machine.rest()
    isNil = resting == nil
    #expect(isNil)
    input.append(Array("A1 OK\r\n".utf8).span)
    Self.drain(&machine, &input)
    resting = machine.rest()
    isNil = resting == nil
    #expect(!isNil)
    // What is left is a new connection.
    #expect(machine.phase == .greeting)
  }

  /// What is worth keeping is worth little memory.
  @Test func aRestingConnectionIsSmall() { #expect(MemoryLayout<RestingConnection>.size <= 88) }

  private static func drain(_ machine: inout ClientConnection, _ input: inout ReceiveBuffer) {
    while true {
      guard let event = try? machine.next(&input, now: MonotonicInstant(nanoseconds: 0)) else { return }
      switch event {
      case .needMoreInput, .paused: return
      default: break
      }
    }
  }
}

extension Transcript {
  /// The one in the file `name`.
  init(named name: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Transcripts")
    self.init(try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8))
  }
}
