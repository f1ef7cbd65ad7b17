/// A connection that a user brings: bytes in both directions, in order. ``Transport/pipe(_:)`` lets a client run on one.
///
/// The engine sends one array at a time and asks for one at a time; what is sent and what is received may overlap. It asks for
/// no more while nobody takes what came, and sends the next bytes when the last are taken: so the pipe sets the pace.
public protocol BytePipe: Sendable {
  /// Sends all of `bytes`, which is never empty, and returns when more can be taken. What it throws ends the connection.
  func send(_ bytes: [UInt8]) async throws

  /// Waits for bytes and returns some of them, at most `count`; nil or an empty array where the peer sends no more. What it
  /// throws ends the connection. The task is cancelled when the connection closes.
  func receive(upTo count: Int) async throws -> [UInt8]?

  /// The connection is over: a ``receive(upTo:)`` or ``send(_:)`` that still waits should return. Called once.
  func close() async
}
