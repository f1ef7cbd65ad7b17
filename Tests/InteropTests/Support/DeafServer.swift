#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif
import Foundation
import Synchronization

private let systemClose: @Sendable (Int32) -> Int32 = { close($0) }

/// A server that does what it is told, on one connection, until LOGOUT: to that it says nothing.
final class DeafServer: Sendable {
  let port: UInt16
  private let listener: Listener
  private let loggedOut: AsyncStream<Void>

  /// The listening socket while there is one.
  private final class Listener: Sendable {
    let descriptor: Int32
    private let isOpen = Mutex(true)

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Whoever waits for a client waits no more.
    func end() { isOpen.withLock { if $0 { _ = shutdown(descriptor, Int32(SHUT_RDWR)) } } }

    /// Nobody waits for a client.
    func close() {
      isOpen.withLock { isOpen in
        if isOpen { _ = systemClose(descriptor) }
        isOpen = false
      }
    }
  }

  init() throws {
    let (descriptor, port) = try FreePort.listener()
    self.port = port
    listener = Listener(descriptor)
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
    loggedOut = stream
    Thread.detachNewThread { [listener] in
      let client = accept(listener.descriptor, nil, nil)
      listener.close()
      guard client >= 0 else { return continuation.finish() }
      Self.say("* PREAUTH [CAPABILITY IMAP4rev1] deaf\r\n", client)
      var buffer: [UInt8] = []
      var chunk = [UInt8](repeating: 0, count: 1024)
      while true {
        let count = unsafe recv(client, &chunk, chunk.count, 0)
        if count <= 0 { break }
        buffer += chunk.prefix(count)
        while let end = buffer.firstIndex(of: 0x0a) {
          let words = String(decoding: buffer[..<end], as: UTF8.self).split(whereSeparator: \.isWhitespace)
          buffer.removeFirst(end + 1)
          guard words.count > 1 else { continue }
          if words[1] == "LOGOUT" {
            continuation.yield()
          } else {
            let untagged = words[1] == "EXAMINE" ? "* 0 EXISTS\r\n" : ""
            Self.say("\(untagged)\(words[0]) OK done\r\n", client)
          }
        }
      }
      close(client)
      continuation.finish()
    }
  }

  deinit { listener.end() }

  /// Returns when LOGOUT has come, or the client has gone.
  func isAskedToLogOut() async {
    for await _ in loggedOut { return }
  }

  private static func say(_ text: String, _ client: Int32) {
    let bytes = Array(text.utf8)
    _ = unsafe send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }
}
