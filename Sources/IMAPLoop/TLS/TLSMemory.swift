internal import CSSL

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif

/// What OpenSSL takes for a moment with each record that it reads, and gives back: a buffer of 17 KiB, so that idle connections have
/// none, and a few bytes.
public enum TLSMemory {
  /// Lets OpenSSL keep such blocks for the next record, a few for each thread, instead of asking the C library each time. All
  /// others come from there as before. For programs with very many connections: a wake-up allocates nothing then.
  ///
  /// It is for all of the process, and OpenSSL allows it only as long as it has allocated nothing: call it at the start of
  /// `main`. Returns whether it is so; false where somebody has used OpenSSL before.
  @discardableResult
  public static func keepBlocks() -> Bool { isInstalled }

  private static let isInstalled =
    unsafe CRYPTO_set_mem_functions(
      { size, _, _ in unsafe allocate(size) },
      { block, size, _, _ in unsafe realloc(block, size) },
      { block, _, _ in unsafe release(block) }) == 1

  /// As `malloc`.
  @unsafe static func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
    guard let kind = Kind(requested: size) else { return unsafe malloc(size) }
    if let kept = unsafe KeptBlocks.current(), let block = unsafe kept.pointee.take(kind) { return unsafe block }
    return unsafe malloc(kind.size)
  }

  /// As `free`. Any block of `malloc` may come here that has the right size.
  @unsafe static func release(_ block: UnsafeMutableRawPointer?) {
    guard let block = unsafe block else { return }
    if let kind = unsafe Kind(usable: cssl_usable_size(block)), let kept = unsafe KeptBlocks.current(),
      unsafe kept.pointee.keep(block, kind)
    {
      return
    }
    unsafe free(block)
  }

  fileprivate enum Kind {
    /// A level of the writer that makes what a record's encryption also signs (`WPACKET`).
    case small
    /// A record of 16 KiB, and what is around it.
    case record

    init?(requested size: Int) {
      switch size {
      case 33...40: self = .small
      case 16_384...17_408: self = .record
      default: return nil
      }
    }

    /// The C library gives sixteen bytes more where a piece of that size would be left over.
    init?(usable size: Int) {
      switch size {
      case 40...56: self = .small
      case 17_408..<17_472: self = .record
      default: return nil
      }
    }

    /// What is asked of `malloc`: every block of a kind does for each request.
    var size: Int {
      switch self {
      case .small: 40
      case .record: 17_408
      }
    }
  }
}

/// The blocks of one thread, which live as long as it.
@safe
private struct KeptBlocks {
  private typealias Pair = (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?)

  // A record is read before the next begins: more than one is there only while one is written, too.
  private var records: Pair
  private var small: Pair

  mutating func take(_ kind: TLSMemory.Kind) -> UnsafeMutableRawPointer? {
    switch kind {
    case .small: unsafe Self.take(&small)
    case .record: unsafe Self.take(&records)
    }
  }

  mutating func keep(_ block: UnsafeMutableRawPointer, _ kind: TLSMemory.Kind) -> Bool {
    switch kind {
    case .small: unsafe Self.keep(block, &small)
    case .record: unsafe Self.keep(block, &records)
    }
  }

  /// Those of the thread that asks; nil where there is no memory for them.
  static func current() -> UnsafeMutablePointer<KeptBlocks>? {
    guard let key else { return nil }
    if let known = unsafe pthread_getspecific(key) {
      return unsafe known.assumingMemoryBound(to: KeptBlocks.self)
    }
    guard let memory = unsafe calloc(1, MemoryLayout<KeptBlocks>.stride) else { return nil }
    let made = unsafe memory.bindMemory(to: KeptBlocks.self, capacity: 1)
    if unsafe pthread_setspecific(key, made) == 0 { return unsafe made }
    unsafe free(made)
    return nil
  }

  private static let key: pthread_key_t? = {
    var key = pthread_key_t()
    let status = unsafe pthread_key_create(&key) { kept in
      let kept = unsafe kept?.assumingMemoryBound(to: KeptBlocks.self)
      while let block = unsafe kept?.pointee.take(.small) { unsafe free(block) }
      while let block = unsafe kept?.pointee.take(.record) { unsafe free(block) }
      unsafe free(kept)
    }
    return status == 0 ? key : nil
  }()

  private static func take(_ pair: inout Pair)
    -> UnsafeMutableRawPointer?
  {
    let block = unsafe pair.0 ?? pair.1
    if unsafe pair.0 != nil { unsafe pair.0 = nil } else { unsafe pair.1 = nil }
    return unsafe block
  }

  private static func keep(
    _ block: UnsafeMutableRawPointer, _ pair: inout Pair
  ) -> Bool {
    if unsafe pair.0 == nil {
      unsafe pair.0 = block
    } else if unsafe pair.1 == nil {
      unsafe pair.1 = block
    } else {
      return false
    }
    return true
  }
}
