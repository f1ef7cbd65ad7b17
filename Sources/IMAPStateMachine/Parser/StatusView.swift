/// A status response, borrowed.
public struct StatusView: ~Escapable {
  /// How it went.
  public let condition: Status.Condition
  /// The response code, where there is one.
  public let code: ResponseCodeView?
  /// The text for people; empty where the server sent none.
  public let text: ByteView

  /// Reads ` [code] text`, the line's end being cut off already. One space is between each two; spaces more are a part of
  /// the text (RFC 9051, section 9: text), and skipped before a code.
  @_lifetime(copy bytes)
  init(_ condition: Status.Condition, _ bytes: Span<UInt8>) {
    self.condition = condition
    var start = 0
    while start < bytes.count, bytes[start] == 0x20 { start += 1 }
    if start < bytes.count, bytes[start] == 0x5b, let end = Self.closingBracket(bytes, from: start) {
      code = ResponseCodeView(bytes.extracting(start + 1..<end))
      start = end + 1
    } else {
      code = nil
      start = 0
    }
    if start < bytes.count, bytes[start] == 0x20 { start += 1 }
    text = ByteView(bytes.extracting(start..<bytes.count))
  }

  /// An owned copy.
  public func copy() -> Status {
    // Optional chaining cannot carry a borrowed view.
    switch code {
    case .some(let code): Status(condition, code: code.copy(), text.lossyString())
    case .none: Status(condition, text.lossyString())
    }
  }

  /// What ``init(_:_:)`` makes the same view of.
  var line: [UInt8] {
    var line: [UInt8] = []
    switch code {
    case .some(let code):
      line.append(UInt8(ascii: "["))
      line += code.name.copy()
      if !code.arguments.isEmpty {
        line.append(0x20)
        line += code.arguments.copy()
      }
      line.append(UInt8(ascii: "]"))
    case .none: break
    }
    line.append(0x20)
    return line + text.copy()
  }

  /// The bracket that ends the code whose opening one is at `start`; nil where none does.
  ///
  /// Brackets nest: `[PERMANENTFLAGS (\Seen [x])]` is seen in the wild. Those in a quoted word do not count: a tag may
  /// hold one. Where they do not match, the first that closes ends the code.
  static func closingBracket(_ bytes: Span<UInt8>, from start: Int) -> Int? {
    if let end = flagsEnd(bytes, from: start) { return end }
    // As a rule nothing stands before it that could make a difference.
    let special = bytes.firstCodeSpecial(from: start + 1)
    if special == bytes.count { return nil }
    if bytes[special] == 0x5d { return special }
    var depth = 0
    var first: Int?
    var index = start
    while index < bytes.count {
      switch bytes[index] {
      case 0x5b: depth += 1
      case 0x5d:
        first = first ?? index
        depth -= 1
        if depth == 0 { return index }
      case 0x22 where index > start && (bytes[index - 1] == 0x20 || bytes[index - 1] == UInt8(ascii: "(")):
        index = quotedWordEnd(bytes, from: index) ?? index
      default: break
      }
      index += 1
    }
    return first
  }

  /// The closing quote of a word without spaces: no code has one that goes on behind it, where a space is.
  private static func quotedWordEnd(_ bytes: Span<UInt8>, from start: Int) -> Int? {
    var index = start + 1
    while index < bytes.count, bytes[index] != 0x20, bytes[index] != 0x22 {
      index += bytes[index] == 0x5c ? 2 : 1
    }
    guard index + 1 < bytes.count, bytes[index] == 0x22 else { return nil }
    let next = bytes[index + 1]
    return next == 0x20 || next == UInt8(ascii: ")") || next == 0x5d ? index : nil
  }

  /// Where PERMANENTFLAGS ends: flags may have a bracket that nothing matches, and have no parentheses.
  private static func flagsEnd(_ bytes: Span<UInt8>, from start: Int) -> Int? {
    let code = bytes.extracting(droppingFirst: start + 1)
    guard code.startsIgnoringCase("PERMANENTFLAGS (") else { return nil }
    var index = start
    while index < bytes.count, bytes[index] != UInt8(ascii: ")") { index += 1 }
    repeat { index += 1 } while index < bytes.count && bytes[index] == 0x20
    return index < bytes.count && bytes[index] == 0x5d ? index : nil
  }
}
