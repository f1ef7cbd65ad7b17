/// A COMPARATOR response (RFC 5255, section 4.8).
public struct Comparator: Hashable, Sendable {
  /// The comparator in use, for example `i;unicode-casemap`.
  public var active: String
  /// Those that matched what the client asked for.
  public var matching: [String]

  /// A comparator.
  public init(active: String, matching: [String] = []) {
    self.active = active
    self.matching = matching
  }
}

/// One URL of a URLFETCH response with its data (RFC 4467, section 7; RFC 5524, section 3).
public struct FetchedURL: Hashable, Sendable {
  /// What the server has for the URL.
  public enum Content: Hashable, Sendable {
    /// The data; nil where the URL was refused.
    case data([UInt8]?)
    /// What was asked for by the extended form.
    case parts([Part])
  }

  /// One item of the extended form.
  public enum Part: Hashable, Sendable {
    /// The part's structure (BODYPARTSTRUCTURE).
    case structure(BodyStructure)
    /// The data with its transfer encoding (BODY).
    case body([UInt8]?)
    /// The data without its transfer encoding (BINARY).
    case binary([UInt8]?)
    /// An item that the parser does not know, as on the wire.
    case unknown(name: String, value: [UInt8])
    /// An item that it knows and cannot interpret. The other items stand. It is not sent.
    case invalid(InvalidItem)
  }

  /// The URL.
  public var url: [UInt8]
  /// What the server has for it.
  public var content: Content

  /// A URL with its data.
  public init(_ url: [UInt8], _ content: Content) {
    self.url = url
    self.content = content
  }
}

/// One URL that GENURLAUTH makes usable by others (RFC 4467, section 7).
public struct URLAuthRequest: Hashable, Sendable {
  /// The URL up to and including `;URLAUTH=` and the access.
  public var url: [UInt8]
  /// How it is protected: `INTERNAL` or another.
  public var mechanism: String

  /// A request.
  public init(_ url: String, mechanism: String = "INTERNAL") {
    self.url = Array(url.utf8)
    self.mechanism = asciiUppercased(mechanism)
  }
}

/// One URL of URLFETCH (RFC 4467, section 7; RFC 5524, section 3).
public struct URLFetchRequest: Hashable, Sendable {
  /// An item of the extended form.
  public enum Item: String, Hashable, Sendable, CaseIterable {
    /// The data with its transfer encoding.
    case body = "BODY"
    /// The part's structure.
    case structure = "BODYPARTSTRUCTURE"
    /// The data without its transfer encoding.
    case binary = "BINARY"
  }

  /// The URL.
  public var url: [UInt8]
  /// What is asked for; nil is the simple form.
  public var items: [Item]?

  /// A request.
  public init(_ url: String, _ items: [Item]? = nil) {
    self.url = Array(url.utf8)
    self.items = items
  }
}
