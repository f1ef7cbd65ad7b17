/// A mechanism given by a function, for one that is not here.
public struct SASLCustom: SASLMechanism {
  /// The name as the server announces it.
  public let name: String
  /// Whether who reads the connection learns something that lets him log in later.
  public let revealsSecret: Bool
  private var message: Secret?
  private let respond: @Sendable (_ challenge: Span<UInt8>) throws(SASLError) -> Secret?

  /// `initialResponse` is what the client says first; nil where the server speaks first. `respond` answers each challenge,
  /// decoded; nil gives up. It may be called on any thread, one call after the other.
  public init(
    _ name: String, initialResponse: Secret? = nil, revealsSecret: Bool,
    respond: @escaping @Sendable (_ challenge: Span<UInt8>) throws(SASLError) -> Secret?
  ) {
    self.name = asciiUppercased(name)
    self.revealsSecret = revealsSecret
    message = initialResponse
    self.respond = respond
  }

  /// What was given.
  public mutating func start() throws(SASLError) -> Secret? {
    defer { message = nil }
    return message
  }

  /// Calls the function.
  public mutating func step(_ challenge: Span<UInt8>) throws(SASLError) -> Secret? { try respond(challenge) }
}
