/// A part of a message, and where it lies.
public struct LocatedPart: Hashable, Sendable {
  /// Where it lies, each number from 1: what ``Section/part`` takes (RFC 9051, section 6.4.5.1).
  public var path: [UInt32]
  /// The part.
  public var part: BodyStructure.Part
  /// Whether it is one of the resources of a `multipart/related` that its first part shows.
  public var isRelated: Bool
  /// Whether it belongs to a message inside the message.
  public var isInMessage: Bool

  /// The path as it is written: `1.2`.
  public var number: String { path.map { String($0) }.joined(separator: ".") }

  /// `BODY[path]`.
  public var section: Section { Section(part: path) }

  /// The media type in lower case, for example `text/plain`.
  public var mediaType: String {
    "\(Self.lowercased(part.type))/\(Self.lowercased(part.subtype))"
  }

  /// Content-Disposition's type in lower case; nil where there is none.
  public var disposition: String? { part.ext?.disposition.map { Self.lowercased($0.type) } }

  /// What the part is called: `filename` of Content-Disposition, or `name` of Content-Type, decoded (RFC 2231, RFC 2047). It
  /// comes from the sender, and may be a path: never store under it what was not checked.
  public func fileName(charsets: CharsetDecoder) -> String? {
    part.ext?.disposition?.parameters.decoded("filename", charsets: charsets)
      ?? part.parameters.decoded("name", charsets: charsets)
  }

  /// Whether a person would call it an attachment: it says so, or it says nothing, and has a name or is no text.
  public var isAttachment: Bool {
    switch disposition {
    case "attachment": true
    case nil:
      !isRelated && (!mediaType.hasPrefix("text/") || part.parameters.decoded("name") != nil)
    default: false
    }
  }

  private static func lowercased(_ bytes: [UInt8]) -> String {
    String(decoding: bytes.map { $0 >= 0x41 && $0 <= 0x5a ? $0 | 0x20 : $0 }, as: UTF8.self)
  }
}

extension BodyStructure {
  /// All parts that are no multiparts, in the order of the message, those of messages inside it behind the message that they
  /// are in. Complexity: O(n).
  public var parts: [LocatedPart] {
    var parts: [LocatedPart] = []
    // By an explicit stack: how deep it goes is the sender's choice.
    var pending: [(structure: BodyStructure, path: [UInt32], isRelated: Bool, isInMessage: Bool)] = [
      (self, [], false, false)
    ]
    while let (structure, path, isRelated, isInMessage) = pending.popLast() {
      switch structure {
      case .multipart(let multipart):
        let isRelated = isRelated || multipart.subtype.span.equalsIgnoringCase("RELATED")
        for (index, child) in multipart.parts.enumerated().reversed() {
          // The first part of multipart/related is what is shown (RFC 2387, section 3.2, where none is named).
          pending.append((child, path + [UInt32(clamping: index + 1)], isRelated && index > 0, isInMessage))
        }
      case .single(let part):
        // A message that has no parts is its own part 1. Inside of another one that goes for the message in it.
        let own = path.isEmpty ? [1] : path
        parts.append(LocatedPart(path: own, part: part, isRelated: isRelated, isInMessage: isInMessage))
        if case .message(_, let inner, _) = part.content {
          if case .single = inner {
            pending.append((inner, own + [1], false, true))
          } else {
            pending.append((inner, own, false, true))
          }
        }
      }
    }
    return parts
  }

  /// The part at `path`; nil where there is none, or a multipart. Complexity: O(n).
  public func part(at path: [UInt32]) -> LocatedPart? { parts.first { $0.path == path } }

  /// The plain text that a person reads first; nil where there is none. Complexity: O(n).
  public var textPart: LocatedPart? { body("text/plain") }

  /// The HTML that a person reads first; nil where there is none. Complexity: O(n).
  public var htmlPart: LocatedPart? { body("text/html") }

  /// What a person would call attachments; see ``LocatedPart/isAttachment``. Of a message inside the message it is the message,
  /// not what is in it. Complexity: O(n).
  public var attachments: [LocatedPart] { parts.filter { !$0.isInMessage && $0.isAttachment } }

  private func body(_ mediaType: String) -> LocatedPart? {
    parts.first { !$0.isInMessage && !$0.isAttachment && $0.mediaType == mediaType }
  }
}
