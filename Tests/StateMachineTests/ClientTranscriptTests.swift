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

extension Transcript {
  /// The one in the file `name`.
  init(named name: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Transcripts")
    self.init(try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8))
  }
}
