/// Bytes that arrived and were not yet consumed. The caller owns it; the machines parse from it and hand out events that
/// borrow it, so a handler may use its machine while it looks at an event.
///
/// Storage is one flat allocation whose address is stable until the next call that adds bytes. Nothing is allocated before
/// the first byte is added. An event stays valid until the next call that mutates the buffer, which the compiler checks.
@safe
public struct ReceiveBuffer: ~Copyable {
  // Invariant: 0 <= head <= head + reported <= tail <= capacity; `base` is nil exactly while `capacity` is 0.
  private var base: UnsafeMutableRawPointer?
  private var capacity = 0
  private var head = 0
  private var tail = 0
  /// Bytes at the front that the last event covers. They are dropped by the next call that looks at the buffer.
  private var reported = 0
  /// Where the bytes end that ``prepareForRead(suggested:)`` has lent; 0 where none are. No others become readable.
  private var lentEnd = 0
  /// Whether the reported bytes are overwritten when they are dropped.
  private var wipesReported = false
  /// Where the parts of the value that the last event covers lie.
  private var tape = Tape()
  /// What an event borrows that did not arrive last.
  private var lent: [UInt8] = []

  /// Whether ``close()`` was called: no further byte will come.
  public private(set) var isClosed = false

  /// Makes an empty buffer. `minimumCapacity` bytes are allocated at once; 0 allocates nothing.
  public init(minimumCapacity: Int = 0) {
    unsafe base = nil
    if minimumCapacity > 0 { reserve(minimumCapacity) }
  }

  deinit { unsafe base?.deallocate() }

  /// The bytes that no event has covered yet. Complexity: O(1).
  public var readable: Span<UInt8> {
    @_lifetime(borrow self) get {
      // Safe: the range lies inside the allocation by the invariant, its bytes were all written, and the borrow of `self`
      // keeps every mutation away while the span lives.
      let bytes = unsafe UnsafeRawBufferPointer(start: base.map { unsafe $0 + (head &+ reported) }, count: unread)
      let span = unsafe Span<UInt8>(_unsafeBytes: bytes)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// How many bytes ``readable`` has.
  public var unread: Int { tail &- head &- reported }

  /// Appends a copy of `bytes`. Complexity: O(`bytes.count`), amortised.
  public mutating func append(_ bytes: Span<UInt8>) {
    if bytes.isEmpty { return }
    let free = unsafe prepareForRead(suggested: bytes.count)
    unsafe bytes.withUnsafeBytes { source in
      // Safe: `prepareForRead` returned at least `bytes.count` writable bytes.
      unsafe free.copyMemory(from: source)
    }
    commitRead(bytes.count)
  }

  /// Free space of at least `suggested` bytes behind the unread ones, for a reader that wants a pointer (libuv's
  /// allocation callback). It stays valid until the next mutation; say how much was written with ``commitRead(_:)``.
  @unsafe public mutating func prepareForRead(suggested: Int) -> UnsafeMutableRawBufferPointer {
    discardReported()
    reserve(Swift.max(suggested, 1))
    lentEnd = capacity
    // Safe: `reserve` made `base` non-nil and `capacity - tail` at least `suggested`.
    return unsafe UnsafeMutableRawBufferPointer(start: base.map { unsafe $0 + tail }, count: capacity - tail)
  }

  /// Says that `count` bytes were written into what ``prepareForRead(suggested:)`` returned. A count that does not fit is
  /// cut to what does: without such a call since the last bytes were added, that is none.
  public mutating func commitRead(_ count: Int) {
    if count <= 0 { return }
    tail += Swift.min(count, Swift.max(lentEnd - tail, 0))
    lentEnd = 0
  }

  /// End of input. The machine that reads the buffer decides whether that was clean.
  public mutating func close() { isClosed = true }

  /// Drops everything and returns to the state of a new buffer; the allocation is kept for reuse.
  public mutating func reset() {
    discardReported()
    head = 0
    tail = 0
    reported = 0
    lentEnd = 0
    lent = []
    isClosed = false
  }

  /// Removes and returns the unread bytes: the tail to stash until more comes, or the bytes of the next protocol layer.
  /// Complexity: O(``unread``).
  public mutating func takeUnread() -> [UInt8] {
    discardReported()
    let count = unread
    // None: all empty arrays share one storage, which that initializer would write a count to, from whatever thread.
    let bytes =
      count == 0
      ? []
      : unsafe [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
        unsafe readable.withUnsafeBytes { source in
          // Safe: `target` has room for `count` bytes and does not overlap this allocation.
          unsafe UnsafeMutableRawBufferPointer(target).copyMemory(from: source)
        }
        initialized = count
      }
    head = 0
    tail = 0
    reported = 0
    lentEnd = 0
    lent = []
    return bytes
  }

  /// Marks the first `count` unread bytes as covered by the event about to be returned.
  mutating func report(_ count: Int) {
    discardReported()
    reported = Swift.min(count, tail - head)
  }

  /// As ``report(_:)``, where ``discardReported()`` was called since the last event.
  @inline(__always)
  mutating func reportNext(_ count: Int) {
    reported = Swift.min(count, tail &- head)
  }

  /// Lets `body` write the tape anew, from the unread bytes.
  @inline(__always)
  mutating func writeTape<Result>(_ body: (Span<UInt8>, inout Tape) -> Result) -> Result {
    tape.clear()
    // Safe: as `readable`. The tape is storage of its own, and nothing else can reach this buffer while `body` runs.
    let bytes = unsafe UnsafeRawBufferPointer(start: base.map { unsafe $0 + (head &+ reported) }, count: unread)
    let span = unsafe Span<UInt8>(_unsafeBytes: bytes)
    return body(span, &tape)
  }

  /// As ``writeTape(_:)``, from the bytes that the event about to be returned covers.
  mutating func writeTapeFromReported<Result>(_ body: (Span<UInt8>, inout Tape) -> Result) -> Result {
    tape.clear()
    // Safe: as `reportedBytes`, and as above.
    let bytes = unsafe UnsafeRawBufferPointer(start: base.map { unsafe $0 + head }, count: reported)
    let span = unsafe Span<UInt8>(_unsafeBytes: bytes)
    return body(span, &tape)
  }

  /// What the tape says of the event about to be returned.
  var reportedTape: Span<UInt64> {
    @_lifetime(borrow self) get {
      // Safe: the tape is a part of `self`, whose borrow keeps every mutation away.
      unsafe _overrideLifetime(tape.entries, borrowing: self)
    }
  }

  /// Keeps `bytes` for the event about to be returned: it tells once more what an earlier one was about.
  mutating func lend(_ bytes: [UInt8]) { lent = bytes }

  /// What ``lend(_:)`` was given last.
  var lentBytes: Span<UInt8> { @_lifetime(borrow self) get { lent.span } }

  /// Drops what the last event covered.
  @inline(__always)
  mutating func discardReported() {
    if wipesReported { wipeReported() }
    head &+= reported
    reported = 0
    if head == tail {
      head = 0
      tail = 0
    }
  }

  @inline(never)
  private mutating func wipeReported() {
    // Safe: `head + reported <= tail` by the invariant.
    unsafe wipe(UnsafeMutableRawBufferPointer(start: base.map { unsafe $0 + head }, count: reported))
    wipesReported = false
  }

  /// The reported bytes hold a secret: they are overwritten with zeros when they are dropped.
  mutating func wipeReportedWhenDropped() { wipesReported = true }

  /// Replaces the first `count` reported bytes, which are base64, by what they encode, and returns how many bytes that
  /// is: an event can then lend them. Nil where they are not base64, or not that many.
  mutating func decodeReportedBase64(_ count: Int) -> Int? {
    guard count >= 0, count <= reported, var bytes = Base64.decode(reportedBytes.extracting(first: count)) else {
      return nil
    }
    defer { wipe(&bytes, bytes.indices) }
    guard let base = unsafe base else { return 0 }
    for index in bytes.indices {
      // Safe: base64 is longer than what it encodes, so `index < count <= reported`.
      unsafe base.storeBytes(of: bytes[index], toByteOffset: head + index, as: UInt8.self)
    }
    return bytes.count
  }

  /// The bytes that the event about to be returned covers.
  var reportedBytes: Span<UInt8> {
    @_lifetime(borrow self) get {
      // Safe: as `readable`; `head + reported <= tail` by the invariant.
      let bytes = unsafe UnsafeRawBufferPointer(start: base.map { unsafe $0 + head }, count: reported)
      let span = unsafe Span<UInt8>(_unsafeBytes: bytes)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Makes room for `count` more bytes: by moving the unread ones to the front where that is cheap or frees at least half
  /// of the storage, else by doubling. Either way a byte is moved a constant number of times, amortised. Few unread bytes
  /// are moved even where there is room, so that the same storage is written again while caches have it.
  private mutating func reserve(_ count: Int) {
    let used = tail - head
    if capacity - tail >= count, head == 0 || head < used * 4 { return }
    if used + count <= capacity, used <= capacity / 2, let base = unsafe base {
      // Safe: both ranges lie inside the allocation; `copyMemory` allows overlap.
      unsafe base.copyMemory(from: base + head, byteCount: used)
    } else {
      let grown = Swift.max(used + count, capacity * 2)
      let new = UnsafeMutableRawPointer.allocate(byteCount: grown, alignment: 16)
      // Safe: `new` has room for `used` bytes and is fresh, so the ranges do not overlap.
      if let base = unsafe base {
        unsafe new.copyMemory(from: base + head, byteCount: used)
        unsafe base.deallocate()
      }
      unsafe base = unsafe new
      capacity = grown
    }
    head = 0
    tail = used
  }
}
