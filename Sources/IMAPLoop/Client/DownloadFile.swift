#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Why a download did not come about. What the server and the connection are to blame for is an ``IMAPError``.
public enum DownloadError: Error, Hashable, Sendable, CustomStringConvertible {
  /// There is no such message in the selected mailbox, or it has no such part.
  case missing(uid: UInt32, section: String)
  /// What lies behind 4 GiB can't be asked for: that is as far as servers must count (RFC 3501, section 9: `partial`). Only
  /// IMAP4rev2 makes them count further.
  case tooLarge(uid: UInt32, section: String)
  /// Another mailbox was opened between two pieces, or the same one with other UIDs: what would come is another message's.
  /// ``IMAPClient/withMailbox(_:readOnly:timeout:isolation:_:)`` keeps a mailbox open.
  case mailboxChanged(uid: UInt32, section: String)
  /// The file system refused `operation`, with the error number `code`. Nothing is under the name.
  case file(operation: String, path: String, code: Int32)

  /// One line for a person or a log.
  public var description: String {
    switch self {
    case .missing(let uid, let section):
      "message \(uid) has no part [\(section)], or is gone; fetch its structure again"
    case .mailboxChanged(let uid, let section):
      "another mailbox was opened in the middle of part [\(section)] of message \(uid)"
    case .tooLarge(let uid, let section): "part [\(section)] of message \(uid) is larger than 4 GiB"
    case .file(let operation, let path, let code):
      "cannot \(operation) \(path): \(unsafe String(cString: strerror(code)))"
    }
  }
}

/// A file that has its name once it is complete, and not before: until then it lies beside that under a hidden name, which goes
/// away with this object.
final class DownloadFile: Sendable {
  private let descriptor: Int32
  private let path: String
  private let folder: String
  private let partPath: String
  private let overwrites: Bool

  /// Starts the file that shall be called `path`.
  init(_ path: String, overwrites: Bool) throws(DownloadError) {
    self.path = path
    self.overwrites = overwrites
    if !overwrites, unsafe access(path, F_OK) == 0 {
      throw .file(operation: "create", path: path, code: EEXIST)
    }
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "./"
    self.folder = folder
    // Not mkstemp: to read the process's mask for its file one has to change it, for all threads.
    let part = folder + ".download-" + String(UInt64.random(in: 0 ... .max), radix: 36)
    partPath = part
    descriptor = unsafe open(part, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o666)
    if descriptor < 0 { throw .file(operation: "create", path: path, code: errno) }
  }

  deinit {
    if descriptor < 0 { return }
    close(descriptor)
    unsafe unlink(partPath)
  }

  func write(_ bytes: [UInt8]) throws(DownloadError) {
    var done = 0
    while done < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Self.write(descriptor, buffer.baseAddress.map { unsafe $0 + done }, buffer.count - done)
      }
      if count < 0, errno == EINTR { continue }
      if count <= 0 { throw .file(operation: "write", path: path, code: count < 0 ? errno : ENOSPC) }
      done += count
    }
  }

  /// Gives the file its name, once its bytes are where a power cut does not take them.
  func commit() throws(DownloadError) {
    if fsync(descriptor) != 0, errno != EINVAL { throw .file(operation: "write", path: path, code: errno) }
    if overwrites {
      if unsafe rename(partPath, path) != 0 { throw .file(operation: "rename to", path: path, code: errno) }
    } else if unsafe link(partPath, path) != 0 {
      let code = errno
      // A file system without links: another program may take the name in this moment.
      guard [EPERM, ENOTSUP, EOPNOTSUPP, ENOSYS].contains(code), unsafe access(path, F_OK) != 0 else {
        throw .file(operation: "create", path: path, code: unsafe access(path, F_OK) == 0 ? EEXIST : code)
      }
      if unsafe rename(partPath, path) != 0 { throw .file(operation: "create", path: path, code: errno) }
    }
    // The name, too.
    let directory = unsafe open(folder, O_RDONLY | O_CLOEXEC)
    if directory >= 0 {
      fsync(directory)
      close(directory)
    }
  }

  @unsafe private static func write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    #if canImport(Glibc)
      unsafe Glibc.write(descriptor, bytes, count)
    #else
      unsafe Darwin.write(descriptor, bytes, count)
    #endif
  }
}
