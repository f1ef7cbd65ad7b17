import IMAPStateMachine

/// ENVELOPE and BODYSTRUCTURE, read field by field.
enum StructureBody {
  static func run(_ input: inout FuzzInput) throws(FuzzFailure) {
    let choice = input.byte()
    let cut = input.byte()
    let name = ["ENVELOPE", "BODYSTRUCTURE", "BODY"][Int(choice >> 4) % 3]
    let line = Array("* 1 FETCH (UID 3 \(name) ".utf8) + input.rest() + Array(" FLAGS ())\r\n".utf8)
    for pieces in [[line[...]], FuzzInput.pieces(of: line, cut)] {
      var parser = ResponseParser(limits: FuzzInput.limits(choice))
      var buffer = ReceiveBuffer()
      for index in 0...pieces.count {
        if index == pieces.count { buffer.close() } else { buffer.append(Array(pieces[index]).span) }
        if try !drain(&parser, &buffer, line.count, input.hasFault) { break }
      }
    }
  }

  /// False where framing was lost.
  private static func drain(
    _ parser: inout ResponseParser, _ buffer: inout ReceiveBuffer, _ count: Int, _ hasFault: Bool
  ) throws(FuzzFailure) -> Bool {
    var bound = 4 * count + 64
    while bound > 0 {
      bound -= 1
      let result: Result<Bool, FuzzFailure>
      do throws(ParseError) {
        result = step(try parser.next(&buffer), hasFault)
      } catch {
        return false
      }
      if try !result.get() { return true }
    }
    throw FuzzFailure(description: "events without end")
  }

  private static func step(_ event: borrowing ResponseEvent, _ hasFault: Bool) -> Result<Bool, FuzzFailure> {
    do throws(FuzzFailure) {
      switch event {
      case .needMoreInput, .endOfInput: return .success(false)
      case .fetchAttribute(let attribute): try read(attribute, hasFault)
      default: break
      }
    } catch {
      return .failure(error)
    }
    return .success(true)
  }

  private static func read(_ attribute: borrowing FetchAttributeView, _ hasFault: Bool) throws(FuzzFailure) {
    switch copy attribute {
    case .envelope(let view):
      var copied = view.copy()
      if hasFault { copied.to.append(Address()) }
      try read(view, copied)
    case .bodyStructure(let view), .body(let view):
      var copied = view.copy()
      if hasFault { copied = .multipart(.init(parts: [copied], subtype: [])) }
      try read(view, copied, depth: 0)
    default: break
    }
  }

  private static func read(_ view: borrowing EnvelopeView, _ owned: Envelope) throws(FuzzFailure) {
    try require(bytes(view.date) == owned.date, "date")
    try require(bytes(view.subject) == owned.subject, "subject")
    try require(bytes(view.inReplyTo) == owned.inReplyTo, "In-Reply-To")
    try require(bytes(view.messageID) == owned.messageID, "Message-ID")
    var damage = view.invalid
    var index = 0
    while let item = damage.next() {
      try require(index < owned.invalid.count && owned.invalid[index].value == item.value.copy(), "damage")
      index += 1
    }
    try require(index == owned.invalid.count, "all damage")
    try read(view.from, owned.from)
    try read(view.sender, owned.sender)
    try read(view.replyTo, owned.replyTo)
    try read(view.to, owned.to)
    try read(view.cc, owned.cc)
    try read(view.bcc, owned.bcc)
  }

  private static func read(_ view: borrowing AddressListView, _ owned: [Address]) throws(FuzzFailure) {
    var list = copy view
    var index = 0
    while let address = list.next() {
      try require(index < owned.count, "more addresses than copied")
      let fields = Address(
        name: bytes(address.name), route: bytes(address.route), mailbox: bytes(address.mailbox),
        host: bytes(address.host))
      try require(fields == owned[index] && address.copy() == fields, "address \(fields)")
      index += 1
    }
    try require(index == owned.count, "fewer addresses than copied")
  }

  private static func read(
    _ view: borrowing BodyStructureView, _ owned: BodyStructure, depth: Int
  ) throws(FuzzFailure) {
    try require(depth <= 256, "deeper than any limit")
    try compare(view.fields, owned, depth: depth).get()
  }

  private static func compare(
    _ fields: borrowing BodyFieldsView, _ owned: BodyStructure, depth: Int
  ) -> Result<Void, FuzzFailure> {
    do throws(FuzzFailure) {
      switch owned {
      case .multipart(let multipart):
        try require(fields.isMultipart && (bytes(fields.subtype) ?? []) == multipart.subtype, "subtype")
        try require(fields.parameters.copy() == multipart.parameters, "parameters")
        try read(fields.children, multipart.parts, depth: depth)
        try compare(fields, multipart.ext)
        try compare(fields.invalid, multipart.invalid)
      case .single(let part):
        try require(!fields.isMultipart && fields.octets == part.octets, "octets")
        try require(bytes(fields.type) ?? part.type == part.type, "type")
        try require(bytes(fields.subtype) ?? part.subtype == part.subtype, "subtype")
        try require(bytes(fields.encoding) ?? part.encoding == part.encoding, "encoding")
        try require(fields.parameters.copy() == part.parameters, "parameters")
        try require(bytes(fields.id) == part.id && bytes(fields.description) == part.description, "id")
        try require(bytes(fields.md5) == part.md5, "md5")
        try compare(fields, part.ext)
        try compare(fields.invalid, part.invalid)
        try compare(fields, part.content, depth: depth)
      }
    } catch {
      return .failure(error)
    }
    return .success(())
  }

  private static func compare(
    _ fields: borrowing BodyFieldsView, _ owned: BodyStructure.Part.Content, depth: Int
  ) throws(FuzzFailure) {
    switch owned {
    case .basic: break
    case .text(let lines): try require(fields.lines == lines, "lines")
    case .message(let envelope, let body, let lines):
      try require(fields.lines == lines, "lines")
      switch fields.envelope {
      case .some(let view): try read(view, envelope)
      case .none: try require(envelope == Envelope(), "envelope")
      }
      try read(fields.children, [body], depth: depth)
    }
  }

  private static func compare(
    _ fields: borrowing BodyFieldsView, _ owned: BodyStructure.Extension?
  ) throws(FuzzFailure) {
    try require(fields.hasExtension == (owned != nil), "extension")
    guard let owned else { return }
    try require(fields.hasDisposition == (owned.disposition != nil), "disposition")
    if let disposition = owned.disposition {
      try require(bytes(fields.disposition) ?? disposition.type == disposition.type, "disposition's type")
      try require(fields.dispositionParameters.copy() == disposition.parameters, "disposition's parameters")
    }
    try require(fields.languages.copy() == owned.languages, "languages")
    try require(bytes(fields.location) == owned.location, "location")
  }

  private static func compare(
    _ view: borrowing InvalidFieldListView<BodyStructure.Field>, _ owned: [InvalidItem]
  ) throws(FuzzFailure) {
    var damage = copy view
    var index = 0
    while let item = damage.next() {
      try require(index < owned.count && owned[index].value == item.value.copy(), "damage")
      try require(owned[index].name == Array(item.field.description.utf8), "name of damage")
      try require(!item.value.bytes.isEmpty, "bytes of damage")
      index += 1
    }
    try require(index == owned.count, "all damage")
  }

  private static func read(
    _ view: borrowing BodyListView, _ owned: [BodyStructure], depth: Int
  ) throws(FuzzFailure) {
    var list = copy view
    var index = 0
    while let child = list.next() {
      try require(index < owned.count, "more children than copied")
      try read(child, owned[index], depth: depth + 1)
      index += 1
    }
    try require(index == owned.count, "fewer children than copied")
  }
}
