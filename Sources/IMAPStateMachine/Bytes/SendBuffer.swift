/// Bytes that wait to be written to the peer, in one flat allocation so that a caller sees them as one span.
///
/// The allocation is its own and no array: a command is written in a dozen pieces of a few bytes, and what an array asks at each,
/// whether somebody shares it before all, took longer than the bytes.
@safe
struct SendBuffer: ~Copyable, @unchecked Sendable {
  // Sendable although it holds a pointer: nobody else has it.
  //
  // Invariant: 0 <= head <= tail <= header.capacity, and the bytes before `tail` were all written. Where nothing is allocated
  // `header` is nil and both are 0.
  private var header: UnsafeMutablePointer<Header>?
  private var head = 0
  private var tail = 0

  /// Stands in front of the bytes.
  private struct Header {
    let capacity: Int
    /// End of the bytes that must be overwritten with zeros once they were sent, counted as `tail` is.
    var secretEnd = 0
    /// A secret is being appended, or waits: what is behind ``secretEnd`` may be a part of it.
    var holdsSecret = false
  }

  init() { unsafe header = nil }

  deinit { unsafe header.map { unsafe Self.free($0, wiping: head..<tail) } }

  /// What was appended and not consumed yet. Complexity: O(1).
  var bytes: Span<UInt8> {
    @_lifetime(borrow self) get {
      // Safe: the range was written by the invariant, and the borrow of `self` keeps every mutation away while the span lives.
      let bytes = unsafe UnsafeRawBufferPointer(start: header.map { unsafe Self.start($0) + head }, count: count)
      let span = unsafe Span<UInt8>(_unsafeBytes: bytes)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  var count: Int { tail &- head }
  /// How many bytes are allocated.
  var capacity: Int { unsafe header?.pointee.capacity ?? 0 }
  var isEmpty: Bool { head == tail }

  mutating func append(_ byte: UInt8) {
    // Safe: there is room for one.
    unsafe room(1).storeBytes(of: byte, as: UInt8.self)
    tail &+= 1
  }

  mutating func append(_ bytes: [UInt8]) { unsafe bytes.withUnsafeBytes { unsafe append($0) } }

  mutating func append(_ bytes: Span<UInt8>) { unsafe bytes.withUnsafeBytes { unsafe append($0) } }

  mutating func append(_ text: StaticString) {
    if !text.hasPointerRepresentation { return append(String(text.unicodeScalar)) }
    // Safe: a static string with a pointer representation is `utf8CodeUnitCount` initialised bytes that never go away.
    unsafe append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  // A literal is a static string, which needs no look at how it is stored.
  @_disfavoredOverload
  mutating func append(_ text: String) { append(utf8: text.utf8) }

  @_disfavoredOverload
  mutating func append(_ text: Substring) { append(utf8: text.utf8) }

  /// Appends `number` in decimal, without an intermediate string.
  mutating func append(decimal number: UInt64) {
    var count = 1
    var rest = number / 10
    while rest > 0 {
      count &+= 1
      rest /= 10
    }
    let place = unsafe room(count)
    rest = number
    for index in stride(from: count &- 1, through: 0, by: -1) {
      // Safe: there is room for `count`.
      unsafe place.storeBytes(of: 0x30 &+ UInt8(truncatingIfNeeded: rest % 10), toByteOffset: index, as: UInt8.self)
      rest /= 10
    }
    tail &+= count
  }

  mutating func append(decimal number: UInt32) { append(decimal: UInt64(number)) }

  /// Everything appended so far is overwritten with zeros when it is consumed.
  mutating func markSecret() {
    unsafe header?.pointee.secretEnd = tail
    unsafe header?.pointee.holdsSecret = true
  }

  /// Drops the first `count` bytes. More than there are drops all.
  mutating func consume(_ count: Int) {
    guard let header = unsafe header else { return }
    let end = head &+ Swift.min(Swift.max(count, 0), self.count)
    unsafe Self.wipeSecret(header, head..<end)
    head = end
    if head < tail { return }
    // A burst must not pin its memory on an idle connection.
    if unsafe header.pointee.capacity > Self.keptCapacity { return giveBackStorage() }
    unsafe header.pointee.secretEnd = 0
    unsafe header.pointee.holdsSecret = false
    head = 0
    tail = 0
  }

  /// Gives the storage of an empty buffer back.
  mutating func giveBackStorage() {
    guard isEmpty, let header = unsafe header else { return }
    unsafe Self.free(header, wiping: 0..<0)
    unsafe self.header = nil
    head = 0
    tail = 0
  }

  /// Removes and returns what lies behind the first `count` waiting bytes. What was marked secret is wiped here.
  mutating func takeTail(behind count: Int) -> [UInt8] {
    guard let header = unsafe header else { return [] }
    let kept = Swift.min(Swift.max(count, 0), self.count)
    let taken = bytes.extracting(droppingFirst: kept).copy()
    unsafe Self.wipeSecret(header, head &+ kept..<tail)
    tail = head &+ kept
    unsafe header.pointee.secretEnd = Swift.min(header.pointee.secretEnd, tail)
    return taken
  }

  private mutating func append(utf8 text: some Collection<UInt8>) {
    let isDone: Void? = text.withContiguousStorageIfAvailable { unsafe append(UnsafeRawBufferPointer($0)) }
    if isDone == nil { for byte in text { append(byte) } }
  }

  private mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    // Safe: there is room for as many, and nobody outside can have a pointer into it.
    unsafe room(bytes.count).copyMemory(from: base, byteCount: bytes.count)
    tail &+= bytes.count
  }

  /// Where the next `count` bytes go; the caller writes them and moves `tail`.
  @inline(__always)
  private mutating func room(_ count: Int) -> UnsafeMutableRawPointer {
    if let header = unsafe header, unsafe header.pointee.capacity &- tail >= count {
      return unsafe Self.start(header) + tail
    }
    return unsafe grow(by: count)
  }

  /// Moves what waits to storage with room for half as much more: a byte is moved a constant number of times, amortised.
  @inline(never)
  private mutating func grow(by count: Int) -> UnsafeMutableRawPointer {
    let used = self.count
    let needed = Self.headerSize + used + count
    let size = Self.powerOfTwo(Swift.max(needed + needed / 2, Self.smallestSize))
    let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: MemoryLayout<Header>.alignment)
    let grown = unsafe memory.initializeMemory(
      as: Header.self, to: Header(capacity: size - Self.headerSize))
    if let header = unsafe header {
      // Safe: `grown` is fresh and has room for `used` bytes, which were written.
      unsafe Self.start(grown).copyMemory(from: Self.start(header) + head, byteCount: used)
      unsafe grown.pointee.secretEnd = Swift.max(0, header.pointee.secretEnd &- head)
      unsafe grown.pointee.holdsSecret = header.pointee.holdsSecret
      // While a secret waits, no copy of it may be left behind in freed memory, nor of the part that was appended by now.
      if unsafe header.pointee.holdsSecret { unsafe header.pointee.secretEnd = tail }
      unsafe Self.free(header, wiping: head..<tail)
    }
    unsafe header = unsafe grown
    head = 0
    tail = used
    return unsafe Self.start(grown) + used
  }

  private static func start(_ header: UnsafeMutablePointer<Header>) -> UnsafeMutableRawPointer {
    unsafe UnsafeMutableRawPointer(header) + headerSize
  }

  /// What the allocation has in front of the bytes.
  private static var headerSize: Int { MemoryLayout<Header>.stride }

  /// The smallest one that is not below `count`, which is above 1.
  private static func powerOfTwo(_ count: Int) -> Int { 1 << (Int.bitWidth - (count - 1).leadingZeroBitCount) }

  /// Overwrites what is secret in `range`, which lies below the capacity.
  private static func wipeSecret(_ header: UnsafeMutablePointer<Header>, _ range: Range<Int>) {
    let end = unsafe Swift.min(range.upperBound, header.pointee.secretEnd)
    if end <= range.lowerBound { return }
    // Safe: the range lies inside the allocation.
    unsafe wipe(UnsafeMutableRawBufferPointer(start: start(header) + range.lowerBound, count: end - range.lowerBound))
  }

  private static func free(_ header: UnsafeMutablePointer<Header>, wiping range: Range<Int>) {
    unsafe wipeSecret(header, range)
    unsafe UnsafeMutableRawPointer(header).deallocate()
  }

  /// Capacity that an empty buffer keeps: one ordinary command line.
  private static let keptCapacity = 512
  private static let smallestSize = 128
}

/// Overwrites `range` of `bytes` with zeros. Never inlined and never optimised, so that the stores are not removed as dead.
@inline(never)
@_optimize(none)
func wipe(_ bytes: inout [UInt8], _ range: Range<Int>) {
  for index in range.clamped(to: bytes.indices) { bytes[index] = 0 }
}

/// Overwrites `bytes` with zeros. Never inlined and never optimised, so that the stores are not removed as dead.
@inline(never)
@_optimize(none)
func wipe(_ bytes: UnsafeMutableRawBufferPointer) {
  unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
}
