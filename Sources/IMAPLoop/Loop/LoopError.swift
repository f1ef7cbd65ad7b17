internal import CUV
import IMAPStateMachine

/// A call to libuv that failed.
public struct LoopError: Error, Hashable, Sendable, CustomStringConvertible {
  /// libuv's negative error number.
  public var code: Int32
  /// What was being done.
  public var operation: String
  /// What else is known of it, and what to do.
  var advice: String

  /// A failure of `operation` with libuv's `code`.
  public init(_ code: Int32, _ operation: String) { self.init(code, operation, "") }

  init(_ code: Int32, _ operation: String, _ advice: String) {
    self.code = code
    self.operation = operation
    self.advice = advice
  }

  /// One line for a log: the operation, libuv's text and its short name.
  public var description: String { "\(operation): \(message)" }

  /// libuv's text for an error number, with its short name.
  static func text(of code: Int32) -> String {
    // The variants that take a buffer never allocate, also for numbers that libuv does not know.
    var name = [CChar](repeating: 0, count: 64)
    var text = [CChar](repeating: 0, count: 128)
    unsafe uv_err_name_r(code, &name, name.count)
    unsafe uv_strerror_r(code, &text, text.count)
    return "\(string(text)) (\(string(name)))"
  }

  private var message: String {
    var advice = advice
    if advice.isEmpty {
      switch code {
      case UV_EMFILE.rawValue:
        let limit = DescriptorLimit.soft.map { "\($0)" } ?? "a limited number"
        advice = "this process may have \(limit) of them, which `ulimit -n` raises"
      case UV_ENFILE.rawValue:
        advice = "all processes of this machine together have as many as it allows, which sysctl fs.file-max raises"
      default: break
      }
    }
    let text = Self.text(of: code)
    return advice.isEmpty ? text : "\(text); \(advice)"
  }

  /// The same failure as the machines report it.
  func connectionError(_ operation: ConnectionError.TransportFailure.Operation) -> ConnectionError {
    .transport(.init(operation, code: Int(code), message: message))
  }

  private static func string(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

extension ConnectionError {
  /// Whether this process, or its machine, has no descriptors or no memory left.
  var isOwnFault: Bool {
    guard case .transport(let failure) = self else { return false }
    return [UV_EMFILE, UV_ENFILE, UV_ENOMEM, UV_ENOBUFS].contains { Int($0.rawValue) == failure.code }
  }
}

/// Throws where libuv reported an error.
@inline(__always)
func check(_ status: Int32, _ operation: StaticString) throws(LoopError) {
  if status < 0 { throw LoopError(status, operation.description) }
}
