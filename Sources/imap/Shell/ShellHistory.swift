import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The lines that were typed, in a file that only their user can read. Where that cannot be written they are kept no longer
/// than the program runs: nobody is bothered with it.
struct ShellHistory {
  let path: String

  /// The file of this user.
  init(_ variables: [String: String]) {
    let state = variables["XDG_STATE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    path = (state ?? (variables["HOME"] ?? NSHomeDirectory()) + "/.local/state") + "/imap/history"
  }

  /// The lines of earlier times, the oldest first. A file that has grown long is made shorter.
  func lines() -> [String] {
    guard let data = FileManager.default.contents(atPath: path) else { return [] }
    let all = String(decoding: data, as: UTF8.self).split(separator: "\n").map { String($0) }
    let lines = Array(all.suffix(Self.most))
    if all.count > Self.most * 2, let file = try? PartFile(path, overwrites: true, mode: 0o600) {
      let text = lines.map { $0 + "\n" }.joined()
      if (try? Console.bytes(Array(text.utf8), to: file.descriptor)) != nil { try? file.commit() }
    }
    return lines
  }

  /// Adds a line. Several shells may do so at a time.
  func append(_ line: String) {
    try? FileManager.default.createDirectory(
      atPath: FilePath.folder(path), withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let descriptor = unsafe open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    if descriptor < 0 { return }
    defer { close(descriptor) }
    // One that somebody else has made.
    fchmod(descriptor, 0o600)
    try? Console.bytes(Array((line + "\n").utf8), to: descriptor)
  }

  /// Whether `line` is kept: not where it begins with a space, and not where it may hold a secret.
  static func keeps(_ line: String) -> Bool {
    guard let first = line.first, !first.isWhitespace else { return false }
    let words = ShellLine(line).words.map { $0.text.lowercased() }
    if words.first == "raw", words.contains(where: { Self.secret.contains($0) }) { return false }
    return !words.contains { $0.contains("password") || $0.contains("passwd") || $0.contains("secret") }
  }

  /// Commands that are refused, but not before they were typed.
  private static let secret: Set<String> = ["login", "authenticate", "proxyauth", "setpass"]
  private static let most = 1000
}
