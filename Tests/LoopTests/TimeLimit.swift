import Foundation
import Testing

// One file for all test targets, each of which has a link to it: nothing else is worth a module of its own.

/// Times the `TIME_LIMIT_FACTOR` of the environment: a build with a sanitizer takes many times as long. Read here and nowhere else.
private let factor = max(1, Int(ProcessInfo.processInfo.environment["TIME_LIMIT_FACTOR"] ?? "") ?? 1)

extension TimeLimitTrait.Duration {
  /// What the library's own method of this name gives, times the factor.
  static func minutes(_ minutes: Int) -> Self { .minutes(UInt64(max(0, minutes * factor))) }
}
