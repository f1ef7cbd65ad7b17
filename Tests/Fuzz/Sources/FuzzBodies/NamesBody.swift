import IMAPStateMachine

/// Mailbox names: what is written is read as the same text, and what cannot be read keeps its bytes. Encoded words: no control
/// character comes of them, and not much more than went in.
enum NamesBody {
  static func run(_ input: inout FuzzInput) throws(FuzzFailure) {
    let choice = input.byte()
    let bytes = input.rest()
    if choice & 1 == 0 { try wire(bytes, input) } else { try text(String(decoding: bytes, as: UTF8.self), input) }
  }

  private static func wire(_ bytes: [UInt8], _ input: FuzzInput) throws(FuzzFailure) {
    for encoding in [MailboxName.Encoding.modifiedUTF7, .utf8] {
      let name = MailboxName(wire: bytes, encoding: encoding)
      try require(isSame(name.bytes, input.again(bytes)), "bytes of \(name.bytes)")
      let shown = name.description
      try require(MailboxName(wire: name.bytes, encoding: encoding) == name, "\(shown.debugDescription) is not itself")
      // Showing, and what is written for the text that is shown, end there.
      let rewritten = MailboxName(shown)
      try require(
        rewritten.description == shown, "\(shown.debugDescription) became \(rewritten.description.debugDescription)")
    }
    let text = EncodedWord.decode(input.again(bytes))
    try require(text.utf8.count <= 3 * bytes.count, "\(bytes.count) bytes became \(text.utf8.count)")
    try require(text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }, text.debugDescription)
    let label = GmailLabel(wire: bytes)
    try require(label.bytes == bytes && GmailLabel(label.description).description == label.description, "label")
  }

  private static func text(_ text: String, _ input: FuzzInput) throws(FuzzFailure) {
    let name = MailboxName(text)
    try require(name.bytes.allSatisfy { (0x20...0x7e).contains($0) }, "\(name.bytes) is not printable ASCII")
    try require(
      name.description == text || name == .inbox && text.count == 5,
      "\(text.debugDescription) became \(name.description.debugDescription)")
    try require(MailboxName(wire: input.again(name.bytes)) == name, "the wire's form of \(text.debugDescription)")
  }

  /// INBOX is the same in any case.
  private static func isSame(_ name: [UInt8], _ wire: [UInt8]) -> Bool {
    name == wire || name == Array("INBOX".utf8) && String(decoding: wire, as: UTF8.self).uppercased() == "INBOX"
  }
}
