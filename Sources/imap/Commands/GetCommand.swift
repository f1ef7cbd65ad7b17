import ArgumentParser
import Foundation
import IMAPLoop
import IMAPStateMachine

struct GetCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "get", abstract: "Save messages, or a part of them, to files.",
    discussion: """
      A file has its name once it is complete, and not before, whatever happens. Without --output and --directory the bytes
      go to standard output. A part is saved as it was attached: without its transfer encoding, unless --as-is is given.

      EXAMPLES
        imap get -a work 42 --output message.eml
        imap get -a work 42 --part 2 --output picture.jpg
        imap get -a work '1:*' --directory mails
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .shortAndLong, help: "Mailbox to read. (default: INBOX)")
  var mailbox: String?

  @Argument(help: "UIDs, like 1:10,42 or 1:*; - reads them from standard input.")
  var uids: String

  @Option(help: "A part of the message, as 2 or 1.2; `imap fetch --json --structure` shows which there are.")
  var part: String?

  @Flag(help: "With --part: keep its transfer encoding.")
  var asIs = false

  @Option(
    name: .shortAndLong, help: ArgumentHelp("File for the message; - is standard output.", valueName: "file"),
    completion: .file())
  var output: String?

  @Option(
    name: .shortAndLong, help: ArgumentHelp("Folder for the messages, each by its UID.", valueName: "folder"),
    completion: .directory)
  var directory: String?

  @Flag(help: "Replace files that are there.")
  var force = false

  @Flag(help: "One JSON object a line: uid, file, bytes. Needs --output or --directory.")
  var json = false

  func validate() throws {
    if output != nil, directory != nil { throw ValidationError("Give --output or --directory, not both.") }
    if output == "" { throw ValidationError("--output needs the name of a file; - is standard output.") }
    if directory == "" { throw ValidationError("--directory needs the name of a folder.") }
    if force, file == nil, directory == nil { throw ValidationError("--force needs --output or --directory.") }
    if json, file == nil, directory == nil { throw ValidationError("--json needs --output or --directory.") }
    if asIs, part == nil { throw ValidationError("--as-is needs --part.") }
  }

  /// The file to write; nil for standard output.
  private var file: String? { output == "-" ? nil : output }

  func work(_ server: any MailServer) async throws {
    let part = try self.part.map { try Self.numbers($0) }
    if let directory { try Self.check(directory) }
    try await server.withMessages(uids, of: mailbox) { client, selected, named in
      if named.isEmpty { return }
      try await server.ending(client, "what was not complete is not there") {
        let items: [FetchItem] = [.uid, .rfc822Size] + (part == nil ? [] : [.bodyStructure])
        let found = try await client.fetch(.uids(named.set), items).compactMap { Found($0) }.filter {
          named.names($0.uid)
        }
        if let output = file, found.count > 1 {
          throw Failure(.usage, "\(uids) are \(found.count) messages and \(output) one file; use --directory")
        }
        for message in found { try await save(message, part, client, selected) }
        try named.failIfMissing(found.map(\.uid), in: selected)
      }
    }
  }

  /// A message that there is.
  private struct Found {
    var uid: UID
    var size: UInt64 = 0
    var structure: BodyStructure?

    init?(_ response: FetchResponse) {
      var uid: UID?
      for attribute in response.attributes {
        switch attribute {
        case .uid(let value): uid = value
        case .rfc822Size(let value): size = value
        case .bodyStructure(let value): structure = value
        default: break
        }
      }
      guard let uid else { return nil }
      self.uid = uid
    }
  }

  private func save(
    _ message: Found, _ number: [UInt32]?, _ client: IMAPClient, _ selected: SelectedMailbox
  ) async throws {
    var (size, encoding, name) = (message.size, TransferDecoder.identity, "\(message.uid).eml")
    if let number {
      guard let located = message.structure?.part(at: number) else {
        throw Failure(
          .missing,
          "message \(message.uid) has no part \(self.part ?? ""); `imap fetch --json --structure \(message.uid)` shows its parts"
        )
      }
      size = located.part.octets
      if !asIs { encoding = TransferDecoder(located.part.encoding) }
      name = ["\(message.uid)", self.part ?? "", located.safeFileName].compactMap(\.self).joined(separator: "-")
    }
    let path = file ?? directory.map { "\($0)/\(name)" }
    let partFile = try path.map { path throws(Failure) in try PartFile(path, overwrites: force) }
    let sink = partFile.map { ByteSink($0.descriptor, encoding: encoding) } ?? ByteSink(encoding: encoding)
    let section = number.map { Section(part: $0) } ?? .full
    do {
      try await TransferProgress("message \(message.uid)", total: size) { sink.count }.during {
        try await sink.fetch(UIDSet(message.uid), section, from: client)
      }
    } catch OutputError.failed(let code) where path != nil {
      throw Failure(.file, "cannot write \(path ?? ""): \(unsafe String(cString: strerror(code)))")
    }
    if sink.isUnused { throw Failure(.missing, "message \(message.uid) has gone from \(selected.name) meanwhile") }
    guard let partFile, let path else { return }
    try partFile.commit()
    if json {
      try Console.line(
        JSON.object([
          ("uid", .unsigned(UInt64(message.uid.rawValue))), ("file", .string(path)), ("bytes", .unsigned(sink.written)),
        ]))
    } else if Console.hasReader {
      try Console.line("\(path)  \(Human.bytes(sink.written))")
    }
  }

  private static func numbers(_ text: String) throws(Failure) -> [UInt32] {
    let numbers = text.split(separator: ".", omittingEmptySubsequences: false).map { UInt32($0) ?? 0 }
    if numbers.contains(0) || numbers.count > 100 {
      throw Failure(.usage, "\(text) is no part; write numbers with dots between them, as 2 or 1.2")
    }
    return numbers
  }

  private static func check(_ directory: String) throws(Failure) {
    var isDirectory: ObjCBool = false
    if unsafe !FileManager.default.fileExists(atPath: directory, isDirectory: &isDirectory) || !isDirectory.boolValue {
      throw Failure(.file, "there is no folder \(directory); make it first")
    }
  }
}

extension LocatedPart {
  /// What the sender called it, as a name that a file can have here; nil where it has none.
  fileprivate var safeFileName: String? {
    guard let text = fileName(charsets: .system) else { return nil }
    // By scalars: a slash with an accent behind it is no slash to String, but one to the file system.
    let last = text.unicodeScalars.split { $0 == "/" || $0 == "\\" }.last
    let name = last.map { Console.printable(String($0)) } ?? ""
    return name.isEmpty || name.hasPrefix(".") || name.utf8.count > 120 ? nil : name
  }
}
