import IMAPStateMachine

/// Whether reading a BODYSTRUCTURE through its view makes an owned value. The report marks the figures where it does.
let structuresAreCopied = false

extension Sink {
  /// Reads every field of a structure.
  mutating func read(_ view: borrowing BodyStructureView) {
    var walk = view.walk
    while let step = walk.next() {
      switch step {
      case .part(let fields):
        readBasic(fields)
        if let lines = fields.lines { add(lines) }
        readExtension(fields)
      case .messageBegin(let fields):
        readBasic(fields)
        switch fields.envelope {
        case .some(let envelope): read(envelope)
        case .none: add(1)
        }
      case .messageEnd(let fields):
        if let lines = fields.lines { add(lines) }
        readExtension(fields)
      case .multipartBegin(let count): add(UInt64(truncatingIfNeeded: count))
      case .multipartEnd(let fields):
        add(fields.subtype)
        read(fields.parameters)
        readExtension(fields)
      }
    }
  }

  @inline(__always)
  private mutating func readBasic(_ fields: borrowing BodyFieldsView) {
    add(fields.type)
    add(fields.subtype)
    read(fields.parameters)
    add(fields.id)
    add(fields.description)
    add(fields.encoding)
    add(fields.octets)
  }

  @inline(__always)
  private mutating func readExtension(_ fields: borrowing BodyFieldsView) {
    add(fields.md5)
    guard fields.hasExtension else { return }
    add(fields.disposition)
    read(fields.dispositionParameters)
    var languages = fields.languages
    while let language = languages.next() { add(language) }
    add(fields.location)
  }

  @inline(__always)
  private mutating func read(_ parameters: borrowing BodyParameterListView) {
    var list = copy parameters
    while let parameter = list.next() {
      add(parameter.name)
      add(parameter.value)
    }
  }
}
