import Testing

@testable import IMAPStateMachine

/// FETCH of more messages than may be named at once.
@Suite struct CommandBatchingTests {
  private static func sets(_ set: UIDSet, _ most: UInt32) -> [String]? {
    let parts = Command.fetch(.uids(set), [.flags], FetchModifiers(changedSince: 7)).batches(of: most)
    return parts?.map { part in
      guard case .fetch(.uids(let set), [.flags], let modifiers) = part else { return "\(part)" }
      #expect(modifiers == FetchModifiers(changedSince: 7))
      return set.description
    }
  }

  @Test func noPartNamesMore() {
    #expect(Self.sets([1, 2, 3, 4, 5], 2) == ["1:2", "3:4", "5"])
    #expect(Self.sets([1, 3, 5, 7], 2) == ["1,3", "5,7"])
    let ranges = UIDSet(ranges: [.init(9, 5), .init(20, 20), .init(30, 33)])
    #expect(Self.sets(ranges, 4) == ["5:8", "9,20,30:31", "32:33"])
    #expect(Self.sets(UIDSet(ranges: [.init(.max - 2, .max)]), 2) == ["4294967293:4294967294", "4294967295"])
    #expect(Self.sets([4, 5, 6], 1) == ["4", "5", "6"])
  }

  @Test func whatFitsGoesAsItIs() {
    #expect(Self.sets([1, 2, 3], 3) == nil)
    #expect(Self.sets([1, 2, 3], .max) == nil)
    #expect(Self.sets([], 2) == nil)
    #expect(Self.sets([1, 2, 3], 0) == nil)
  }

  /// And what nobody can count.
  @Test func soDoesWhatCannotBeCounted() {
    #expect(Self.sets(.all, 2) == nil)
    #expect(Self.sets(UIDSet(ranges: [.init(1, 100), .init(MessageBound(200), .star)]), 2) == nil)
    #expect(Self.sets(.savedResult, 2) == nil)
    #expect(Self.sets(UIDSet(ranges: [.init(1, .max)]), 1000) == nil)
    #expect(Self.sets(UIDSet(ranges: [.init(1, 1_000_000)]), 1000)?.count == 1000)
    #expect(Command.fetch(.sequence([1, 2, 3]), [.flags]).batches(of: 2) == nil)
    #expect(Command.store(.uids([1, 2, 3]), StoreOperation(.add, [.seen])).batches(of: 2) == nil)
  }

  /// A range that is cut in two has more digits: each part keeps to the line all the same.
  @Test func partsKeepToTheLine() {
    var configuration = ClientConnection.Configuration()
    configuration.maximumFetchBatch = 10
    configuration.maximumLineLength = 60
    let client = ClientConnection(configuration, now: MonotonicInstant(nanoseconds: 0))
    for first in 1...9 as ClosedRange<UInt32> {
      var ranges = [UIDSet.Range(first, first + 14)]
      for uid in 0..<30 as Range<UInt32> { ranges.append(UIDSet.Range(100 + 2 * uid, 100 + 2 * uid)) }
      let command = Command.fetch(.uids(UIDSet(ranges: ranges)), [.flags])
      let length = "A1 UID FETCH \(UIDSet(ranges: ranges)) (FLAGS)\r\n".utf8.count
      let parts = client.state.parts(of: command, lineOf: length, to: 60) ?? []
      #expect(parts.count > 4)
      var named: [UIDSet.Range] = []
      for part in parts {
        guard case .fetch(.uids(let set), _, _) = part else {
          Issue.record("\(part)")
          continue
        }
        named += set.ranges
        #expect("A1 UID FETCH \(set) (FLAGS)\r\n".utf8.count <= 60)
        #expect(set.count(largest: 1) <= 10)
      }
      #expect(UIDSet(ranges: named).numbers(limit: 1000) == UIDSet(ranges: ranges).numbers(limit: 1000))
    }
  }
}
