import Foundation
import Testing

@testable import FuzzBodies

/// The fuzz targets over their seeds and over every input that ever broke something, without a fuzzer.
@Suite struct FuzzReplayTests {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fuzz")

  /// The files of `Tests/Fuzz/path`, in the order of their names.
  private static func files(_ path: String) throws -> [URL] {
    try FileManager.default.contentsOfDirectory(
      at: folder.appendingPathComponent(path), includingPropertiesForKeys: nil
    ).sorted { $0.lastPathComponent < $1.lastPathComponent }
  }

  private static func seeds(_ target: FuzzTarget) throws -> [[UInt8]] {
    try files("Seeds/\(target.rawValue)").map { [UInt8](try Data(contentsOf: $0)) }
  }

  @Test(arguments: FuzzTarget.allCases) func seedsHold(_ target: FuzzTarget) throws {
    let seeds = try Self.seeds(target)
    #expect(seeds.count >= 10)
    for seed in seeds { try target.run(seed) }
  }

  @Test func findingsHoldNow() throws {
    for file in try Self.files("Findings") where file.lastPathComponent != "README.md" {
      let name = file.lastPathComponent
      let target = try #require(FuzzTarget(rawValue: String(name.prefix { $0 != "-" })), "whose is \(name)?")
      let bytes = [UInt8](try Data(contentsOf: file))
      #expect(throws: Never.self, "\(name)") { try target.run(bytes) }
    }
  }

  /// Seeds again, one of the two results that a body compares being wrong on purpose. Not each seed shows it: where nothing
  /// is parsed, nothing is compared.
  @Test(arguments: FuzzTarget.allCases) func aWrongResultIsNoticed(_ target: FuzzTarget) throws {
    let seeds = try Self.seeds(target)
    let noticed = seeds.count { (try? target.run($0, withFault: true)) == nil }
    #expect(noticed * 2 > seeds.count, "\(noticed) of \(seeds.count)")
  }

  /// 1,500 of each target: seeds cut, joined and damaged. Chance is no fuzzer, but it is always there.
  @Test(arguments: FuzzTarget.allCases) func damagedSeedsHold(_ target: FuzzTarget) throws {
    let seed: UInt64 = 0x5eed_0021
    var generator = Generator(seed: seed)
    let seeds = try Self.seeds(target)
    for index in 0..<1500 {
      var bytes = generator.pick(seeds)
      for _ in 0...generator.below(4) {
        let place = generator.below(bytes.count + 1)
        switch generator.below(5) {
        case 0 where place < bytes.count: bytes[place] = UInt8(generator.below(256))
        case 1: bytes.insert(UInt8(generator.below(256)), at: place)
        case 2: bytes.removeSubrange(place..<min(bytes.count, place + generator.below(9)))
        case 3: bytes.insert(contentsOf: generator.pick(seeds).dropFirst(2), at: place)
        default: bytes.insert(contentsOf: Generator.awkwardTexts[generator.below(30)].utf8, at: place)
        }
      }
      #expect(throws: Never.self, "seed \(seed), input \(index): \(bytes)") { try target.run(bytes) }
    }
  }
}
