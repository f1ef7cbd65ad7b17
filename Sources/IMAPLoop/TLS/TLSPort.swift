internal import CSSL

/// Where OpenSSL reads its ciphertext from and writes it to. One for all TLS sessions of a loop: only one session works at a
/// time, and it takes all the input that there is and leaves no output behind.
///
/// The BIO reads straight from the buffer that the socket was read into. A memory BIO would copy every byte once more and
/// keep its high-water mark with each connection.
@safe
final class TLSPort {
  /// Ciphertext that the peer must get. Take it after each operation.
  private(set) var output: [UInt8] = []
  /// Where sessions go that OpenSSL makes while it works. Each engine sets it before it lets OpenSSL do anything.
  var sessions: TLSSessionRing?
  /// Why the user's function refused a certificate just now.
  var refusal: String?

  fileprivate let bio: OpaquePointer?
  private var input = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  private var offset = 0
  private let memory: UnsafeMutableRawBufferPointer

  /// `readSize` bytes are allocated for ciphertext that a socket reads.
  init(readSize: Int = 0) {
    unsafe bio = BIO_new(Self.method.pointer)
    unsafe memory = .allocate(byteCount: readSize, alignment: 16)
    unsafe BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
  }

  deinit {
    // Sessions hold references to the BIO; none may use it without its port.
    unsafe BIO_set_data(bio, nil)
    unsafe BIO_free(bio)
    unsafe memory.deallocate()
  }

  /// Memory that a socket may read ciphertext into.
  @unsafe var readBuffer: UnsafeMutableRawBufferPointer { unsafe memory }

  /// Ciphertext that no session has taken yet.
  var unreadInput: Int { unsafe input.count - offset }

  /// Lets `body` work with a session whose input is the first `count` bytes of ``readBuffer``.
  func withReadBuffer<Result, Failure: Error>(
    _ count: Int, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    unsafe input = UnsafeRawBufferPointer(rebasing: memory[..<min(count, memory.count)])
    offset = 0
    defer { dropInput() }
    return try body()
  }

  /// Lets `body` work with a session whose input is `bytes`.
  func withInput<Result, Failure: Error>(
    _ bytes: Span<UInt8>, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // Safe: the pointer is dropped before the borrow of `bytes` ends.
    try unsafe bytes.withUnsafeBytes { bytes throws(Failure) in
      unsafe input = bytes
      offset = 0
      defer { dropInput() }
      return try body()
    }
  }

  /// Empties ``output`` and keeps its memory, unless a burst has made that large.
  func clearOutput() { output.removeAll(keepingCapacity: output.capacity <= 256 * 1024) }

  /// Takes ``output`` out.
  func takeOutput() -> [UInt8] {
    var bytes: [UInt8] = []
    swap(&bytes, &output)
    return bytes
  }

  /// The port that a session of OpenSSL works on.
  static func of(_ ssl: OpaquePointer) -> TLSPort? { unsafe of(SSL_get_rbio(ssl)) }

  /// Gives a session its own reference to the BIO, as both ends.
  func attach(to ssl: OpaquePointer) {
    unsafe BIO_up_ref(bio)
    unsafe SSL_set_bio(ssl, bio, bio)
  }

  private func dropInput() {
    unsafe input = UnsafeRawBufferPointer(start: nil, count: 0)
    offset = 0
  }

  fileprivate func read(_ target: UnsafeMutableRawBufferPointer) -> Int {
    let count = min(unreadInput, target.count)
    // Safe: both have at least `count` bytes.
    unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: input[offset..<offset + count]))
    offset += count
    return count
  }

  fileprivate func write(_ bytes: UnsafeRawBufferPointer) { unsafe output.append(contentsOf: bytes) }

  /// `BIO_clear_retry_flags`
  private static var retryFlags: Int32 {
    BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_IO_SPECIAL | BIO_FLAGS_SHOULD_RETRY
  }

  @safe
  private struct Method: @unchecked Sendable {
    // Written before anybody can see it, then only read.
    let pointer: OpaquePointer?
  }

  private static let method: Method = {
    let method = unsafe BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "imap connection")
    unsafe BIO_meth_set_create(method) { bio in
      unsafe BIO_set_init(bio, 1)
      return 1
    }
    unsafe BIO_meth_set_read(method) { bio, target, count in
      unsafe BIO_clear_flags(bio, TLSPort.retryFlags)
      guard let port = unsafe TLSPort.of(bio), let target = unsafe target, count > 0 else { return -1 }
      let taken = unsafe port.read(UnsafeMutableRawBufferPointer(start: target, count: Int(count)))
      if taken > 0 { return Int32(taken) }
      unsafe BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
      return -1
    }
    unsafe BIO_meth_set_write(method) { bio, bytes, count in
      unsafe BIO_clear_flags(bio, TLSPort.retryFlags)
      guard let port = unsafe TLSPort.of(bio), let bytes = unsafe bytes, count > 0 else { return -1 }
      unsafe port.write(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
      return count
    }
    unsafe BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
    return unsafe Method(pointer: method)
  }()

  private static func of(_ bio: OpaquePointer?) -> TLSPort? {
    // Safe: set by `init` and taken away by `deinit`.
    unsafe BIO_get_data(bio).map { unsafe Unmanaged<TLSPort>.fromOpaque($0).takeUnretainedValue() }
  }
}
