internal import CZlib
import IMAPStateMachine

/// zlib's state to inflate one raw DEFLATE stream (RFC 1951). About 7 KB, and 32 KB more with the first byte.
@safe
final class Inflater {
  /// What one step came to.
  struct Step {
    /// Bytes of the input that were read.
    var read: Int
    /// Bytes that were written.
    var written: Int
    /// The stream said that this was its end.
    var isEnd: Bool
    /// Why it cannot go on.
    var failure: (code: Int32, text: String)?
  }

  /// Bytes that a peer may refer back to: what it has sent last.
  static var windowSize: Int { 32 * 1024 }

  private let stream: UnsafeMutablePointer<z_stream>

  /// Nil where there is no memory.
  static func make() -> Inflater? {
    // On the heap: zlib checks that the address stays the same.
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    if unsafe czlib_inflate_init(stream, -15) == Z_OK { return unsafe Inflater(stream) }
    unsafe stream.deallocate()
    return nil
  }

  private init(_ stream: UnsafeMutablePointer<z_stream>) { unsafe self.stream = stream }

  deinit {
    unsafe inflateEnd(stream)
    unsafe stream.deallocate()
  }

  /// Reads as much of `input` as fits into `output` inflated.
  func inflate(_ input: Span<UInt8>, into output: UnsafeMutableRawBufferPointer) -> Step {
    let (given, room) = (UInt32(clamping: input.count), UInt32(clamping: output.count))
    let status = unsafe input.withUnsafeBufferPointer { bytes -> Int32 in
      // Safe: zlib only reads from `next_in`, writes to `next_out` as many bytes as it may, and uses neither after the call.
      unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress)
      unsafe stream.pointee.avail_in = given
      unsafe stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: Bytef.self)
      unsafe stream.pointee.avail_out = room
      defer {
        unsafe stream.pointee.next_in = nil
        unsafe stream.pointee.next_out = nil
      }
      return unsafe CZlib.inflate(stream, Z_SYNC_FLUSH)
    }
    var step = unsafe Step(
      read: Int(given - stream.pointee.avail_in), written: Int(room - stream.pointee.avail_out),
      isEnd: status == Z_STREAM_END, failure: nil)
    switch status {
    // No progress was possible: not an error, says zlib.
    case Z_OK, Z_STREAM_END, Z_BUF_ERROR: break
    default:
      let text = unsafe stream.pointee.msg.map { unsafe String(cString: $0) }
      step.failure = (status, text ?? (status == Z_MEM_ERROR ? "no memory" : "broken stream"))
    }
    return step
  }

  /// Whether the last step has ended between two blocks and between two bytes, as behind a flush: all that the rest of the
  /// stream can depend on is the window then.
  var isAtBoundary: Bool {
    // `zlib.h`, at inflate(): the number of unused bits of the last byte, plus 64 in the last block, plus 128 right behind the
    // end of a block all of which was written.
    unsafe stream.pointee.data_type == 128
  }

  /// The last bytes that were inflated: all, or 32 KB of them.
  func window() -> [UInt8] {
    var count: UInt32 = 0
    unsafe inflateGetDictionary(stream, nil, &count)
    if count == 0 { return [] }
    return unsafe [UInt8](unsafeUninitializedCapacity: Int(count)) { target, initialized in
      // Safe: zlib writes the number of bytes that it has said.
      unsafe inflateGetDictionary(stream, target.baseAddress, &count)
      initialized = Int(count)
    }
  }

  /// Makes this the state of a stream at a boundary behind `window`. Returns whether it could.
  func restart(behind window: Span<UInt8>) -> Bool {
    if unsafe inflateReset(stream) != Z_OK { return false }
    if window.isEmpty { return true }
    return unsafe window.withUnsafeBufferPointer { bytes in
      // Safe: zlib copies the bytes.
      unsafe inflateSetDictionary(stream, bytes.baseAddress, UInt32(clamping: bytes.count)) == Z_OK
    }
  }
}

/// zlib's state to make one raw DEFLATE stream. 268 KB.
@safe
final class Deflater {
  private let stream: UnsafeMutablePointer<z_stream>
  private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 * 1024, alignment: 16)

  /// Nil where there is no memory.
  static func make(level: Int32 = Z_DEFAULT_COMPRESSION) -> Deflater? {
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    if unsafe czlib_deflate_init(stream, level, -15, 8) == Z_OK { return unsafe Deflater(stream) }
    unsafe stream.deallocate()
    return nil
  }

  private init(_ stream: UnsafeMutablePointer<z_stream>) { unsafe self.stream = stream }

  deinit {
    unsafe deflateEnd(stream)
    unsafe stream.deallocate()
    unsafe memory.deallocate()
  }

  /// Appends `input`, compressed and flushed, to `output`: the other end can inflate all of it, and what follows starts with a
  /// new block at a new byte. Returns zlib's status where it fails.
  func deflate(_ input: Span<UInt8>, into output: inout [UInt8]) -> Int32? {
    unsafe input.withUnsafeBufferPointer { bytes in
      // Safe: as in ``Inflater/inflate(_:into:)``.
      unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress)
      unsafe stream.pointee.avail_in = UInt32(clamping: bytes.count)
      defer {
        unsafe stream.pointee.next_in = nil
        unsafe stream.pointee.next_out = nil
      }
      repeat {
        unsafe stream.pointee.next_out = memory.baseAddress?.assumingMemoryBound(to: Bytef.self)
        unsafe stream.pointee.avail_out = UInt32(clamping: memory.count)
        let status = unsafe CZlib.deflate(stream, Z_SYNC_FLUSH)
        // What was to be flushed ended with the room: there is no more.
        if status != Z_OK, status != Z_BUF_ERROR { return status }
        let count = unsafe memory.count - Int(stream.pointee.avail_out)
        unsafe output.append(contentsOf: UnsafeRawBufferPointer(rebasing: memory[..<count]))
      } while unsafe stream.pointee.avail_out == 0
      return nil
    }
  }

  /// The last `count` bytes that were compressed, or as many as there were.
  func history(_ count: Int) -> [UInt8] {
    var kept: UInt32 = 0
    // Safe: the memory has the 32 KB that `zlib.h` says are always enough.
    unsafe deflateGetDictionary(stream, memory.baseAddress?.assumingMemoryBound(to: Bytef.self), &kept)
    let all = unsafe memory[..<min(Int(kept), memory.count)]
    return unsafe [UInt8](all.suffix(count))
  }

  /// Makes this the state of a stream that was flushed, and of which the last bytes were `history`: what follows may refer to
  /// these and to nothing before. The other end needs not know. Returns whether it could.
  func restart(behind history: Span<UInt8>) -> Bool {
    if unsafe deflateReset(stream) != Z_OK { return false }
    if history.isEmpty { return true }
    return unsafe history.withUnsafeBufferPointer { bytes in
      // Safe: zlib copies the bytes.
      unsafe deflateSetDictionary(stream, bytes.baseAddress, UInt32(clamping: bytes.count)) == Z_OK
    }
  }
}
