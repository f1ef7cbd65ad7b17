internal import CUV
import IMAPStateMachine

/// A call to libuv that failed.
public struct LoopError: Error, Hashable, Sendable, CustomStringConvertible {
  /// libuv's negative error number.
  public var code: Int32
  /// What was being done.
  public var operation: String

  /// A failure of `operation` with libuv's `code`.
  public init(_ code: Int32, _ operation: String) {
    self.code = code
    self.operation = operation
  }

  /// One line for a log: the operation, libuv's text and its short name.
  public var description: String { "\(operation): \(Self.text(of: code))" }

  /// libuv's text for an error number, with its short name.
  static func text(of code: Int32) -> String {
    // The variants that take a buffer never allocate, also for numbers that libuv does not know.
    var name = [CChar](repeating: 0, count: 64)
    var text = [CChar](repeating: 0, count: 128)
    unsafe uv_err_name_r(code, &name, name.count)
    unsafe uv_strerror_r(code, &text, text.count)
    let known = "\(string(text)) (\(string(name)))"
    if code != UV_EMFILE.rawValue { return known }
    let limit = DescriptorLimit.current.map { "\($0)" } ?? "a limited number"
    return "\(known); this process may have \(limit) of them, which `ulimit -n` raises"
  }

  /// The same failure as the machines report it.
  func connectionError(_ operation: ConnectionError.TransportFailure.Operation) -> ConnectionError {
    .transport(.init(operation, code: Int(code), message: Self.text(of: code)))
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
