#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif
import Foundation

/// A server that does what it is told, on one connection, until LOGOUT: to that it says nothing.
final class DeafServer: Sendable {
  let port: UInt16
  private let listener: Int32
  private let loggedOut: AsyncStream<Void>

  init() throws {
    (listener, port) = try FreePort.listener()
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
    loggedOut = stream
    Thread.detachNewThread { [listener] in
      let client = accept(listener, nil, nil)
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

  deinit { shutdown(listener, Int32(SHUT_RDWR)) }

  /// Returns when LOGOUT has come, or the client has gone.
  func isAskedToLogOut() async {
    for await _ in loggedOut { return }
  }

  private static func say(_ text: String, _ client: Int32) {
    let bytes = Array(text.utf8)
    _ = unsafe send(client, bytes, bytes.count, 0)
  }
}
