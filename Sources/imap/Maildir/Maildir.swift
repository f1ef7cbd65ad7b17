import Foundation
import IMAPStateMachine

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A failure of the disk: other mailboxes would fare no better.
struct DiskFailure: Error {
  var failure: Failure
}

private let systemRename: @Sendable (UnsafePointer<CChar>, UnsafePointer<CChar>) -> Int32 = { unsafe rename($0, $1) }

/// A mailbox as a Maildir folder: a file a message, whose name says which message of which mailbox it is and what flags it
/// has: `VALIDITY.UID.imap:2,FS`. So there is no other state, and what is there need not be fetched again.
struct Maildir {
  let path: String

  /// A message that is there.
  struct Entry: Equatable {
    /// Of the mailbox that it was fetched from.
    var uidValidity: UInt64
    var uid: UInt32
    /// The letters of its flags, in order.
    var flags: String

    var name: String { "\(uidValidity).\(uid).imap:2,\(flags)" }

    init(uidValidity: UInt64, uid: UInt32, flags: String) {
      self.uidValidity = uidValidity
      self.uid = uid
      self.flags = flags
    }

    /// Nil where the file is somebody else's.
    init?(name: String) {
      guard let match = name.wholeMatch(of: /(\d+)\.(\d+)\.imap:2,([A-Za-z]*)/), let validity = UInt64(match.1),
        let uid = UInt32(match.2)
      else { return nil }
      self.init(uidValidity: validity, uid: uid, flags: String(match.3))
    }
  }

  /// The folder of `mailbox` below `root`, which is there, as Maildir++ has it: INBOX is the root itself, others are
  /// `.Name.Part`.
  init(_ root: String, mailbox: MailboxName, delimiter: Character?) throws {
    if mailbox == .inbox {
      path = root
    } else {
      path = root + "/" + Self.folder(mailbox, delimiter)
    }
    for name in ["", "/tmp", "/new", "/cur"] {
      if unsafe mkdir(path + name, 0o777) != 0, errno != EEXIST {
        throw Self.failure(errno, "cannot make the folder \(path)\(name)")
      }
      // Before anything is fetched: the folders of others may be written to.
      if !name.isEmpty, unsafe access(path + name, W_OK | X_OK) != 0 {
        throw Self.failure(errno, "cannot write in \(path)\(name)")
      }
    }
  }

  /// Makes the folder that all are in.
  static func makeRoot(_ path: String) throws(Failure) {
    do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
      throw Failure(.file, "cannot make the folder \(path); check its name and its rights")
    }
  }

  /// A name that is one folder, and no other mailbox's: dots, slashes and empty parts are never the file system's.
  static func folder(_ mailbox: MailboxName, _ delimiter: Character?) -> String {
    var name = "."
    var isAtStart = true
    // By scalars: a slash with an accent behind it is no slash to String, but one to the file system.
    let scalars = String(decoding: mailbox.bytes, as: UTF8.self).unicodeScalars
    for (index, scalar) in zip(scalars.indices, scalars) {
      if Character(scalar) == delimiter, !isAtStart {
        name += "."
        isAtStart = true
        continue
      }
      isAtStart = false
      if isEscaped(scalar) || looksEscaped(scalars[index...]) {
        // As modified UTF-7 would have it, were that allowed for ASCII; readable for who looks for it.
        name += "&x" + String(scalar.value, radix: 16) + "-"
      } else {
        name.unicodeScalars.append(scalar)
      }
    }
    return name == "." ? ".&-" : name
  }

  private static func isEscaped(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "." || scalar == "/" || Console.printable(String(scalar)) != String(scalar)
  }

  /// Whether `text` starts as what ``folder(_:_:)`` writes for another character. Any other ampersand is one of modified UTF-7 and
  /// stays readable.
  private static func looksEscaped(_ text: Substring.UnicodeScalarView) -> Bool {
    guard text.starts(with: "&x".unicodeScalars), let end = text.firstIndex(of: "-") else { return false }
    let digits = String(text[..<end].dropFirst(2))
    // Some characters are written in this way in modified UTF-7, too: U+C78E is &x44-, and no escape.
    guard let value = UInt32(digits, radix: 16), String(value, radix: 16) == digits,
      let scalar = Unicode.Scalar(value)
    else { return false }
    return scalar == "&" || isEscaped(scalar)
  }

  /// The name of a file in `tmp`, which no other run takes, whatever host that is on (the Maildir format's `time.unique.host`).
  static func partName() -> String {
    let random = String(UInt64.random(in: 0 ... .max), radix: 36)
    return "\(time(nil)).\(getpid())_\(random).\(host).imap"
  }

  /// Whether `name`, of a file in `tmp`, is that of a message that nobody writes any more.
  private func isLeft(_ name: String) -> Bool {
    // Those of earlier versions are named by a process alone, which may be one of another host.
    guard let match = name.wholeMatch(of: /(?:\d+\.(\d+)_\w+\.(.+)|\d+)\.imap/) else { return false }
    if let process = match.1.flatMap({ pid_t($0) }), let host = match.2, host == Self.host, host != Self.anyHost,
      kill(process, 0) != 0, errno == ESRCH
    {
      return true
    }
    var information = stat()
    guard unsafe lstat("\(path)/tmp/\(name)", &information) == 0 else { return false }
    #if canImport(Darwin)
      let touched = max(information.st_atimespec.tv_sec, information.st_mtimespec.tv_sec)
    #else
      let touched = max(information.st_atim.tv_sec, information.st_mtim.tv_sec)
    #endif
    // "Files that have not been accessed in 36 hours" (the Maildir format).
    return touched < time(nil) - 36 * 3600
  }

  /// The name of this host, as it may be in the name of a file.
  private static let host: String = {
    var bytes = [CChar](repeating: 0, count: 256)
    guard unsafe gethostname(&bytes, bytes.count - 1) == 0 else { return anyHost }
    let name = String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // The Maildir format writes the two that it cannot have in this way.
    let host = name.replacing("/", with: "\\057").replacing(":", with: "\\072").prefix(64)
    return host.isEmpty ? anyHost : String(host)
  }()

  /// What hosts are called that have no name of their own.
  private static let anyHost = "localhost"

  /// The messages that are there, and the files that a run before this one did not finish are not any more.
  func entries() throws(Failure) -> [Entry] {
    do {
      for name in try FileManager.default.contentsOfDirectory(atPath: path + "/tmp") {
        if isLeft(name) { unsafe unlink("\(path)/tmp/\(name)") }
      }
      return try FileManager.default.contentsOfDirectory(atPath: path + "/cur").compactMap { Entry(name: $0) }
    } catch {
      throw Failure(.file, "cannot read the folder \(path)")
    }
  }

  func rename(_ old: Entry, to new: Entry) throws {
    if unsafe systemRename("\(path)/cur/\(old.name)", "\(path)/cur/\(new.name)") != 0 {
      throw Self.failure(errno, "cannot write in \(path)")
    }
  }

  func remove(_ entry: Entry) throws {
    if unsafe unlink("\(path)/cur/\(entry.name)") != 0, errno != ENOENT {
      throw Self.failure(errno, "cannot write in \(path)")
    }
  }

  private static func failure(_ code: Int32, _ what: String) -> any Error {
    let failure = Failure(.file, "\(what): \(unsafe String(cString: strerror(code)))")
    return [ENOSPC, EDQUOT, EROFS, EIO].contains(code) ? DiskFailure(failure: failure) : failure
  }

  /// The letters of flags (the Maildir format's `info`).
  static func letters(_ flags: [MessageFlag]) -> String {
    let known: [(MessageFlag, Character)] = [
      (.draft, "D"), (.flagged, "F"), (.answered, "R"), (.seen, "S"), (.deleted, "T"),
    ]
    return String(known.filter { flags.contains($0.0) }.map(\.1))
  }
}
