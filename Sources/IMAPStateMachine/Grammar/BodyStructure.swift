/// The MIME structure of a message: BODYSTRUCTURE, or BODY where the extension data is missing (RFC 9051, section 7.5.2).
public enum BodyStructure: Hashable, Sendable {
  /// A leaf, or a message inside the message.
  case single(Part)
  /// A multipart with its children.
  case multipart(Multipart)

  /// One parameter of a Content-Type or Content-Disposition.
  public struct Parameter: Hashable, Sendable {
    /// The name; ASCII letters without case.
    public var name: [UInt8]
    /// The value, not decoded.
    public var value: [UInt8]

    /// A parameter.
    public init(name: [UInt8], value: [UInt8]) {
      self.name = name
      self.value = value
    }
  }

  /// A Content-Disposition (RFC 2183).
  public struct Disposition: Hashable, Sendable {
    /// `inline`, `attachment` or another word.
    public var type: [UInt8]
    /// Its parameters.
    public var parameters: [Parameter]

    /// A disposition.
    public init(type: [UInt8], parameters: [Parameter] = []) {
      self.type = type
      self.parameters = parameters
    }
  }

  /// What may follow the required fields: only BODYSTRUCTURE has it, and servers leave out from the end.
  public struct Extension: Hashable, Sendable {
    /// Content-Disposition.
    public var disposition: Disposition?
    /// Content-Language; empty where NIL.
    public var languages: [[UInt8]]
    /// Content-Location.
    public var location: [UInt8]?

    /// Extension data.
    public init(disposition: Disposition? = nil, languages: [[UInt8]] = [], location: [UInt8]? = nil) {
      self.disposition = disposition
      self.languages = languages
      self.location = location
    }
  }

  /// A body part that is no multipart.
  public struct Part: Hashable, Sendable {
    /// The media type, for example `TEXT`.
    public var type: [UInt8]
    /// The media subtype, for example `PLAIN`.
    public var subtype: [UInt8]
    /// Content-Type parameters.
    public var parameters: [Parameter]
    /// Content-ID.
    public var id: [UInt8]?
    /// Content-Description.
    public var description: [UInt8]?
    /// Content-Transfer-Encoding; `7BIT` where the message names none.
    public var encoding: [UInt8]
    /// Size in transfer encoding. Servers are known to be wrong: never use it as an exact length.
    public var octets: UInt64
    /// What the media type adds.
    public var content: Content
    /// The rest of the extension data; nil in BODY.
    public var ext: Extension?
    private var rare: Rare

    /// Content-MD5. Extension data: nil in BODY.
    public var md5: [UInt8]? {
      get { rare.md5 }
      set { rare = Rare(md5: newValue, invalid: invalid) }
    }
    /// Fields of this level that could not be interpreted, each under its ``Field``'s name with all of its value. What of
    /// them could be read is in its place.
    public var invalid: [InvalidItem] {
      get { rare.invalid }
      set { rare = Rare(md5: md5, invalid: newValue) }
    }

    /// What the media type adds to the basic fields.
    public enum Content: Hashable, Sendable {
      /// Nothing.
      case basic
      /// `text/*`: the number of lines.
      case text(lines: UInt64)
      /// `message/rfc822` and `message/global`: the message inside.
      indirect case message(Envelope, BodyStructure, lines: UInt64)
    }

    /// A part.
    public init(
      type: [UInt8], subtype: [UInt8], parameters: [Parameter] = [], id: [UInt8]? = nil,
      description: [UInt8]? = nil, encoding: [UInt8] = Array("7BIT".utf8), octets: UInt64, content: Content = .basic,
      md5: [UInt8]? = nil, ext: Extension? = nil, invalid: [InvalidItem] = []
    ) {
      self.init(
        type: type, subtype: subtype, parameters: parameters, id: id, description: description, encoding: encoding,
        octets: octets, content: content, ext: ext, rare: Rare(md5: md5, invalid: invalid))
    }

    @inline(__always)
    init(
      type: [UInt8], subtype: [UInt8], parameters: [Parameter], id: [UInt8]?, description: [UInt8]?,
      encoding: [UInt8], octets: UInt64, content: Content, ext: Extension?, rare: Rare
    ) {
      self.type = type
      self.subtype = subtype
      self.parameters = parameters
      self.id = id
      self.description = description
      self.encoding = encoding
      self.octets = octets
      self.content = content
      self.ext = ext
      self.rare = rare
    }
  }

  /// A multipart.
  public struct Multipart: Hashable, Sendable {
    /// The children, numbered from 1 in section specifications. Some servers send none.
    public var parts: [BodyStructure]
    /// The subtype, for example `MIXED`.
    public var subtype: [UInt8]
    /// Content-Type parameters. Extension data: empty in BODY.
    public var parameters: [Parameter]
    /// The rest of the extension data; nil in BODY.
    public var ext: Extension?
    private var rare: Rare

    /// Fields of this level that could not be interpreted, each under its ``Field``'s name with all of its value. What of
    /// them could be read is in its place.
    public var invalid: [InvalidItem] {
      get { rare.invalid }
      set { rare = Rare(invalid: newValue) }
    }

    /// A multipart.
    public init(
      parts: [BodyStructure], subtype: [UInt8], parameters: [Parameter] = [], ext: Extension? = nil,
      invalid: [InvalidItem] = []
    ) {
      self.init(parts: parts, subtype: subtype, parameters: parameters, ext: ext, rare: Rare(invalid: invalid))
    }

    @inline(__always)
    init(parts: [BodyStructure], subtype: [UInt8], parameters: [Parameter], ext: Extension?, rare: Rare) {
      self.parts = parts
      self.subtype = subtype
      self.parameters = parameters
      self.ext = ext
      self.rare = rare
    }
  }

  /// The fields of one level in the order of the wire. Not every kind has each.
  public enum Field: UInt8, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// The children of a multipart.
    case parts
    /// The media subtype.
    case subtype
    /// Content-Type parameters.
    case parameters
    /// Content-ID.
    case id
    /// Content-Description.
    case description
    /// Content-Transfer-Encoding.
    case encoding
    /// The size.
    case octets
    /// The header of a message inside the message.
    case envelope
    /// The structure of a message inside the message.
    case body
    /// The number of lines.
    case lines
    /// Content-MD5.
    case md5
    /// Content-Disposition.
    case disposition
    /// Content-Language.
    case language
    /// Content-Location.
    case location

    /// The field's name in upper case.
    public var description: String {
      switch self {
      case .parts: "PARTS"
      case .subtype: "SUBTYPE"
      case .parameters: "PARAMETERS"
      case .id: "ID"
      case .description: "DESCRIPTION"
      case .encoding: "ENCODING"
      case .octets: "OCTETS"
      case .envelope: "ENVELOPE"
      case .body: "BODY"
      case .lines: "LINES"
      case .md5: "MD5"
      case .disposition: "DISPOSITION"
      case .language: "LANGUAGE"
      case .location: "LOCATION"
      }
    }
  }

  /// What hardly a level has, in one word that is null where there is none of it: responses are as large as a part.
  indirect enum Rare: Hashable, Sendable {
    case nothing
    case some([UInt8]?, [InvalidItem])

    @inline(__always)
    init(md5: [UInt8]? = nil, invalid: [InvalidItem]) {
      self = md5 == nil && invalid.isEmpty ? .nothing : .some(md5, invalid)
    }

    var md5: [UInt8]? {
      switch self {
      case .nothing: nil
      case .some(let md5, _): md5
      }
    }

    var invalid: [InvalidItem] {
      switch self {
      case .nothing: []
      case .some(_, let invalid): invalid
      }
    }
  }
}
