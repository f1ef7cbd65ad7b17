import Foundation
import Testing

/// `imap decode`: the lines that `docs/decode.md` promises, exactly. The files in `Decode/` hold what peers send, and the
/// lines of it.
@Suite(.serialized, .timeLimit(.minutes(3))) struct DecodeTests {
  private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  private static func path(_ name: String) -> String {
    repository.appendingPathComponent("Tests/InteropTests/Decode/\(name)").path
  }

  private static func text(_ path: String) throws -> String {
    try String(contentsOf: URL(fileURLWithPath: path), encoding: .utf8)
  }

  static let roles = ["server", "client"]
  private static let samples = ["server": "responses", "client": "commands"]

  @Test(arguments: roles) func sampleGivesTheseLines(_ role: String) async throws {
    let sample = try #require(Self.samples[role])
    let expected = try Self.text(Self.path(sample + ".jsonl"))
    let result = try await Tool.run(["decode", "--role", role, Self.path(sample + ".txt")])
    #expect(result.status == 0, "\(result.error)")
    let (lines, expectedLines) = (result.output.split(separator: "\n"), expected.split(separator: "\n"))
    for (line, expectedLine) in zip(lines, expectedLines) { #expect(line == expectedLine) }
    #expect(lines.count == expectedLines.count)
    #expect(result.objects.count == lines.count)
    for size in ["1", "2", "3", "7", "16", "1460"] {
      let split = try await Tool.run(["decode", "--role", role, "--split", size, Self.path(sample + ".txt")])
      #expect(split.output == expected, "split \(size)")
      #expect(split.status == 0)
    }
  }

  /// Nothing is passed over but blank lines.
  @Test(arguments: roles) func unitsCoverTheInput(_ role: String) async throws {
    let sample = try #require(Self.samples[role])
    let bytes = try Data(contentsOf: URL(fileURLWithPath: Self.path(sample + ".txt")))
    let result = try await Tool.run(["decode", "--role", role, Self.path(sample + ".txt")])
    var end = 0
    for object in result.objects {
      let offset = try #require(object["offset"] as? Int)
      #expect(offset >= end && bytes[end..<offset].allSatisfy { $0 == 0x0d || $0 == 0x0a })
      end = offset + (try #require(object["length"] as? Int))
    }
    #expect(end == bytes.count)
  }

  /// Each line of the documentation is one that the tool wrote.
  @Test func documentationShowsRealLines() throws {
    let documentation = try Self.text(Self.repository.appendingPathComponent("docs/decode.md").path)
    let real = try Set(
      Self.samples.values.flatMap { try Self.text(Self.path($0 + ".jsonl")).split(separator: "\n") })
    let shown = documentation.split(separator: "\n").filter { $0.hasPrefix("{\"offset\"") && $0.contains("type") }
    #expect(shown.count > 50)
    for line in shown { #expect(real.contains(line), "\(line)") }
    // And every kind of response is shown.
    let names = real.compactMap { $0.wholeMatch(of: /.*"type":"untagged","name":"([A-Z]+)".*/)?.1 }
    for name in Set(names) where name != "GOODBYE" {
      #expect(shown.contains { $0.contains("\"name\":\"\(name)\"") }, "\(name)")
    }
  }

  struct Ending: Sendable {
    var role = "server"
    var input: String
    var status: Int32
    var last: String
  }

  static let endings = [
    Ending(input: "", status: 0, last: ""),
    Ending(input: "\r\n\r\n", status: 0, last: ""),
    Ending(input: "* OK hi", status: 2, last: #"{"offset":0,"length":7,"type":"incomplete"}"#),
    Ending(
      input: "* OK hi\r\n* 1 FETCH (UID 7 BODY[] {50}\r\nabc", status: 2,
      last: #"{"offset":9,"length":33,"type":"incomplete"}"#),
    Ending(
      input: "* OK hi\r\n* LIST () \"/\" {5}\r\nab", status: 2,
      last: #"{"offset":9,"length":21,"type":"incomplete"}"#),
    Ending(
      input: "* 1 FETCH (BODY[] {9999999999}\r\nabc", status: 1,
      last:
        #"{"type":"error","offset":18,"fault":"limit","message":"limit of 2147483648 for literal passed at byte 18"}"#),
    Ending(role: "client", input: "", status: 0, last: ""),
    Ending(
      role: "client", input: "A1 NOOP\r\nA2 LOGIN joe {6}\r\nsec", status: 2,
      last: #"{"offset":9,"length":21,"type":"incomplete"}"#),
    Ending(
      role: "client", input: "A1 APPEND x {9999999999}\r\nabc", status: 1,
      last: #"{"type":"error","offset":12,"fault":"limit","message":"#
        + #""limit of 2147483648 for literal passed at byte 12"}"#),
    Ending(
      role: "client", input: "A1 SEARCH" + String(repeating: " (", count: 200) + "\r\n", status: 0,
      last: ""),
  ]

  @Test(arguments: endings) func exitStatusSaysHowItEnded(_ ending: Ending) async throws {
    for split in ["1", "65536"] {
      let arguments = ["decode", "--role", ending.role, "--split", split]
      let result = try await Tool.run(arguments, input: ending.input)
      #expect(result.status == ending.status, "\(result.error)")
      #expect(result.error.isEmpty)
      if !ending.last.isEmpty { #expect(String(result.output.split(separator: "\n").last ?? "") == ending.last) }
    }
  }

  /// A piece may end inside a command whose literal was announced behind the end of another one.
  @Test func piecesOfAnySizeGiveTheSame() async throws {
    let inputs = [
      ("client", "A1 NOOP\r\na{3}\n\r\nA19 IDLE\r\ndone\r\nA2 LOGIN {1}\r\na {1}\r\nb\r\nA3 NOOP\r\n"),
      (
        "server",
        "* OK a\r\n* LIST () \"/\" {3}\r\na\r\n\r\n* 1 FETCH (UID 1 INTERNALDATE \"26-Sep-2020 0\r\n41:59 +0000\")\r\n"
      ),
    ]
    for (role, input) in inputs {
      let whole = try await Tool.run(["decode", "--role", role], input: input)
      #expect(whole.output.split(separator: "\n").count > 3)
      for size in 1...input.utf8.count {
        let split = try await Tool.run(["decode", "--role", role, "--split", String(size)], input: input)
        #expect(split.output == whole.output, "split \(size)")
      }
    }
  }

  @Test func whatAuthenticatesIsShownOnRequestOnly() async throws {
    let hidden = try await Tool.run(["decode", "--role", "client", Self.path("commands.txt")])
    #expect(!hidden.output.contains("secret") && !hidden.output.contains("AGpvZ") && !hidden.output.contains("am9l"))
    let shown = try await Tool.run(["decode", "--role", "client", "--show-secrets", Self.path("commands.txt")])
    #expect(shown.output.contains(#""arguments":["joe","secret"]"#))
    #expect(shown.output.contains(#""arguments":["PLAIN","AGpvZQBzZWNyZXQ="]"#))
    #expect(shown.output.contains(#""command":"AUTHENTICATE","text":"am9l""#))
  }

  /// What writes into a pipe is heard before it closes it.
  @Test func linesComeAsTheInputDoes() async throws {
    let running = try Tool.Running(["decode"])
    running.write("* 1 EXISTS\r\n* 2 EX")
    #expect(await running.line() == #"{"offset":0,"length":12,"type":"untagged","name":"EXISTS","number":1}"#)
    running.write("ISTS\r\n")
    #expect(await running.line() == #"{"offset":12,"length":12,"type":"untagged","name":"EXISTS","number":2}"#)
    running.closeInput()
    #expect(await running.result().status == 0)
  }

  @Test func wrongUseIsToldApart() async throws {
    for arguments in [["--split", "0"], ["--role", "proxy"], ["--show-secrets"]] {
      #expect(try await Tool.run(["decode"] + arguments).status == 64)
    }
    let missing = try await Tool.run(["decode", "no/such/file"])
    #expect(missing.status == 74)
    #expect(missing.error.contains("cannot read no/such/file"))
    #expect(try await Tool.run(["decode", "/"]).status == 74)
  }
}
