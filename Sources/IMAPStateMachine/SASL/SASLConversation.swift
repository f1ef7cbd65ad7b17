/// Runs a mechanism on a connection: what to enqueue, how to answer each challenge, and whether the server's OK counts.
///
/// ```swift
/// var conversation = try SASLConversation(SASLPlain(user: "joe", password: password))
/// let id = try connection.enqueue(.authenticate(conversation.exchange), now: now)
/// // In the event loop:
/// case .challenge(id, let challenge):
///   if let answer = conversation.answer(challenge) {
///     try answer.withBytes { try connection.answer(id, challenge: $0, now: now) }
///   } else {
///     try connection.cancelAuthentication(id, now: now)
///   }
/// case .completed(id, let status):
///   if let error = conversation.complete(isOK: status.condition == .ok) { connection.close(now: now) }
/// ```
public struct SASLConversation: Sendable {
  /// For ``Command/authenticate(_:)``: the mechanism's name and what it says first.
  public let exchange: SASLExchange
  /// Why the exchange was given up.
  public private(set) var failure: SASLError?
  private var mechanism: any SASLMechanism

  /// Starts `mechanism`. Throws what it throws.
  public init(_ mechanism: some SASLMechanism) throws(SASLError) {
    var mechanism = mechanism
    exchange = SASLExchange(mechanism: mechanism.name, initialResponse: try mechanism.start())
    self.mechanism = mechanism
  }

  /// What to answer; nil where the exchange must be cancelled, and ``failure`` says why.
  public mutating func answer(_ challenge: borrowing ChallengeView) -> Secret? { answer(challenge.decode()) }

  /// What to answer to a decoded challenge; nil is one that was not base64.
  public mutating func answer(_ challenge: [UInt8]?) -> Secret? {
    if failure != nil { return nil }
    guard let challenge else {
      failure = .malformedChallenge("not base64")
      return nil
    }
    do throws(SASLError) {
      if let answer = try mechanism.step(challenge.span) { return answer }
      failure = .cancelled
    } catch {
      failure = error
    }
    return nil
  }

  /// The server has completed the command. Returns what the client has to say about that: nil where the server's word
  /// counts. If there is an error although the server said OK, the server is not to be trusted: close the connection.
  public mutating func complete(isOK: Bool) -> SASLError? {
    if let failure { return failure }
    guard isOK else { return mechanism.refusal }
    do throws(SASLError) {
      try mechanism.finish()
      return nil
    } catch {
      failure = error
      return error
    }
  }
}
