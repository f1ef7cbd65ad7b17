import IMAPStateMachine

/// Gathers FETCH events into owned responses. Use one for each command, or read the borrowed events yourself where bodies
/// are large.
public struct FetchCollector: Sendable {
  private var response: FetchResponse?
  private var section: (name: SectionName, origin: UInt32?)?
  private var data: [UInt8] = []

  /// An empty collector.
  public init() {}

  /// Takes an event; returns the response that it completes.
  public mutating func add(_ event: borrowing ResponseEvent) -> FetchResponse? {
    switch copy event {
    case .fetchBegin(let sequence): response = FetchResponse(sequence: sequence, attributes: [])
    case .uidFetchBegin(let uid): response = FetchResponse(uid: uid)
    case .fetchAttribute(let attribute): response?.attributes.append(attribute.copy())
    case .literalBegin(let view, _):
      section = (view.copy(), view.origin)
      data = []
    case .literalChunk(let bytes, _):
      unsafe bytes.withUnsafeBufferPointer { unsafe data.append(contentsOf: $0) }
    case .literalEnd:
      guard let section else { return nil }
      response?.attributes.append(.section(section.name, origin: section.origin, data: data))
      data = []
    case .fetchEnd:
      defer { response = nil }
      return response
    default: break
    }
    return nil
  }
}

extension FetchResponse {
  /// The response about a message that has no sequence number here (UIDONLY, RFC 9586): it is 0, and the UID the first item.
  init(uid: UID) { self.init(sequence: 0, attributes: [.uid(uid)]) }
}
