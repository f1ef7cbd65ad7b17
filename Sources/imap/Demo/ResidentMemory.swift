import Foundation

/// How much memory of this process is in use.
enum ResidentMemory {
  /// Resident set size in bytes, as the kernel counts it; nil where it cannot be read.
  static var bytes: Int? {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .ascii) else { return nil }
    let fields = text.split(separator: " ")
    guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
    return pages * Int(getpagesize())
  }
}
