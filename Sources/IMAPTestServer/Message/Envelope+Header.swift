import IMAPStateMachine

extension Envelope {
  /// The envelope of the header in `range` of `bytes` (RFC 9051, section 7.5.2). Of a repeated string field the first
  /// counts; repeated address fields add up.
  init(header bytes: [UInt8], in range: Range<Int>) {
    self.init()
    let span = bytes.span
    for field in HeaderFields(bytes, in: range) {
      let name = span.extracting(field.name)
      // The longest of the names has eleven letters.
      if name.isEmpty || name.count > 11 { continue }
      if name.matches("Date") {
        Self.set(&date, span, field)
      } else if name.matches("Subject") {
        Self.set(&subject, span, field)
      } else if name.matches("In-Reply-To") {
        Self.set(&inReplyTo, span, field)
      } else if name.matches("Message-ID") {
        Self.set(&messageID, span, field)
      } else if name.matches("From") {
        Self.append(to: &from, span, field)
      } else if name.matches("Sender") {
        Self.append(to: &sender, span, field)
      } else if name.matches("Reply-To") {
        Self.append(to: &replyTo, span, field)
      } else if name.matches("To") {
        Self.append(to: &to, span, field)
      } else if name.matches("Cc") {
        Self.append(to: &cc, span, field)
      } else if name.matches("Bcc") {
        Self.append(to: &bcc, span, field)
      }
    }
    // "If the Sender or Reply-To header fields are absent [...] or are present but empty, the server sets the
    // corresponding member of the envelope to be the same value as the from member".
    if sender.isEmpty { sender = from }
    if replyTo.isEmpty { replyTo = from }
  }

  private static func set(_ value: inout [UInt8]?, _ bytes: Span<UInt8>, _ field: HeaderField) {
    if value == nil { value = HeaderFields.unfolded(bytes, field.value) }
  }

  private static func append(to list: inout [Address], _ bytes: Span<UInt8>, _ field: HeaderField) {
    let limit = MessageLimits.addresses - list.count
    if limit > 0 { list += AddressParser.addresses(HeaderFields.unfolded(bytes, field.value), limit: limit) }
  }
}
