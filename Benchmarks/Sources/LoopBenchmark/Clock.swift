import Glibc

/// The clocks of the benchmark.
enum Clock {
  /// Nanoseconds of the monotonic clock, which all processes share.
  static var now: UInt64 { read(CLOCK_MONOTONIC) }

  /// Nanoseconds that this process has computed, in the kernel too, on all of its threads.
  static var processCPU: UInt64 { read(CLOCK_PROCESS_CPUTIME_ID) }

  /// The same of this thread.
  static var threadCPU: UInt64 { read(CLOCK_THREAD_CPUTIME_ID) }

  /// Nanoseconds of this thread in the program and in the kernel. The kernel divides them by where it finds the thread when its
  /// clock ticks, every few milliseconds.
  static var threadTimes: (user: UInt64, system: UInt64) {
    var usage = rusage()
    // RUSAGE_THREAD, which headers without _GNU_SOURCE leave out.
    unsafe getrusage(1, &usage)
    return (nanoseconds(usage.ru_utime), nanoseconds(usage.ru_stime))
  }

  private static func nanoseconds(_ time: timeval) -> UInt64 {
    UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_usec) * 1000
  }

  private static func read(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

/// The time in an EXISTS count: tenths of a microsecond since a moment that both processes know. It only grows, as mailboxes do,
/// and 32 bits last for seven minutes.
struct Stamp {
  let base: UInt64

  /// Nanoseconds of one step.
  static var step: UInt64 { 100 }

  /// The count that says what time it is.
  var now: UInt32 { UInt32(clamping: (Clock.now &- base) / Self.step) }

  /// Nanoseconds since the moment that `count` says.
  func age(of count: UInt32) -> UInt64 {
    let sent = base &+ UInt64(count) * Self.step
    let now = Clock.now
    return now > sent ? now - sent : 0
  }
}

/// Memory of this process.
enum Memory {
  /// Resident bytes.
  static var resident: Int {
    guard let file = unsafe fopen("/proc/self/statm", "r") else { return 0 }
    defer { unsafe _ = fclose(file) }
    var text = [CChar](repeating: 0, count: 128)
    guard unsafe fgets(&text, Int32(text.count), file) != nil else { return 0 }
    let fields = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }.split(separator: UInt8(ascii: " "))
    guard fields.count > 1, let pages = Int(String(decoding: fields[1], as: UTF8.self)) else { return 0 }
    return pages * Int(getpagesize())
  }
}

/// Why a benchmark cannot be run, or its figures cannot be trusted.
struct BenchmarkError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// Prints one line whose fields are separated by tabs, at once.
func report(_ fields: any CustomStringConvertible...) {
  print(fields.map(\.description).joined(separator: "\t"))
  fflush(nil)
}
