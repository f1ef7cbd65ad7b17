import CEdit

/// A pipe whose ends no program inherits.
enum PrivatePipe {
  /// Opens one; nil where the system refuses, and `errno` says why.
  static func open() -> (read: Int32, write: Int32)? {
    var ends: [Int32] = [-1, -1]
    return unsafe cedit_pipe(&ends) == 0 ? (ends[0], ends[1]) : nil
  }
}
