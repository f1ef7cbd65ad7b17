extension StatusView {
  /// How long to wait before the next try, where a server that has had enough says so in its text: Exchange Online ends
  /// `Request is throttled.` with `Suggested Backoff Time: 299961 milliseconds`. The server may name any time.
  public var suggestedBackoff: Duration? { text.bytes.suggestedBackoff }

  /// Whether the server slows the client down: by the code THROTTLED, which some write behind the text, or by naming a time
  /// to wait.
  public var isThrottled: Bool {
    switch code {
    case .some(let code): if code.name.equalsIgnoringCase("THROTTLED") { return true }
    case .none: break
    }
    return text.bytes.saysThrottled
  }
}

extension Status {
  /// As ``StatusView/suggestedBackoff``.
  public var suggestedBackoff: Duration? { Status.suggestedBackoff(in: text) }

  /// As ``StatusView/isThrottled``.
  public var isThrottled: Bool {
    let text = Array(text.utf8)
    return code == .atom("THROTTLED") || text.span.saysThrottled
  }

  /// As ``StatusView/suggestedBackoff``, for a text without its status, as ``CloseReason/bye(_:)`` has it.
  public static func suggestedBackoff(in text: String) -> Duration? {
    let text = Array(text.utf8)
    return text.span.suggestedBackoff
  }
}

extension Span<UInt8> {
  fileprivate var saysThrottled: Bool { behind("[THROTTLED]") != nil || suggestedBackoff != nil }

  fileprivate var suggestedBackoff: Duration? {
    guard let start = behind("Suggested Backoff Time:") else { return nil }
    var cursor = Cursor(self, at: start)
    cursor.skipSpaces()
    guard cursor.peek &- 0x30 <= 9, let number = try? cursor.quantity() else { return nil }
    let count = Int64(clamping: number)
    cursor.skipSpaces()
    return cursor.rest.startsIgnoringCase("second") ? .seconds(count) : .milliseconds(count)
  }

  /// Where what follows `words` starts; nil where they do not occur. ASCII case counts for nothing.
  private func behind(_ words: StaticString) -> Int? {
    var index = 0
    while index + words.utf8CodeUnitCount <= count {
      if extracting(droppingFirst: index).startsIgnoringCase(words) { return index + words.utf8CodeUnitCount }
      index += 1
    }
    return nil
  }
}
