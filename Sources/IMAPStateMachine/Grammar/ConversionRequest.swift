/// What CONVERT asks for: parts of messages, in another form than they are stored in (RFC 5259, section 6).
public struct ConversionRequest: Hashable, Sendable {
  /// The media type to convert to, for example `text/plain`; nil leaves it to the server.
  public var type: String?
  /// What the result is to look like, best known to whoever names the type: `charset`, `pix-x`.
  public var parameters: [Parameter]
  /// What is wanted of each message.
  public var items: [Item]

  /// A conversion.
  public init(to type: String?, parameters: [Parameter] = [], _ items: [Item]) {
    self.type = type
    self.parameters = parameters
    self.items = items
  }

  /// A property of the result.
  public struct Parameter: Hashable, Sendable {
    /// Its name.
    public var name: String
    /// Its value.
    public var value: String

    /// A property.
    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// What is wanted of a message.
  public enum Item: Hashable, Sendable {
    /// `UID`.
    case uid
    /// `BINARY[part]`: the converted bytes, or some of them.
    case binary([UInt32], partial: PartialRange? = nil)
    /// `BINARY.SIZE[part]`: how many bytes that would be.
    case binarySize([UInt32])
    /// `BODYPARTSTRUCTURE[part]`: the MIME structure of the result.
    case structure([UInt32])
    /// `BODY[HEADER]`, or that of a message inside: a header in another charset.
    case header([UInt32] = [])
    /// `BODY[part.MIME]`: a part's MIME header in another charset.
    case mime([UInt32])
    /// `AVAILABLECONVERSIONS[part]`: which types the part can be converted to.
    case available([UInt32])
  }
}
