internal import CUV
import IMAPStateMachine

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Methods of the same name hide it.
let systemClose: @Sendable (Int32) -> Int32 = { close($0) }

/// A UNIX socket, or another descriptor that libuv takes for a pipe.
@safe
class PipeStream: UVStream {
  init(loop: EventLoop) throws(LoopError) {
    try unsafe super.init(loop: loop, size: MemoryLayout<uv_pipe_t>.size) { loop, memory in
      unsafe uv_pipe_init(loop, memory.assumingMemoryBound(to: uv_pipe_t.self), 0)
    }
  }

  /// Starts to connect to the socket at `path`; ``StreamOwner/streamConnected(_:error:)`` follows unless this throws.
  final func connect(toPath path: String) throws(LoopError) {
    // libuv would cut it, and connect to whatever has the shorter name.
    if path.utf8.count > Self.longestPath { throw LoopError(UV_ENAMETOOLONG.rawValue, "connect") }
    if path.isEmpty || path.utf8.contains(0) { throw LoopError(UV_EINVAL.rawValue, "connect") }
    let pipe = unsafe self.pipe
    try unsafe connect(to: path) { request, callback in
      unsafe uv_pipe_connect(request, pipe, path, callback)
      return 0
    }
  }

  /// Takes over a descriptor of this process's own, also where it throws.
  final func take(_ descriptor: Int32) throws(LoopError) {
    let status = unsafe uv_pipe_open(pipe, descriptor)
    if status == 0 { return }
    _ = systemClose(descriptor)
    throw LoopError(status, "open")
  }

  /// Takes over a descriptor that goes both ways.
  final func open(_ descriptor: Int32) throws(LoopError) {
    try unsafe check(uv_pipe_open(pipe, descriptor), "open")
    if unsafe uv_is_readable(stream) == 0 || uv_is_writable(stream) == 0 {
      throw LoopError(UV_EPERM.rawValue, "read and write")
    }
  }

  /// Bytes that the path of a socket may have: the system wants a zero behind them.
  static var longestPath: Int { MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1 }

  private final var pipe: UnsafeMutablePointer<uv_pipe_t> {
    unsafe UnsafeMutableRawPointer(stream).assumingMemoryBound(to: uv_pipe_t.self)
  }
}
