import Foundation

/// Responses for tests that want many: what is checked in for them, and a real server's answers where those are at hand.
enum Corpus {
  /// Every fixture of the parser's tests, under its name.
  static let fixtures: [(name: String, bytes: [UInt8])] = groups.flatMap { $0 }.map { ($0.name, wire($0.input)) }

  /// All fixtures, with the log that each gives.
  static let logged: [ResponseParserTests.Fixture] = groups.flatMap { $0 }

  private static let groups = [
    ResponseParserTests.fixtures, ResponseParserExtensionTests.fixtures, ResponseParserExtensionTests.fetchFixtures,
    QuirkTests.framing, QuirkTests.codes, QuirkTests.mailboxes, QuirkTests.fetch, QuirkTests.searches,
    QuirkTests.envelopes, QuirkTests.structures,
  ]

  /// What Dovecot sent, one file of responses after the other: from the folder of the benchmarks, and from that of a larger
  /// set beside the project where there is one. Files that cannot be unpacked here are left out.
  static let captured: [(name: String, bytes: [UInt8])] = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let folders = ["Benchmarks/Fixtures", "../shared/corpus"].map { root.appendingPathComponent($0) }
    return folders.flatMap { folder -> [(String, [UInt8])] in
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
      return names.filter { $0.hasSuffix(".txt.xz") }.sorted().compactMap { name in
        let path = folder.appendingPathComponent(name).standardizedFileURL.path
        return unpacked(path).map { (path, $0) }
      }
    }
  }()

  private static func unpacked(_ path: String) -> [UInt8]? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["xz", "--decompress", "--stdout", path]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return nil }
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return process.terminationStatus == 0 && !data.isEmpty ? [UInt8](data) : nil
  }
}
