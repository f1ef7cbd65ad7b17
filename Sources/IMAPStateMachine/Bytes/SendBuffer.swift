/// Bytes that wait to be written to the peer, in one flat allocation so that a caller sees them as one span.
struct SendBuffer: ~Copyable, Sendable {
  private var storage: [UInt8] = []
  private var head = 0
  /// End of the bytes that must be overwritten with zeros once they were sent, counted like indices of `storage`.
  private var secretEnd = 0

  /// What was appended and not consumed yet. Complexity: O(1).
  var bytes: Span<UInt8> {
    @_lifetime(borrow self) get { storage.span.extracting(droppingFirst: head) }
  }

  var count: Int { storage.count - head }
  /// How many bytes are allocated.
  var capacity: Int { storage.capacity }
  var isEmpty: Bool { head == storage.count }

  mutating func append(_ byte: UInt8) {
    makeRoom(1)
    storage.append(byte)
  }

  mutating func append(_ bytes: [UInt8]) {
    makeRoom(bytes.count)
    storage.append(contentsOf: bytes)
  }

  mutating func append(_ bytes: Span<UInt8>) {
    makeRoom(bytes.count)
    unsafe bytes.withUnsafeBufferPointer { unsafe storage.append(contentsOf: $0) }
  }

  mutating func append(_ text: StaticString) {
    makeRoom(text.hasPointerRepresentation ? text.utf8CodeUnitCount : 4)
    // Safe: a static string with a pointer representation is `utf8CodeUnitCount` initialised bytes that never go away.
    if text.hasPointerRepresentation {
      unsafe storage.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    } else {
      storage.append(contentsOf: String(text.unicodeScalar).utf8)
    }
  }

  mutating func append(_ text: String) {
    makeRoom(text.utf8.count)
    storage.append(contentsOf: text.utf8)
  }

  mutating func append(_ text: Substring) {
    makeRoom(text.utf8.count)
    storage.append(contentsOf: text.utf8)
  }

  /// Appends `number` in decimal, without an intermediate string.
  mutating func append(decimal number: UInt64) {
    makeRoom(20)
    var divisor: UInt64 = 1
    while number / divisor >= 10 { divisor *= 10 }
    var rest = number
    while divisor > 0 {
      storage.append(0x30 + UInt8(truncatingIfNeeded: rest / divisor))
      rest %= divisor
      divisor /= 10
    }
  }

  mutating func append(decimal number: UInt32) { append(decimal: UInt64(number)) }

  /// Everything appended so far is overwritten with zeros when it is consumed.
  mutating func markSecret() { secretEnd = storage.count }

  /// Drops the first `count` bytes. More than there are drops all.
  mutating func consume(_ count: Int) {
    let end = head + Swift.min(Swift.max(count, 0), self.count)
    if secretEnd > head {
      wipe(&storage, head..<Swift.min(end, secretEnd))
      if end >= secretEnd { secretEnd = 0 }
    }
    head = end
    if head == storage.count {
      // A burst must not pin its memory on an idle connection.
      storage.removeAll(keepingCapacity: storage.capacity <= Self.keptCapacity)
      head = 0
    } else if head > Self.compactionThreshold, head > storage.count / 2 {
      storage.removeSubrange(0..<head)
      secretEnd = Swift.max(0, secretEnd - head)
      head = 0
    }
  }

  /// Gives the storage of an empty buffer back.
  mutating func giveBackStorage() {
    if !isEmpty { return }
    storage = []
    head = 0
  }

  /// Removes and returns what lies behind the first `count` waiting bytes. What was marked secret is wiped here.
  mutating func takeTail(behind count: Int) -> [UInt8] {
    let start = head + Swift.min(Swift.max(count, 0), self.count)
    let tail = Array(storage[start...])
    if secretEnd > start {
      wipe(&storage, start..<Swift.min(secretEnd, storage.count))
      secretEnd = start
    }
    storage.removeSubrange(start...)
    return tail
  }

  /// While a secret waits, growing must not leave a copy of it behind in freed memory.
  private mutating func makeRoom(_ count: Int) {
    if secretEnd <= head || storage.capacity - storage.count >= count { return }
    var grown: [UInt8] = []
    grown.reserveCapacity(max(storage.capacity * 2, storage.count + count))
    grown.append(contentsOf: storage)
    swap(&grown, &storage)
    wipe(&grown, grown.indices)
  }

  /// Capacity that an empty buffer keeps: one ordinary command line.
  private static let keptCapacity = 512
  private static let compactionThreshold = 16 * 1024
}

/// Overwrites `range` of `bytes` with zeros. Never inlined and never optimised, so that the stores are not removed as dead.
@inline(never)
@_optimize(none)
func wipe(_ bytes: inout [UInt8], _ range: Range<Int>) {
  for index in range.clamped(to: bytes.indices) { bytes[index] = 0 }
}
