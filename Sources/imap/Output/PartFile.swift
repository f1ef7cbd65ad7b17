#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file that appears under its name when it is complete, and never before: it is written beside that under a hidden name,
/// which goes away with this object.
final class PartFile: Sendable {
  let descriptor: Int32
  private let path: String
  private let partPath: String
  private let overwrites: Bool

  /// Starts the file that shall be called `path`. What the process's mask takes away from `mode` it does not have.
  init(_ path: String, overwrites: Bool, mode: mode_t = 0o666) throws(Failure) {
    self.path = path
    self.overwrites = overwrites
    if !overwrites, unsafe access(path, F_OK) == 0 { throw Self.taken(path) }
    // A name of its own, short enough for every file system.
    let part = FilePath.folder(path) + "/.imap-" + String(UInt64.random(in: 0 ... .max), radix: 36)
    partPath = part
    // Not mkstemp: to read the process's mask for its file one has to change it, for all threads.
    descriptor = unsafe open(part, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode)
    if descriptor < 0 { throw Self.failure(path, errno) }
  }

  deinit {
    if descriptor < 0 { return }
    close(descriptor)
    unsafe unlink(partPath)
  }

  /// Gives the file its name, once its bytes are where a power cut does not take them.
  func commit() throws(Failure) {
    if fsync(descriptor) != 0, errno != EINVAL { throw Self.failure(path, errno) }
    try name()
    // The name, too.
    let folder = unsafe open(FilePath.folder(path), O_RDONLY | O_CLOEXEC)
    if folder < 0 { return }
    fsync(folder)
    close(folder)
  }

  private func name() throws(Failure) {
    if overwrites {
      if unsafe rename(partPath, path) != 0 { throw Self.failure(path, errno) }
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

  private static func taken(_ path: String) -> Failure {
    Failure(.file, "\(path) is there already; choose another name, or give --force to replace it")
  }

  private static func failure(_ path: String, _ code: Int32) -> Failure {
    Failure(.file, "cannot write \(path): \(unsafe String(cString: strerror(code)))")
  }
}
