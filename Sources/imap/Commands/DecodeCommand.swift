import ArgumentParser
import IMAPStateMachine

struct DecodeCommand: ParsableCommand {
  /// Who sent the bytes.
  enum Role: String, ExpressibleByArgument, CaseIterable { case server, client }

  static let configuration = CommandConfiguration(
    commandName: "decode", abstract: "Show what a server or a client sent as JSON, one response or command a line.",
    discussion: """
      Each line has offset, length and type (tagged, untagged, continuation, command, malformed), then the fields of the
      response or command; docs/decode.md describes them. Bytes are strings where they are UTF-8, else {"base64": ...}.
      The last line says where it went wrong, if it did: {"type":"error"} with exit status 1, {"type":"incomplete"} with
      exit status 2.

      EXAMPLE
        imap decode session.txt | jq 'select(.name == "FETCH").items.ENVELOPE.subject'
      """)

  @Option(help: "Who sent the bytes: server or client.")
  var role = Role.server

  @Option(help: ArgumentHelp("Feed this many bytes at a time. The output is the same.", valueName: "bytes"))
  var split = 64 * 1024

  @Flag(help: "With --role client: show passwords and what else authenticates.")
  var showSecrets = false

  @Argument(help: ArgumentHelp("File with what was sent. (default: standard input)"))
  var file: String?

  func validate() throws {
    if split < 1 { throw ValidationError("--split must be at least 1.") }
    if showSecrets, role == .server { throw ValidationError("--show-secrets needs --role client.") }
  }

  func run() throws { try reporting { try decode() } }

  private func decode() throws {
    let file = try InputBytes(file)
    var lines = DecodedLines()
    switch role {
    case .server:
      var decoder = ResponseDecoder()
      try pieces(of: file) { piece, isLast throws in
        try decoder.feed(piece, to: &lines)
        if isLast { try lines.flush() }
      }
      try decoder.end(&lines)
    case .client:
      var decoder = CommandDecoder(showsSecrets: showSecrets)
      try pieces(of: file) { piece, isLast throws in
        try decoder.feed(piece, to: &lines)
        if isLast { try lines.flush() }
      }
      try decoder.end(&lines)
    }
    try lines.flush()
  }

  /// The input in the size that was asked for. `isLast` where more must be waited for: what is known by then is shown.
  private func pieces(of file: borrowing InputBytes, _ body: (ArraySlice<UInt8>, Bool) throws -> Void) throws {
    while true {
      let bytes = try file.next(256 * 1024)
      if bytes.isEmpty { return }
      var rest = bytes[...]
      while !rest.isEmpty {
        let piece = rest.prefix(split)
        rest = rest.dropFirst(piece.count)
        try body(piece, rest.isEmpty)
      }
    }
  }
}
