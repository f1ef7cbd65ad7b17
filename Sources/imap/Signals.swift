import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Hears signals from the moment on that it is made until ``cancel()``, or until it goes away: they have no other effect
/// meanwhile.
///
/// By a handler that writes into a pipe. libdispatch's sources read a `signalfd`, which loses what comes while a thread does not
/// block the signal; and who ignores a signal instead hands that on to the programs that it starts.
final class SignalListener: Sendable {
  private static let listeners = Mutex<[Int32: [Entry]]>([:])
  private let number: Int32
  private let identity = Identity()

  private final class Identity: Sendable {}

  private struct Entry {
    let identity: Identity
    let handler: @Sendable () -> Void
  }

  /// `handler` is called on a thread of its own, for one signal at a time.
  init(_ number: Int32, _ handler: @escaping @Sendable () -> Void) {
    self.number = number
    let entry = Entry(identity: identity, handler: handler)
    Self.listeners.withLock { $0[number, default: []].append(entry) }
    SignalPipe.listen(number)
  }

  deinit { cancel() }

  /// Hears no more.
  func cancel() {
    Self.listeners.withLock { listeners in
      listeners[number]?.removeAll { $0.identity === identity }
      if listeners[number]?.isEmpty == true { SignalPipe.stop(number) }
    }
  }

  /// Whether the signal does nothing, as `nohup` has it for SIGHUP.
  static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    guard unsafe sigaction(number, nil, &action) == 0 else { return false }
    #if canImport(Glibc)
      let handler = unsafe action.__sigaction_handler.sa_handler
    #else
      let handler = unsafe action.__sigaction_u.__sa_handler
    #endif
    return unsafe unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  /// How many hear the signal.
  static func count(_ number: Int32) -> Int { listeners.withLock { $0[number]?.count ?? 0 } }

  fileprivate static func heard(_ number: Int32) {
    for entry in listeners.withLock({ $0[number] ?? [] }) { entry.handler() }
  }
}

/// What a handler of a signal may do is little: it writes the signal's number.
private enum SignalPipe {
  private static let ends: (read: Int32, write: Int32)? = {
    guard let ends = PrivatePipe.open() else { return nil }
    // Who is not read for so long has heard enough.
    _ = fcntl(ends.write, F_SETFL, O_NONBLOCK)
    let input = ends.read
    Thread.detachNewThread {
      var number: UInt8 = 0
      while true {
        let count = unsafe read(input, &number, 1)
        if count == 1 { SignalListener.heard(Int32(number)) } else if count == 0 || errno != EINTR { return }
      }
    }
    return ends
  }()

  static func listen(_ number: Int32) {
    // The pipe is there before anybody writes.
    guard ends != nil else { return }
    set(number) { number in
      let before = errno
      var byte = UInt8(truncatingIfNeeded: number)
      if let end = SignalPipe.ends?.write { _ = unsafe write(end, &byte, 1) }
      errno = before
    }
  }

  /// As it was when the program started, for most.
  static func stop(_ number: Int32) { set(number, SIG_DFL) }

  private static func set(_ number: Int32, _ handler: __sighandler_t?) {
    var action = sigaction()
    #if canImport(Glibc)
      unsafe action.__sigaction_handler.sa_handler = handler
    #else
      unsafe action.__sigaction_u.__sa_handler = handler
    #endif
    action.sa_flags = Int32(bitPattern: UInt32(SA_RESTART))
    unsafe sigaction(number, &action, nil)
  }
}

#if canImport(Darwin)
  private typealias __sighandler_t = @convention(c) (Int32) -> Void
#endif
