import Testing

@testable import IMAPStateMachine

/// The map from sequence numbers to UIDs against a model that is one list.
@Suite struct UIDMapTests {
  /// The UID of each message, 0 where it is not known. Every operation looks at all of it.
  private struct Model {
    var uids: [UInt32] = []

    mutating func resize(to count: Int) {
      if count < uids.count { uids.removeLast(uids.count - count) }
      uids += [UInt32](repeating: 0, count: count - uids.count)
    }

    mutating func record(_ uid: UInt32, at position: Int) {
      guard uid != 0, uids.indices.contains(position) else { return }
      let fits =
        uids[position] == uid
        || uids[position] == 0 && uids[..<position].allSatisfy { $0 < uid }
          && uids[position...].allSatisfy { $0 == 0 || $0 > uid }
      if !fits { uids = [UInt32](repeating: 0, count: uids.count) }
      uids[position] = uid
    }

    mutating func remove(at position: Int) { if uids.indices.contains(position) { uids.remove(at: position) } }

    mutating func vanish(_ range: ClosedRange<UInt32>) {
      var left: [UInt32] = []
      var before: UInt32 = 0
      var unknown = 0
      func close(_ next: UInt64) {
        let low = max(UInt64(before) + 1, UInt64(range.lowerBound))
        let high = min(next, UInt64(range.upperBound) + 1)
        let named = low < high ? Int(high - low) : 0
        left += [UInt32](repeating: 0, count: unknown - min(unknown, named))
        unknown = 0
      }
      for uid in uids {
        if uid == 0 {
          unknown += 1
          continue
        }
        close(UInt64(uid))
        before = uid
        if !range.contains(uid) { left.append(uid) }
      }
      close(1 << 32)
      uids = left
    }

    var runs: [UIDMap.Run] {
      var runs: [UIDMap.Run] = []
      for uid in uids {
        let run = UIDMap.Run(uid: uid, count: 1)
        if let last = runs.last, last.isContinued(by: run) { runs[runs.count - 1].count += 1 } else { runs.append(run) }
      }
      return runs
    }
  }

  /// Runs with neighbours joined: those at the ends of chunks need not be.
  private func joined(_ runs: [UIDMap.Run]) -> [UIDMap.Run] {
    var result: [UIDMap.Run] = []
    for run in runs {
      if let last = result.last, last.isContinued(by: run) {
        result[result.count - 1].count += run.count
      } else {
        result.append(run)
      }
    }
    return result
  }

  private func compare(_ map: UIDMap, _ model: Model, _ context: String) {
    #expect(map.count == model.uids.count, "\(context)")
    #expect(joined(map.runs) == model.runs, "\(context)")
    #expect(map.runs.count == map.runCount, "\(context)")
    #expect(map.runs.allSatisfy { $0.count > 0 }, "\(context)")
  }

  /// A server that says anything, in any order.
  @Test(arguments: [0x0a11_5eed, 0x0a11_5eee, 0x0a11_5eef, 0x0a11_5ef0] as [UInt64])
  func anything(_ seed: UInt64) {
    var generator = Generator(seed: seed)
    for round in 0..<60 {
      // Small chunks are split and joined all the time.
      var map = UIDMap(limit: 1_000_000, capacity: [4, 5, 8, 1024][generator.below(4)])
      var model = Model()
      let size = [3, 12, 90][generator.below(3)]
      for step in 0..<120 {
        let context = "seed \(seed), round \(round), step \(step)"
        switch generator.below(10) {
        case 0:
          let count = generator.below(size)
          map.resize(to: UInt32(count))
          model.resize(to: count)
        case 1:
          let count = model.uids.count + generator.below(4)
          map.resize(to: UInt32(count))
          model.resize(to: count)
        case 2, 3:
          let position = generator.below(size + 2) - 1
          map.remove(at: position)
          model.remove(at: position)
        case 4:
          let low = UInt32(generator.below(3 * size))
          let range = low...(low + UInt32(generator.below(generator.chance(4) ? 3 * size : 3)))
          map.vanish(range)
          model.vanish(range)
        case 5:
          let uid = generator.chance(9) ? UInt32.max - UInt32(generator.below(2)) : UInt32(generator.below(3 * size))
          let position = generator.below(size)
          map.record(uid, at: position)
          model.record(uid, at: position)
        default:
          // Mostly what contradicts nothing.
          let position = generator.below(max(model.uids.count, 1))
          let uid = UInt32(2 * position + 1 + generator.below(2))
          map.record(uid, at: position)
          model.record(uid, at: position)
        }
        compare(map, model, context)
        let uid = UInt32(generator.below(3 * size))
        #expect(map.position(of: uid) == (uid == 0 ? nil : model.uids.firstIndex(of: uid)), "\(context)")
        let position = generator.below(size + 2) - 1
        let expected = model.uids.indices.contains(position) ? model.uids[position] : 0
        #expect(map.uid(at: position) ?? 0 == expected, "\(context)")
      }
    }
  }

  /// A server that keeps to the rules: whatever the map says is true, and it has as many messages as there are.
  @Test(arguments: [0x7e57_0001, 0x7e57_0002, 0x7e57_0003] as [UInt64])
  func anHonestServer(_ seed: UInt64) {
    var generator = Generator(seed: seed)
    for round in 0..<40 {
      var map = UIDMap(limit: 1_000_000, capacity: [4, 7, 1024][generator.below(3)])
      var mailbox: [UInt32] = []
      var told: Set<UInt32> = []
      var next: UInt32 = 1
      for step in 0..<200 {
        switch generator.below(6) {
        case 0, 1:
          for _ in 0..<generator.below(6) {
            next += UInt32(1 + (generator.chance(3) ? generator.below(5) : 0))
            mailbox.append(next)
          }
          map.resize(to: UInt32(mailbox.count))
        case 2 where !mailbox.isEmpty:
          let position = generator.below(mailbox.count)
          mailbox.remove(at: position)
          map.remove(at: position)
        case 3 where !mailbox.isEmpty:
          // Some that are there: neighbours in one range where no UID between them is left out.
          let start = generator.below(mailbox.count)
          var end = start
          while end + 1 < mailbox.count, mailbox[end + 1] == mailbox[end] + 1, !generator.chance(4) { end += 1 }
          map.vanish(mailbox[start]...mailbox[end])
          mailbox.removeSubrange(start...end)
        case 4, 5:
          for _ in 0..<generator.below(8) where !mailbox.isEmpty {
            let position = generator.below(mailbox.count)
            map.record(mailbox[position], at: position)
            told.insert(mailbox[position])
          }
        default: break
        }
        let expected = mailbox.map { told.contains($0) ? $0 : nil }
        let found = (0..<map.count).map { map.uid(at: $0) }
        #expect(found == expected, "seed \(seed), round \(round), step \(step)")
        if found != expected { return }
        for (position, uid) in mailbox.enumerated() where told.contains(uid) {
          #expect(map.position(of: uid) == position, "seed \(seed), round \(round), step \(step)")
        }
      }
    }
  }

  @Test func aHugeMailboxTakesNoRoom() {
    var map = UIDMap(limit: 10)
    map.resize(to: .max)
    #expect(map.count == Int(UInt32.max))
    #expect(map.runCount == 1)
    map.record(.max, at: Int(UInt32.max) - 1)
    map.record(4, at: 3)
    #expect(map.uid(at: 3) == 4)
    #expect(map.position(of: .max) == Int(UInt32.max) - 1)
    map.vanish(1...(.max))
    #expect(map.count == 0)
    #expect(map.runCount == 0)
    map.resize(to: 0)
    map.record(1, at: 0)
    #expect(map.uid(at: 0) == nil)
  }

  /// Whatever a server says, there are no more runs than the limit and what waits at the end.
  @Test(arguments: [0x0b0a_0001, 0x0b0a_0002] as [UInt64]) func theLimitHolds(_ seed: UInt64) {
    var generator = Generator(seed: seed)
    var map = UIDMap(limit: 16, capacity: 4)
    map.resize(to: 1000)
    for position in 0..<200 { map.record(UInt32(position + 1), at: position) }
    for step in 0..<3000 {
      switch generator.below(4) {
      case 0: map.resize(to: UInt32(map.count + 1))
      case 1: map.remove(at: generator.below(200))
      default:
        let position = generator.below(map.count)
        map.record(UInt32(3 * position + 1), at: position)
      }
      #expect(map.runCount <= 17, "seed \(seed), step \(step)")
      #expect(map.runs.reduce(0) { $0 + Int($1.count) } == map.count, "seed \(seed), step \(step)")
    }
  }

  /// A gap at every UID and removals from the front: what a list would need a move of everything for each time.
  @Test func removalsFromTheFrontOfManyRuns() {
    let count = 100_000
    var map = UIDMap(limit: count + 1)
    map.resize(to: UInt32(count))
    for position in 0..<count { map.record(UInt32(2 * position + 1), at: position) }
    #expect(map.runCount == count)
    for _ in 0..<(count / 2) { map.remove(at: 0) }
    #expect(map.count == count / 2)
    #expect(map.uid(at: 0) == UInt32(count + 1))
    #expect(map.position(of: UInt32(2 * count - 1)) == count / 2 - 1)
  }

  /// 4 bytes for a run that is not there would show here.
  @Test func neighboursTakeOneRun() {
    var map = UIDMap(limit: 4)
    map.resize(to: 100_000)
    for position in (0..<100_000).reversed() { map.record(UInt32(position + 10), at: position) }
    #expect(map.runs == [UIDMap.Run(uid: 10, count: 100_000)])
    map.remove(at: 50_000)
    #expect(map.runs == [UIDMap.Run(uid: 10, count: 50_000), UIDMap.Run(uid: 50_011, count: 49_999)])
    // What contradicts is all that is known from then on.
    map.record(3, at: 2)
    #expect(map.runs.count == 3)
    #expect(map.uid(at: 2) == 3)
    #expect(map.uid(at: 1) == nil)
  }
}
