/// Bytes that must not be shown: passwords and tokens. Descriptions are redacted and the bytes are zeroed when the last
/// reference goes away.
public struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  private let storage: Storage

  /// Takes a copy of `bytes`. Zero your own when you no longer need them.
  public init(_ bytes: some Sequence<UInt8>) { storage = Storage(Array(bytes)) }

  /// Takes the UTF-8 of `text`.
  public init(_ text: String) { storage = Storage(Array(text.utf8)) }

  /// How many bytes the secret has.
  public var count: Int { storage.bytes.count }

  /// Lends the bytes to `body`, which must not keep them.
  public func withBytes<Result, Failure: Error>(
    _ body: (Span<UInt8>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // A second reference to the same bytes, not a copy: it is gone before `storage` can be.
    let bytes = storage.bytes
    return try body(bytes.span)
  }

  /// Always the same word.
  public var description: String { "<redacted>" }
  /// Always the same word.
  public var debugDescription: String { "<redacted>" }
  /// No children: `dump` shows nothing.
  public var customMirror: Mirror { Mirror(self, children: [:]) }

  /// Compares the bytes, in time that depends on their number only.
  public static func == (left: Secret, right: Secret) -> Bool {
    if left.count != right.count { return false }
    var difference: UInt8 = 0
    for index in left.storage.bytes.indices { difference |= left.storage.bytes[index] ^ right.storage.bytes[index] }
    return difference == 0
  }

  /// Hashes the length only: a hash must not tell anything about the bytes.
  public func hash(into hasher: inout Hasher) { hasher.combine(count) }

  private final class Storage: @unchecked Sendable {
    // Written by `init` and `deinit` only, where no other reference exists.
    var bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    deinit { wipe(&bytes, bytes.indices) }
  }
}
