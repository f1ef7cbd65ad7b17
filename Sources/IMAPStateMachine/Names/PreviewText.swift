/// The first words of a message, as a list of messages shows them.
public enum PreviewText {
  /// The beginning of `text` without line breaks and runs of blanks, at most `length` characters; of HTML what is shown of it.
  /// Complexity: O(n).
  public static func make(_ text: String, isHTML: Bool, length: Int = 200) -> String {
    var result = ""
    var count = 0
    var isAfterSpace = true
    for character in isHTML ? shown(text) : text {
      if count >= length { break }
      if character.isWhitespace || character == "\u{fffd}" {
        if !isAfterSpace {
          result.append(" ")
          count += 1
        }
        isAfterSpace = true
      } else {
        result.append(character)
        count += 1
        isAfterSpace = false
      }
    }
    return result.last == " " ? String(result.dropLast()) : result
  }

  /// The text outside of tags, comments, styles and scripts, the commonest entities replaced. A tag that does not end hides what
  /// follows: the piece may be cut off in it.
  private static func shown(_ html: String) -> String {
    var result = ""
    var rest = html[...]
    while let open = rest.firstIndex(of: "<") {
      result += rest[..<open]
      rest = rest[open...]
      let end: Substring.Index?
      if rest.hasPrefix("<!--") {
        end = place(behind: "-->", in: rest)
      } else if let element = hidden.first(where: { rest.dropFirst().prefix($0.count).lowercased() == $0 }) {
        end = place(behind: "</\(element)>", in: rest)
      } else {
        end = rest.firstIndex(of: ">").map { rest.index(after: $0) }
      }
      guard let end else {
        rest = ""
        break
      }
      rest = rest[end...]
      // Words of two paragraphs are two words.
      result += " "
    }
    result += rest
    if !result.contains("&") { return result }
    return entities(in: result)
  }

  private static let hidden = ["style", "script", "head", "title"]

  private static func place(behind end: String, in text: Substring) -> Substring.Index? {
    var rest = text
    while !rest.isEmpty {
      if rest.prefix(end.count).lowercased() == end { return rest.index(rest.startIndex, offsetBy: end.count) }
      guard let next = rest.dropFirst().firstIndex(where: { $0 == end.first }) else { return nil }
      rest = rest[next...]
    }
    return nil
  }

  private static func entities(in text: String) -> String {
    var result = ""
    var rest = text[...]
    while let start = rest.firstIndex(of: "&") {
      result += rest[..<start]
      rest = rest[rest.index(after: start)...]
      guard let end = rest.prefix(longestEntity).firstIndex(of: ";"), let character = character(rest[..<end]) else {
        result += "&"
        continue
      }
      result += character
      rest = rest[rest.index(after: end)...]
    }
    return result + rest
  }

  private static let longestEntity = 10

  private static func character(_ name: Substring) -> String? {
    if name.hasPrefix("#x") || name.hasPrefix("#X") { return scalar(UInt32(name.dropFirst(2), radix: 16)) }
    if name.hasPrefix("#") { return scalar(UInt32(name.dropFirst())) }
    switch name {
    case "amp": return "&"
    case "lt": return "<"
    case "gt": return ">"
    case "quot": return "\""
    case "apos": return "'"
    case "nbsp", "zwnj", "shy": return " "
    default: return nil
    }
  }

  private static func scalar(_ number: UInt32?) -> String? {
    number.flatMap { Unicode.Scalar($0) }.map { String(Character($0)) }
  }
}
