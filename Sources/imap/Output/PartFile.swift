#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file that appears under its name when it is complete, and never before: it is written beside that under a hidden name,
/// which goes away with this object. What is no file, as a device or a pipe, stays what it is and is written to.
final class PartFile: Sendable {
  let descriptor: Int32
  /// As the user has named it.
  private let path: String
  /// Where its links lead: they stay.
  private let target: String
  /// Nil where there is no file beside it.
  private let partPath: String?
  private let overwrites: Bool

  /// Starts the file that shall be called `path`. Without a `mode` it has that of the file that it replaces. What the process's mask
  /// takes away from `mode` it does not have, and so it is with a new file.
  init(_ path: String, overwrites: Bool, mode: mode_t? = nil) throws(Failure) {
    self.path = path
    self.overwrites = overwrites
    if !overwrites, unsafe access(path, F_OK) == 0 { throw Self.taken(path) }
    if overwrites, Self.isNoFile(path) {
      (target, partPath) = (path, nil)
      // A folder cannot be written to, and the system says so.
      descriptor = unsafe open(path, O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC)
    } else {
      let target = overwrites ? try Self.target(path) : path
      // A name of its own, short enough for every file system.
      let part = FilePath.folder(target) + "/.imap-" + String(UInt64.random(in: 0 ... .max), radix: 36)
      (self.target, partPath) = (target, part)
      let replaced = overwrites && mode == nil ? Self.information(target) : nil
      // Not mkstemp: to read the process's mask for its file one has to change it, for all threads.
      descriptor = unsafe open(
        part, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode ?? (replaced == nil ? 0o666 : 0o600))
      if descriptor >= 0, let replaced { Self.takeOver(replaced, descriptor) }
    }
    if descriptor < 0 { throw Self.failure(path, errno) }
  }

  deinit {
    if descriptor < 0 { return }
    close(descriptor)
    if let partPath { unsafe unlink(partPath) }
  }

  /// Gives the file its name, once its bytes are where a power cut does not take them.
  func commit() throws(Failure) {
    // Not everything can be told to: pipes and terminals cannot.
    if fsync(descriptor) != 0, errno != EINVAL, errno != ENOTSUP { throw Self.failure(path, errno) }
    guard let partPath else { return }
    try name(partPath)
    // The name, too.
    let folder = unsafe open(FilePath.folder(target), O_RDONLY | O_CLOEXEC)
    if folder < 0 { return }
    fsync(folder)
    close(folder)
  }

  private func name(_ partPath: String) throws(Failure) {
    if overwrites {
      if unsafe rename(partPath, target) != 0 { throw Self.failure(path, errno) }
      return
    }
    if unsafe link(partPath, path) == 0 {
      // Not left to the end of this object, which an interruption may prevent.
      unsafe unlink(partPath)
      return
    }
    if errno == EEXIST { throw Self.taken(path) }
    // A file system without links: another program may take the name in this moment.
    if unsafe access(path, F_OK) == 0 { throw Self.taken(path) }
    if unsafe rename(partPath, path) != 0 { throw Self.failure(path, errno) }
  }

  /// Nil where nothing is there.
  private static func information(_ path: String) -> stat? {
    var information = stat()
    return unsafe stat(path, &information) == 0 ? information : nil
  }

  /// Gives the file that is `descriptor` the owner and the rights of `old`, or fewer: a file system may know neither.
  private static func takeOver(_ old: stat, _ descriptor: Int32) {
    var mode = old.st_mode & 0o777
    if fchown(descriptor, old.st_uid, old.st_gid) != 0, fchown(descriptor, uid_t.max, old.st_gid) != 0 {
      // It is of another group, which has no part in what the old one could do.
      mode &= ~0o070
    }
    fchmod(descriptor, mode)
  }

  /// Whether something is there that has no bytes of its own to be replaced.
  private static func isNoFile(_ path: String) -> Bool {
    guard let information = Self.information(path) else { return false }
    if information.st_mode & S_IFMT != S_IFREG { return true }
    // A file that this program's output goes to, as /dev/stdout may name one.
    return [STDOUT_FILENO, STDERR_FILENO].contains { descriptor in
      var output = stat()
      return unsafe fstat(descriptor, &output) == 0 && output.st_dev == information.st_dev
        && output.st_ino == information.st_ino
    }
  }

  /// What `path` leads to by symbolic links, which need not be there.
  private static func target(_ path: String) throws(Failure) -> String {
    var target = path
    for _ in 0..<40 {
      var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
      let count = unsafe readlink(target, &bytes, bytes.count)
      // No link, or nothing.
      if count < 0 { return target }
      guard let link = String(validating: bytes.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) else {
        throw failure(path, EILSEQ)
      }
      target = link.utf8.first == UInt8(ascii: "/") ? link : FilePath.folder(target) + "/" + link
    }
    throw failure(path, ELOOP)
  }

  private static func taken(_ path: String) -> Failure {
    Failure(.file, "\(path) is there already; choose another name, or give --force to replace it")
  }

  private static func failure(_ path: String, _ code: Int32) -> Failure {
    Failure(.file, "cannot write \(path): \(unsafe String(cString: strerror(code)))")
  }
}
