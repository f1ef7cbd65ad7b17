import Foundation

/// Paths as the system has them. NSString's own calls for these trap where a path has one character.
enum FilePath {
  /// The folder of what `path` names: `.` where the path has none.
  static func folder(_ path: String) -> String {
    // By bytes: a slash with an accent behind it is no slash to String.
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// `path` with `~` or `~user` at its start made the home that it stands for, where there is one.
  static func expanded(_ path: String) -> String {
    guard path.utf8.first == UInt8(ascii: "~") else { return path }
    let end = path.utf8.firstIndex(of: UInt8(ascii: "/")) ?? path.endIndex
    let user = String(path[path.utf8.index(after: path.startIndex)..<end])
    guard let home = user.isEmpty ? NSHomeDirectory() : NSHomeDirectoryForUser(user) else { return path }
    return home + path[end...]
  }
}
