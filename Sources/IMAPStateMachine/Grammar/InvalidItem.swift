/// What a response says under a name that the parser knows, and that it cannot interpret. The rest of the response stands.
public struct InvalidItem: Hashable, Sendable {
  /// The name as on the wire; empty for bytes that are where a name should be.
  public var name: [UInt8]
  /// What follows the name, as on the wire; empty where nothing does.
  public var value: [UInt8]
  /// Why. Its offset counts from the value's first byte.
  public var reason: ParseError

  /// An item.
  public init(name: [UInt8] = [], value: [UInt8], reason: ParseError) {
    self.name = name
    self.value = value
    self.reason = reason
  }
}
