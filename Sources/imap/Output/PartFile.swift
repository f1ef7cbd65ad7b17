import Foundation

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
  private let mode: mode_t

  /// Starts the file that shall be called `path`. What the process's mask takes away from `mode` it does not have.
  init(_ path: String, overwrites: Bool, mode: mode_t = 0o666) throws(Failure) {
    self.path = path
    self.overwrites = overwrites
    self.mode = mode
    if !overwrites, unsafe access(path, F_OK) == 0 { throw Self.taken(path) }
    let folder = (path as NSString).deletingLastPathComponent
    // A name of its own, short enough for every file system.
    var template = Array(((folder.isEmpty ? "." : folder) + "/.imap-XXXXXX").utf8CString)
    descriptor = unsafe template.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return -1 }
      return unsafe mkstemp(base)
    }
    let code = errno
    partPath = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    if descriptor < 0 { throw Self.failure(path, code) }
  }

  deinit {
    if descriptor < 0 { return }
    close(descriptor)
    unsafe unlink(partPath)
  }

  /// Gives the file its name.
  func commit() throws(Failure) {
    // As files are made otherwise; mkstemp lets nobody else read them.
    let mask = umask(0)
    umask(mask)
    fchmod(descriptor, mode & ~mask)
    if fsync(descriptor) != 0, errno != EINVAL { throw Self.failure(path, errno) }
    if overwrites {
      if unsafe rename(partPath, path) != 0 { throw Self.failure(path, errno) }
      return
    }
    if unsafe link(partPath, path) == 0 { return }
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
