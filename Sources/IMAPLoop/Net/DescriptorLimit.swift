internal import CUV

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// How many file descriptors this process may have, and has. An open connection has one, a child process two, an ``EventLoop``
/// about four of its own; while a host that has two addresses is connected to there may be one more.
///
/// Ask before many connections are opened: those that find no descriptor fail, each by itself, when it is too late to choose.
///
/// ```swift
/// try DescriptorLimit.current?.check(connections: 15_000)
/// ```
public struct DescriptorLimit: Sendable, Hashable {
  /// How many there may be: the soft limit (`RLIMIT_NOFILE`), which `ulimit -n` shows and sets.
  public var limit: Int
  /// How many there are, whoever opened them.
  public var inUse: Int

  /// A limit of `limit`, of which `inUse` are in use.
  public init(limit: Int, inUse: Int) {
    self.limit = limit
    self.inUse = inUse
  }

  /// How many more there may be.
  public var available: Int { max(0, limit.subtractingReportingOverflow(inUse).partialValue) }

  /// Throws where there are not as many left as `connections` need. The error has the limit, how many are in use, how many are
  /// needed and how many are missing.
  public func check(connections: Int) throws(LoopError) {
    let available = self.available
    if connections <= available { return }
    throw LoopError(
      UV_EMFILE.rawValue, "open \(connections) connections",
      "\(connections) descriptors are needed, and of \(limit) that this process may have \(inUse) are in use: "
        + "\(connections - available) are missing; `ulimit -n` raises the limit")
  }

  /// What holds now; nil where the system does not say. Any thread may ask. Complexity: O(descriptors in use).
  public static var current: DescriptorLimit? {
    guard let soft else { return nil }
    return DescriptorLimit(limit: soft, inUse: listed ?? counted(below: soft))
  }

  /// Raises the limit of this process to `count`, or as far as the system lets it, which without a `count` is what is tried. It is
  /// never lowered. Returns the limit that holds then; nil where the system does not say.
  @discardableResult
  public static func raise(to count: Int = .max) -> Int? {
    guard let limit = system else { return nil }
    let wanted = min(rlim_t(clamping: max(0, count)), limit.rlim_max)
    if wanted > limit.rlim_cur { set(UInt(wanted)) }
    return soft
  }

  /// The soft limit; nil where the system does not say.
  static var soft: Int? { system.map { Int(clamping: $0.rlim_cur) } }

  /// Sets the soft limit, where it may be that.
  static func set(_ count: UInt) {
    guard var limit = system else { return }
    limit.rlim_cur = rlim_t(count)
    _ = unsafe setrlimit(resource, &limit)
  }

  private static var system: rlimit? {
    var limit = rlimit()
    return unsafe getrlimit(resource, &limit) == 0 ? limit : nil
  }

  #if canImport(Glibc)
    private static var resource: __rlimit_resource_t { __rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)) }
  #else
    private static var resource: Int32 { RLIMIT_NOFILE }
  #endif

  /// As the system lists them; nil where it cannot, for want of a descriptor for example.
  private static var listed: Int? {
    #if canImport(Glibc)
      let folder = unsafe opendir("/proc/self/fd")
    #else
      let folder = unsafe opendir("/dev/fd")
    #endif
    guard let folder = unsafe folder else { return nil }
    defer { unsafe _ = closedir(folder) }
    var count = 0
    while unsafe readdir(folder) != nil { count += 1 }
    // Without ".", ".." and what the list itself was read with.
    return max(0, count - 3)
  }

  /// Each is asked for. The bound keeps a limit of billions from taking for ever.
  private static func counted(below limit: Int) -> Int {
    (0..<Int32(clamping: min(limit, 1 << 20))).reduce(0) { fcntl($1, F_GETFD) >= 0 ? $0 + 1 : $0 }
  }
}
