/// Which UID each message of a mailbox has, as far as the server told.
///
/// Kept as runs of messages: those whose UIDs follow one another without a gap, and those whose UIDs are not known. A run
/// takes eight bytes whatever its length, so a hostile `4294967295 EXISTS` costs no more than an empty mailbox. The runs lie
/// in chunks of a bounded size, so that no message at the front costs a move of all that is behind it.
///
/// Positions count from 0. UIDs ascend with the positions (RFC 9051, section 2.3.1.1). With r runs, each operation takes
/// O(r / capacity + capacity) steps, ``vanish(_:)`` as many for each run that it touches.
struct UIDMap {
  /// Messages in a row.
  struct Run: Equatable {
    /// The UID of the first; 0 where none of them is known.
    var uid: UInt32
    /// How many they are.
    var count: UInt32

    var isKnown: Bool { uid != 0 }
    /// The UID of the last.
    var last: UInt32 { uid &+ (count &- 1) }

    /// Whether `next` goes on where this one ends.
    func isContinued(by next: Run) -> Bool {
      if !isKnown || !next.isKnown { return isKnown == next.isKnown }
      return last < next.uid && last + 1 == next.uid
    }
  }

  private struct Chunk {
    var runs: [Run]
    /// How many messages the runs are.
    var messages: Int
    /// The largest UID that is known; 0 where none is.
    var last: UInt32

    init(_ runs: [Run]) {
      self.runs = runs
      messages = runs.reduce(0) { $0 + Int($1.count) }
      last = 0
      findLast()
    }

    mutating func findLast() { last = runs.last { $0.isKnown }?.last ?? 0 }
  }

  /// A run, and how many messages there are before it.
  private struct Place {
    var chunk = 0
    var run = 0
    var start = 0
  }

  /// How many messages there are.
  private(set) var count = 0
  /// How many runs they take.
  private(set) var runCount = 0
  private var chunks: [Chunk] = []
  /// Where a UID was recorded last: the next one mostly is behind it.
  private var finger = Place()
  private let limit: Int
  private let capacity: Int

  /// A map of no messages, of `limit` runs at the most: UIDs that would take more stay unknown.
  init(limit: Int, capacity: Int = 1024) {
    self.limit = max(limit, 1)
    self.capacity = max(capacity, 4)
  }

  // MARK: Asking

  /// The UID of the message at `position`.
  func uid(at position: Int) -> UInt32? {
    guard let place = place(of: position) else { return nil }
    let run = chunks[place.chunk].runs[place.run]
    return run.isKnown ? run.uid &+ UInt32(truncatingIfNeeded: position - place.start) : nil
  }

  /// Where the message with the UID `uid` is; nil where that is not known.
  func position(of uid: UInt32) -> Int? {
    if uid == 0 { return nil }
    var start = 0
    // By index: what is passed by is not retained.
    for index in chunks.indices {
      if chunks[index].last < uid {
        start += chunks[index].messages
        continue
      }
      for run in chunks[index].runs {
        if run.isKnown, run.last >= uid { return run.uid <= uid ? start + Int(uid - run.uid) : nil }
        start += Int(run.count)
      }
    }
    return nil
  }

  /// All runs in order.
  var runs: [Run] { chunks.flatMap { $0.runs } }

  // MARK: Changing

  /// Makes it `count` messages: new ones are not known, and those that are too many go from the end.
  mutating func resize(to count: UInt32) {
    let target = Int(count)
    if target < self.count { return remove(at: target, count: self.count - target) }
    let added = target - self.count
    if added == 0 { return }
    let run = Run(uid: 0, count: UInt32(truncatingIfNeeded: added))
    self.count = target
    guard let last = chunks.indices.last else {
      chunks = [Chunk([run])]
      runCount = 1
      return
    }
    chunks[last].messages += added
    let end = chunks[last].runs.count - 1
    if chunks[last].runs[end].isKnown {
      chunks[last].runs.append(run)
      runCount += 1
      balance(last)
    } else {
      chunks[last].runs[end].count &+= run.count
    }
  }

  /// Forgets all UIDs, and no message.
  mutating func forget() {
    let count = UInt32(truncatingIfNeeded: self.count)
    self.count = 0
    runCount = 0
    chunks = []
    finger = Place()
    resize(to: count)
  }

  /// Takes note that the message at `position` has the UID `uid`. Where that contradicts what is known, it is all that is
  /// known from then on. A UID that is 0 or a position that there is not changes nothing.
  mutating func record(_ uid: UInt32, at position: Int) {
    guard uid != 0, let place = place(of: position) else { return }
    let run = chunks[place.chunk].runs[place.run]
    let offset = UInt32(truncatingIfNeeded: position - place.start)
    if run.isKnown {
      if run.uid &+ offset == uid { return finger = place }
    } else if knownBefore(place) < uid {
      let next = knownBehind(place)
      if next == 0 || uid < next { return fill(place, offset, uid) }
    }
    forget()
    guard let place = self.place(of: position) else { return }
    fill(place, UInt32(truncatingIfNeeded: position), uid)
  }

  /// Removes the messages from `position` on, `number` of them or as many as there are.
  mutating func remove(at position: Int, count number: Int = 1) {
    guard number > 0, let place = place(of: position) else { return }
    finger = Place()
    var left = min(number, count - position)
    count -= left
    var (chunk, run, offset) = (place.chunk, place.run, position - place.start)
    while left > 0, chunk < chunks.count {
      if run == 0, offset == 0, left >= chunks[chunk].messages {
        // Whole chunks go at once.
        var end = chunk
        while end < chunks.count, left >= chunks[end].messages {
          left -= chunks[end].messages
          runCount -= chunks[end].runs.count
          end += 1
        }
        chunks.removeSubrange(chunk..<end)
      } else {
        left -= cut(chunk, run, offset, left)
        chunk += 1
      }
      (run, offset) = (0, 0)
    }
    for index in [chunk, chunk - 1, place.chunk] { balance(index) }
  }

  /// Removes the messages with the UIDs of `range`.
  ///
  /// Among messages whose UIDs are not known, as many go as UIDs of the range lie between the known ones around them: each
  /// must have been one of those (RFC 7162, section 3.2.10.2: a server names nothing but what is there). UIDs that no
  /// message can have are passed over.
  mutating func vanish(_ range: ClosedRange<UInt32>) {
    for edit in edits(for: range).reversed() { remove(at: edit.position, count: edit.count) }
  }

  // MARK: Inside

  /// The run that holds `position`.
  private func place(of position: Int) -> Place? {
    if position < 0 || position >= count { return nil }
    var place = finger.start <= position ? finger : Place()
    while place.chunk < chunks.count {
      if place.run == 0, position >= place.start + chunks[place.chunk].messages {
        place.start += chunks[place.chunk].messages
        place.chunk += 1
        continue
      }
      let runs = chunks[place.chunk].runs
      while place.run < runs.count {
        let end = place.start + Int(runs[place.run].count)
        if position < end { return place }
        place.start = end
        place.run += 1
      }
      place.chunk += 1
      place.run = 0
    }
    return nil
  }

  /// The largest UID that is known before the run; 0 where none is.
  private func knownBefore(_ place: Place) -> UInt32 {
    var run = place.run
    while run > 0 {
      run -= 1
      if chunks[place.chunk].runs[run].isKnown { return chunks[place.chunk].runs[run].last }
    }
    var chunk = place.chunk
    while chunk > 0 {
      chunk -= 1
      if chunks[chunk].last != 0 { return chunks[chunk].last }
    }
    return 0
  }

  /// The smallest UID that is known behind the run; 0 where none is.
  private func knownBehind(_ place: Place) -> UInt32 {
    var (chunk, run) = (place.chunk, place.run + 1)
    while chunk < chunks.count {
      while chunks[chunk].last != 0, run < chunks[chunk].runs.count {
        if chunks[chunk].runs[run].isKnown { return chunks[chunk].runs[run].uid }
        run += 1
      }
      (chunk, run) = (chunk + 1, 0)
    }
    return 0
  }

  /// Gives the message `offset` behind the start of an unknown run its UID.
  private mutating func fill(_ place: Place, _ offset: UInt32, _ uid: UInt32) {
    let (chunk, run) = (place.chunk, place.run)
    let rest = chunks[chunk].runs[run].count - offset - 1
    let message = Run(uid: uid, count: 1)
    let joinsLeft = offset == 0 && run > 0 && chunks[chunk].runs[run - 1].isContinued(by: message)
    let joinsRight =
      rest == 0 && run + 1 < chunks[chunk].runs.count && message.isContinued(by: chunks[chunk].runs[run + 1])
    let growth = (offset > 0 ? 1 : 0) + (rest > 0 ? 1 : 0) - (joinsLeft ? 1 : 0) - (joinsRight ? 1 : 0)
    if runCount + growth > limit { return }
    runCount += growth
    chunks[chunk].last = max(chunks[chunk].last, uid)
    finger = Place(chunk: chunk, run: run, start: place.start)
    if rest > 0 {
      chunks[chunk].runs[run].count = rest
      if joinsLeft {
        chunks[chunk].runs[run - 1].count += 1
        finger.start += 1
        return
      }
      chunks[chunk].runs.insert(message, at: run)
    } else {
      chunks[chunk].runs[run] = message
    }
    if offset > 0 { chunks[chunk].runs.insert(Run(uid: 0, count: offset), at: run) }
    if joinsRight {
      let index = offset > 0 ? run + 1 : run
      chunks[chunk].runs[index].count += chunks[chunk].runs[index + 1].count
      chunks[chunk].runs.remove(at: index + 1)
    }
    if joinsLeft {
      chunks[chunk].runs[run - 1].count += chunks[chunk].runs[run].count
      chunks[chunk].runs.remove(at: run)
      finger = Place()
    }
    balance(chunk)
  }

  /// Removes up to `number` messages of one chunk, from `offset` behind the start of a run on. Returns how many.
  private mutating func cut(_ chunk: Int, _ first: Int, _ offset: Int, _ number: Int) -> Int {
    var run = first
    var left = number
    let runsBefore = chunks[chunk].runs.count
    if offset > 0 {
      let old = chunks[chunk].runs[run]
      let gone = min(left, Int(old.count) - offset)
      left -= gone
      let rest = UInt32(truncatingIfNeeded: Int(old.count) - offset - gone)
      if rest == 0 || !old.isKnown {
        chunks[chunk].runs[run].count = old.count - UInt32(truncatingIfNeeded: gone)
      } else if runCount < limit {
        chunks[chunk].runs[run].count = UInt32(truncatingIfNeeded: offset)
        let uid = old.uid &+ UInt32(truncatingIfNeeded: offset + gone)
        chunks[chunk].runs.insert(Run(uid: uid, count: rest), at: run + 1)
      } else {
        // There is no room for what would become two.
        chunks[chunk].runs[run] = Run(uid: 0, count: UInt32(truncatingIfNeeded: offset) + rest)
      }
      run += 1
    }
    var end = run
    while end < chunks[chunk].runs.count, left >= Int(chunks[chunk].runs[end].count) {
      left -= Int(chunks[chunk].runs[end].count)
      end += 1
    }
    chunks[chunk].runs.removeSubrange(run..<end)
    if left > 0, run < chunks[chunk].runs.count {
      let gone = UInt32(truncatingIfNeeded: left)
      if chunks[chunk].runs[run].isKnown { chunks[chunk].runs[run].uid &+= gone }
      chunks[chunk].runs[run].count -= gone
      left = 0
    }
    chunks[chunk].messages -= number - left
    join(chunk, at: run)
    if run != first { join(chunk, at: first) }
    runCount += chunks[chunk].runs.count - runsBefore
    chunks[chunk].findLast()
    return number - left
  }

  /// Makes the run at `index` one with that before it, where it goes on with it.
  private mutating func join(_ chunk: Int, at index: Int) {
    guard index > 0, index < chunks[chunk].runs.count else { return }
    let next = chunks[chunk].runs[index]
    guard chunks[chunk].runs[index - 1].isContinued(by: next) else { return }
    chunks[chunk].runs[index - 1].count += next.count
    chunks[chunk].runs.remove(at: index)
  }

  /// Splits a chunk that is too large, drops an empty one, and makes a small one a part of that before or behind it.
  private mutating func balance(_ index: Int) {
    guard index >= 0, index < chunks.count else { return }
    let size = chunks[index].runs.count
    if size == 0 {
      chunks.remove(at: index)
      finger = Place()
    } else if size > capacity {
      let half = Array(chunks[index].runs[(size / 2)...])
      chunks[index] = Chunk(Array(chunks[index].runs[..<(size / 2)]))
      chunks.insert(Chunk(half), at: index + 1)
      finger = Place()
    } else if size < capacity / 4 {
      for first in [index - 1, index] where first >= 0 && first + 1 < chunks.count {
        let boundary = chunks[first].runs.count
        if boundary + chunks[first + 1].runs.count > capacity { continue }
        chunks[first].runs += chunks[first + 1].runs
        chunks[first].messages += chunks[first + 1].messages
        chunks.remove(at: first + 1)
        let runs = chunks[first].runs.count
        join(first, at: boundary)
        runCount += chunks[first].runs.count - runs
        chunks[first].findLast()
        finger = Place()
        return
      }
    }
  }

  /// Which positions the UIDs of `range` can have, in ascending order.
  private func edits(for range: ClosedRange<UInt32>) -> [(position: Int, count: Int)] {
    // Behind the last chunk that ends below the range: whatever is before that lies below it as well.
    var first = 0
    var start = 0
    var position = 0
    for index in chunks.indices {
      let last = chunks[index].last
      if last >= range.lowerBound { break }
      if last != 0 { (first, start) = (index, position) }
      position += chunks[index].messages
    }
    var walk = Walk(range, start)
    while first < chunks.count {
      for run in chunks[first].runs {
        walk.pass(run)
        if walk.isOver { return walk.edits }
      }
      first += 1
    }
    walk.end()
    return walk.edits
  }

  /// Finds what a range of UIDs names while runs pass by.
  private struct Walk {
    private let range: ClosedRange<UInt32>
    private var position: Int
    /// The largest known UID so far.
    private var known: UInt32 = 0
    /// Where the messages start whose UIDs are not known, and how many they are.
    private var unknown = (position: 0, count: 0)
    private(set) var edits: [(position: Int, count: Int)] = []
    private(set) var isOver = false

    init(_ range: ClosedRange<UInt32>, _ position: Int) {
      self.range = range
      self.position = position
    }

    mutating func pass(_ run: Run) {
      defer { position += Int(run.count) }
      guard run.isKnown else {
        if unknown.count == 0 { unknown.position = position }
        unknown.count += Int(run.count)
        return
      }
      closeGap(below: UInt64(run.uid))
      known = run.last
      let low = max(run.uid, range.lowerBound)
      let high = min(run.last, range.upperBound)
      if low <= high { note(position + Int(low - run.uid), Int(high - low) + 1) }
      isOver = run.last >= range.upperBound
    }

    mutating func end() { closeGap(below: UInt64(UInt32.max) + 1) }

    /// Counts the UIDs of the range between the known ones.
    private mutating func closeGap(below next: UInt64) {
      let low = max(UInt64(known) + 1, UInt64(range.lowerBound))
      let high = min(next, UInt64(range.upperBound) + 1)
      if low < high { note(unknown.position, min(unknown.count, Int(high - low))) }
      unknown.count = 0
    }

    private mutating func note(_ position: Int, _ count: Int) {
      if count == 0 { return }
      if let last = edits.last, last.position + last.count == position {
        edits[edits.count - 1].count += count
      } else {
        edits.append((position, count))
      }
    }
  }
}
