import IMAPStateMachine

/// A text that SEARCH looks for, case ignored. Finding it takes linear time whatever it holds (Knuth, Morris and Pratt).
struct SearchText: Equatable {
  private let text: [UInt8]
  /// For each place how much of the text is still matched where the next byte does not fit.
  private let fallback: [Int]
  private let isASCII: Bool

  init(_ string: String) {
    text = Array(string.lowercased().utf8)
    isASCII = text.allSatisfy { $0 < 0x80 }
    var fallback = [Int](repeating: 0, count: text.count)
    var matched = 0
    for index in text.indices.dropFirst() {
      while matched > 0, text[index] != text[matched] { matched = fallback[matched - 1] }
      if text[index] == text[matched] { matched += 1 }
      fallback[index] = matched
    }
    self.fallback = fallback
  }

  /// Whether the text is empty: it is found everywhere.
  var isEmpty: Bool { text.isEmpty }

  /// Whether `bytes`, which are UTF-8, hold the text. Complexity: O(`bytes.count`).
  func isFound(in bytes: Span<UInt8>) -> Bool {
    if text.isEmpty { return true }
    // Only a text with letters outside ASCII needs more than ASCII's case folding.
    if isASCII { return isFoundFolding(bytes) }
    let lowercased = Array(String(decoding: bytes.array(0..<bytes.count), as: UTF8.self).lowercased().utf8)
    return isFoundFolding(lowercased.span)
  }

  private func isFoundFolding(_ bytes: Span<UInt8>) -> Bool {
    let (text, fallback) = (text.span, fallback.span)
    var matched = 0
    for index in bytes.indices {
      let byte = bytes[index].lowercasedASCII
      while matched > 0, byte != text[matched] { matched = fallback[matched - 1] }
      if byte == text[matched] { matched += 1 }
      if matched == text.count { return true }
    }
    return false
  }
}

extension StoredMessage {
  /// Whether a header field has the text; fields of any name where `name` is nil.
  func headerHolds(_ text: SearchText, name: Span<UInt8>) -> Bool {
    let bytes = bytes
    let span = bytes.span
    for field in HeaderFields(bytes, in: header) where span.extracting(field.name).matches(name) {
      if text.isEmpty { return true }
      let value = TransferDecoding.encodedWords(HeaderFields.unfolded(span, field.value))
      if text.isFound(in: value.span) { return true }
    }
    return false
  }

  /// Whether the header, names included, has the text.
  func headerHolds(_ text: SearchText) -> Bool { Self.headerHolds(text, bytes, header) }

  /// Whether the text of a part has the text, or a header inside the body: that of a part, or of a message.
  func bodyHolds(_ text: SearchText) -> Bool {
    if text.isEmpty { return true }
    let bytes = bytes
    for (index, part) in tree.parts.enumerated() {
      // The first part is the message itself, whose header is no part of its body.
      if index > 0, Self.headerHolds(text, bytes, part.header) { return true }
      if !part.media.isMultipart, !part.media.isMessage, Self.holds(text, bytes, part) { return true }
    }
    return false
  }

  private static func headerHolds(_ text: SearchText, _ bytes: [UInt8], _ header: Range<Int>) -> Bool {
    let span = bytes.span
    for field in HeaderFields(bytes, in: header) {
      let value = TransferDecoding.encodedWords(HeaderFields.unfolded(span, field.whole))
      if text.isFound(in: value.span) { return true }
    }
    return text.isEmpty
  }

  private static func holds(_ text: SearchText, _ bytes: [UInt8], _ part: MessageTree.Part) -> Bool {
    let body = bytes.span.extracting(part.body)
    let encoding = MIMEFields(bytes, in: part.header).encoding.span
    let decoded: [UInt8]
    if encoding.matches("BASE64") {
      // Encoded bytes of an image or an archive are not what anybody looks for.
      if !part.media.isText { return false }
      decoded = TransferDecoding.base64(body)
    } else if encoding.matches("QUOTED-PRINTABLE") {
      decoded = TransferDecoding.quotedPrintable(body)
    } else {
      guard let charset = part.media.parameter("CHARSET"), !charset.span.matches("UTF-8") else {
        return text.isFound(in: body)
      }
      decoded = bytes.span.array(part.body)
    }
    let charset = part.media.parameter("CHARSET") ?? []
    return text.isFound(in: TransferDecoding.utf8(decoded, charset: charset.span).span)
  }
}
