/// What the parser found in one value, as numbers and positions: written once, read by views, which then look at no byte
/// twice. The storage is kept for the next value.
///
/// No index can trap: what is not there reads as 0 and takes no write.
@safe
struct Tape: ~Copyable {
  // Invariant: 0 <= count <= capacity <= maximum; the first `count` entries are initialised; `base` is nil exactly while
  // `capacity` is 0.
  private var base: UnsafeMutablePointer<UInt64>?
  private var capacity = 0
  /// How many entries were written.
  private(set) var count = 0
  /// Whether there was more to write than ``maximum``: what was written makes no sense then.
  private(set) var isFull = false

  /// The most that is written for one value: 8 MiB.
  static let maximum = 1 << 20

  init() { unsafe base = nil }

  deinit { unsafe base?.deallocate() }

  /// Forgets what was written.
  @inline(__always)
  mutating func clear() {
    count = 0
    isFull = false
  }

  @inline(__always)
  mutating func append(_ entry: UInt64) {
    if count == capacity { grow(1) }
    // Safe: `grow` leaves `count` below `capacity`.
    unsafe base.unsafelyUnwrapped[count] = entry
    count &+= 1
  }

  /// Appends two entries.
  @inline(__always)
  mutating func append(_ first: UInt64, _ second: UInt64) {
    if 2 > capacity &- count { grow(2) }
    // Safe: `grow` makes room for two.
    let end = unsafe base.unsafelyUnwrapped + count
    unsafe end[0] = first
    unsafe end[1] = second
    count &+= 2
  }

  /// Appends four entries.
  @inline(__always)
  mutating func append(_ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64) {
    if 4 > capacity &- count { grow(4) }
    // Safe: `grow` makes room for four.
    let end = unsafe base.unsafelyUnwrapped + count
    unsafe end[0] = first
    unsafe end[1] = second
    unsafe end[2] = third
    unsafe end[3] = fourth
    count &+= 4
  }

  /// Appends `entry` `length` times, at most 64.
  @inline(__always)
  mutating func append(_ entry: UInt64, times length: Int) {
    if length > capacity &- count { grow(length) }
    // Safe: `grow` makes room for `length`.
    unsafe (base.unsafelyUnwrapped + count).initialize(repeating: entry, count: length)
    count &+= length
  }

  /// Appends what `next` gives until it gives nil, at most `length` entries, at most 64; it is told how many are left.
  /// Returns how many it did not give.
  @inline(__always)
  mutating func append(atMost length: Int, _ next: (_ left: Int) -> UInt64?) -> Int {
    if length > capacity &- count { grow(length) }
    var left = length
    let end = unsafe base.unsafelyUnwrapped + (count &+ length)
    while left > 0, let entry = next(left) {
      // Safe: `grow` made room for `length` entries behind `count`, and `0 < left <= length`.
      unsafe end[0 &- left] = entry
      left &-= 1
    }
    count &+= length &- left
    return left
  }

  /// Appends the entries of `range` once more, with `distance` added to those that are not 0.
  mutating func appendAgain(_ range: Range<Int>, adding distance: UInt64) {
    for index in range {
      let entry = self[index]
      append(entry == 0 ? 0 : entry &+ distance)
    }
  }

  @inline(__always)
  subscript(index: Int) -> UInt64 {
    get {
      if UInt(bitPattern: index) >= UInt(bitPattern: count) { return 0 }
      // Safe: `0 <= index < count`.
      return unsafe base.unsafelyUnwrapped[index]
    }
    set {
      if UInt(bitPattern: index) >= UInt(bitPattern: count) { return }
      // Safe: `0 <= index < count`.
      unsafe base.unsafelyUnwrapped[index] = newValue
    }
  }

  /// What was written.
  var entries: Span<UInt64> {
    @_lifetime(borrow self) get {
      let entries = unsafe UnsafeBufferPointer(start: base, count: count)
      let span = unsafe Span<UInt64>(_unsafeElements: entries)
      // Safe: the first `count` entries are initialised, and the borrow of `self` keeps every mutation away.
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Makes room for `length` more entries, at most 64. At the maximum it starts anew, as nobody reads what was written.
  @inline(never)
  private mutating func grow(_ length: Int) {
    if count + length > Self.maximum {
      isFull = true
      count = 0
    }
    let wanted = min(max(count + length, capacity * 2, 256), Self.maximum)
    if wanted == capacity { return }
    let new = UnsafeMutablePointer<UInt64>.allocate(capacity: wanted)
    if let base = unsafe base {
      // Safe: `count <= capacity < wanted`, and `new` is fresh.
      unsafe new.initialize(from: base, count: count)
      unsafe base.deallocate()
    }
    unsafe base = unsafe new
    capacity = wanted
  }
}

/// A value's bytes and what a tape says of them, borrowed. Nothing in it can trap: what is not there is 0, missing or empty.
@usableFromInline
struct TapeView: ~Escapable {
  @usableFromInline let bytes: Span<UInt8>
  @usableFromInline let entries: Span<UInt64>

  /// Positions in `entries` count from the first of `bytes`.
  @_lifetime(copy bytes, copy entries)
  @inline(__always)
  init(_ bytes: Span<UInt8>, _ entries: Span<UInt64>) {
    self.bytes = bytes
    self.entries = entries
  }

  /// The entry at `index`; 0 where there is none.
  @inlinable
  @inline(__always)
  func entry(_ index: Int) -> UInt64 {
    if UInt(bitPattern: index) >= UInt(bitPattern: entries.count) { return 0 }
    // Safe: `0 <= index < count`.
    return unsafe entries[unchecked: index]
  }

  /// The positions at `index`.
  @inlinable
  @inline(__always)
  func range(_ index: Int) -> TapeRange { TapeRange(bits: entry(index)) }

  /// The bytes between the positions at `index`.
  @_lifetime(copy self)
  func slice(_ index: Int) -> Span<UInt8> { bytes.slice(from: range(index).start, to: range(index).end) }

  /// Where the string at `index` lies.
  @inlinable
  @inline(__always)
  func token(_ index: Int) -> PackedToken { PackedToken(bits: entry(index)) }

  /// The string at `index`; nil where it is missing.
  @_lifetime(copy self)
  @inlinable
  @inline(__always)
  func string(_ index: Int) -> StringView? { .optional(bytes, token(index)) }

  /// An owned copy of the string at `index`; nil where it is missing.
  func copy(_ index: Int) -> [UInt8]? { token(index).copy(bytes) }
}

/// A list on a tape. Its rows have as many entries each.
@usableFromInline
struct TapeRows: ~Escapable {
  @usableFromInline let tape: TapeView
  @usableFromInline var index: Int
  @usableFromInline let end: Int

  @_lifetime(copy tape)
  @inlinable
  @inline(__always)
  init(_ tape: TapeView, _ range: TapeRange) {
    self.tape = tape
    index = range.start
    end = min(range.end, tape.entries.count)
  }

  /// How many entries are still to come.
  @inlinable
  @inline(__always)
  var count: Int { max(end &- index, 0) }

  /// Where the next row starts, which has `width` entries; nil behind the last.
  @_lifetime(self: copy self)
  @inlinable
  @inline(__always)
  mutating func next(_ width: Int) -> Int? {
    if index >= end { return nil }
    let row = index
    index &+= width
    return row
  }
}

/// Two positions in one entry.
@usableFromInline
struct TapeRange: BitwiseCopyable {
  @usableFromInline let bits: UInt64

  @inlinable
  @inline(__always)
  init(bits: UInt64) { self.bits = bits }

  @inline(__always)
  init(_ start: Int, _ end: Int) {
    bits = UInt64(UInt32(truncatingIfNeeded: start)) | UInt64(UInt32(truncatingIfNeeded: end)) &<< 32
  }

  @inlinable var start: Int { Int(UInt32(truncatingIfNeeded: bits)) }
  @inlinable var end: Int { Int(bits &>> 32) }

  /// The same as a range that cannot trap.
  var range: Range<Int> { start..<max(start, end) }
}
