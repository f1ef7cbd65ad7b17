import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A server that says what a function makes of all that a client has said since the last answer; one client at a time.
final class FunctionServer: Sendable {
  let port: UInt16
  private let listener: Int32
  private let isEnded = Mutex(false)

  /// Starts it. `answer` returns nil as long as it wants to hear more, and hangs up by a NUL at the end. `greeting` is said
  /// first.
  init(greeting: String = "", _ answer: @escaping @Sendable (String) -> String?) throws {
    let (listener, port) = try FreePort.listener()
    self.listener = listener
    self.port = port
    Thread.detachNewThread { [self] in
      while case let connection = accept(listener, nil, nil), connection >= 0 {
        if isEnded.withLock(\.self) { break }
        Self.talk(connection, greeting, answer)
        close(connection)
      }
      close(listener)
    }
  }

  /// Takes no more clients.
  func end() {
    isEnded.withLock { $0 = true }
    if let connection = FreePort.connection(to: port) { close(connection) }
  }

  private static func talk(_ connection: Int32, _ greeting: String, _ answer: (String) -> String?) {
    say(connection, greeting)
    var heard = ""
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = unsafe recv(connection, &buffer, buffer.count, 0)
      if count <= 0 { return }
      heard += String(decoding: buffer.prefix(count), as: UTF8.self)
      if let text = answer(heard) {
        heard = ""
        let isLast = text.hasSuffix("\0")
        say(connection, isLast ? String(text.dropLast()) : text)
        // As servers do behind BYE.
        if isLast || text.hasPrefix("* BYE") { return }
      }
    }
  }

  private static func say(_ connection: Int32, _ text: String) {
    let bytes = Array(text.utf8)
    _ = unsafe send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }
}
