/// Writes the data items of one FETCH response straight into a connection's outbound bytes. Items appear in the order of
/// the calls.
public struct FetchWriter: ~Copyable {
  private var output: SendBuffer
  private let encoder: ResponseEncoder
  private var isEmpty = true

  init(_ output: consuming SendBuffer, _ encoder: ResponseEncoder, _ sequence: SequenceNumber) {
    self.output = output
    self.encoder = encoder
    self.output.append("* ")
    self.output.append(decimal: sequence.rawValue)
    self.output.append(" FETCH (")
  }

  /// The unique identifier.
  public mutating func uid(_ uid: UID) {
    separate()
    output.append("UID ")
    output.append(decimal: uid.rawValue)
  }

  /// The flags. One that is no valid flag is left out.
  public mutating func flags(_ flags: [Flag]) {
    separate()
    output.append("FLAGS ")
    let start = output.count
    do throws(ConnectionError) {
      try encoder.flags(flags, into: &output)
    } catch {
      _ = output.takeTail(behind: start)
      output.append(0x28)
      encoder.validFlags(flags, into: &output)
      output.append(0x29)
    }
  }

  /// When the server received the message.
  public mutating func internalDate(_ date: InternalDate) {
    separate()
    encoder.internalDate(date, into: &output)
  }

  /// RFC822.SIZE.
  public mutating func size(_ bytes: UInt64) {
    separate()
    output.append("RFC822.SIZE ")
    output.append(decimal: bytes)
  }

  /// The modification sequence (RFC 7162).
  public mutating func modSeq(_ value: ModSeq) {
    separate()
    encoder.modSeq(value, into: &output)
  }

  /// The parsed header.
  public mutating func envelope(_ envelope: Envelope) {
    separate()
    output.append("ENVELOPE ")
    encoder.envelope(envelope, into: &output)
  }

  /// BODYSTRUCTURE: with extension data.
  public mutating func bodyStructure(_ structure: BodyStructure) {
    separate()
    output.append("BODYSTRUCTURE ")
    encoder.structure(structure, extended: true, into: &output)
  }

  /// BODY: without extension data.
  public mutating func body(_ structure: BodyStructure) {
    separate()
    output.append("BODY ")
    encoder.structure(structure, extended: false, into: &output)
  }

  /// The bytes of a section as a literal, or NIL where the message has no such part; `origin` is the offset of a partial
  /// fetch. One whose name is no name is left out. Complexity: O(n), one copy.
  public mutating func section(_ name: SectionName, origin: UInt32? = nil, bytes: Span<UInt8>?) {
    let start = output.count
    let wasEmpty = isEmpty
    separate()
    do throws(ConnectionError) {
      try encoder.sectionName(name, origin: origin, into: &output)
    } catch {
      _ = output.takeTail(behind: start)
      isEmpty = wasEmpty
      return
    }
    if let bytes { encoder.literal(bytes, into: &output) } else { output.append("NIL") }
  }

  /// The bytes with the response; without it where nothing was written, or `keeping` is false.
  consuming func finish(keeping: Bool, from start: Int) -> SendBuffer {
    if keeping, !isEmpty { output.append(")\r\n") } else { _ = output.takeTail(behind: start) }
    return output
  }

  private mutating func separate() {
    if !isEmpty { output.append(0x20) }
    isEmpty = false
  }
}
