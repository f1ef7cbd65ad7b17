import Foundation
import Testing

@testable import imap

/// Lines of `imap shell`: how they are taken apart, and what Tab makes of them.
@Suite struct ShellLineTests {
  @Test(
    arguments: [
      ("", []), ("   ", []), ("list", ["list"]), ("  copy 1:3   Archive ", ["copy", "1:3", "Archive"]),
      (#"select "My Box""#, ["select", "My Box"]), (#"select 'My "Box'"#, ["select", #"My "Box"#]),
      (#"select My\ Box"#, ["select", "My Box"]), (#"a "b\"c\\d\e""#, ["a", #"b"c\d\e"#]), (#"a '\'"#, ["a", #"\"#]),
      (#"subject:"see you" x"#, ["subject:see you", "x"]), (#"a "" b"#, ["a", "", "b"]), ("# nothing", []),
      ("list # all", ["list"]), ("a#b", ["a#b"]), ("a\tSüd Entwürfe", ["a", "Süd", "Entwürfe"]),
      (#"a\"#, ["a"]),
    ])
  func words(_ line: String, _ words: [String]) throws { #expect(try ShellLine(line).complete() == words) }

  @Test(arguments: [#"select "My"#, "select 'My", #"a "b\""#]) func openQuotes(_ line: String) {
    #expect(throws: Failure.self) { try ShellLine(line).complete() }
  }

  /// Whatever a mailbox is called, its quoted name is one word and that name.
  @Test func quotedComesBack() throws {
    let letters = Array(##" "'\#abü,:/"##) + ["\t"]
    var names = [""]
    for _ in 0..<4 { names += names.flatMap { name in letters.map { name + String($0) } } }
    for name in Set(names) {
      #expect(try ShellLine("x " + ShellLine.quoted(name) + " y").complete() == ["x", name, "y"], "\(name)")
    }
  }

  private static let completer = Completer(
    vocabulary: Vocabulary(ShellVocabulary.self, hidden: ConnectionOptions.self, others: ShellVocabulary.own),
    mailboxes: { ["INBOX", "Archive", "Archive/2026", "My Box", "My Bag", "Entwürfe", "quote\"d"] },
    files: { path in ["mail/", "mail.eml", "letter one.eml"].filter { $0.hasPrefix(path) } })

  @Test(
    arguments: [
      ("sel", "select "), ("stat", "status "), ("qui", "quit "), ("help sel", "help select "),
      ("acl gr", "acl grantable "),
      ("help acl gr", "help acl grantable "), ("json of", "json off "), ("wire o", "wire o"),
      // Mailboxes, quoted where they have to be, also inside of a quote.
      ("select IN", "select INBOX "), ("select in", "select INBOX "), ("select Arch", "select Archive"),
      ("select My", #"select "My B"#), (#"select "My Bo"#, #"select "My Box" "#),
      (#"select My\ Bo"#, #"select "My Box" "#),
      ("select Ent", "select Entwürfe "), ("select quote", #"select "quote\"d" "#),
      ("copy 1:3 Ent", "copy 1:3 Entwürfe "),
      ("search -m IN", "search -m INBOX "), ("rename INBOX My\\ Ba", #"rename INBOX "My Bag" "#),
      ("status INBOX Ent", "status INBOX Entwürfe "),
      // Options, and what they take.
      ("fetch --str", "fetch --structure "), ("store 1 --add se", "store 1 --add seen "),
      ("store 1 --add seen,fl", "store 1 --add seen,flagged "),
      ("fetch --json --item PREV", "fetch --json --item PREVIEW "),
      ("status --item uidn", "status --item UIDNEXT "), ("sort --by sub", "sort --by subject "),
      ("search unseen fro", "search unseen from:"), ("raw uid fetch 1 ENV", "raw uid fetch 1 ENVELOPE "),
      ("raw NOO", "raw NOOP "), ("create --special-use dra", "create --special-use drafts "),
      ("headers 1 --field in-", "headers 1 --field in-reply-to "),
      // Files.
      ("append let", #"append "letter one.eml" "#), ("append mail/", "append mail/"), ("append ma", "append mail"),
    ])
  func completions(_ before: String, _ after: String) throws {
    let result = try #require(Self.completer.complete(before), "\(before)")
    #expect(String(before.dropLast(result.removed)) + result.inserted == after)
  }

  @Test func candidates() throws {
    #expect(Self.completer.complete("select My")?.candidates == ["My Bag", "My Box"])
    #expect(Self.completer.complete("s")?.candidates.contains("search") == true)
    #expect(Self.completer.complete("")?.candidates.contains("help") == true)
    let options = try #require(Self.completer.complete("search --")?.candidates)
    #expect(options == ["--json", "--mailbox", "--query", "--raw"])
    for nothing in ["nosuch x", "select INBOX Arch", "select nowhere", "list --host x", "# sel", "quit x"] {
      #expect(Self.completer.complete(nothing) == nil, "\(nothing)")
    }
    // A shell is for what needs a connection, and for nothing else.
    let names = Self.completer.vocabulary.commands.map(\.commandName)
    for name in ["serve", "demo", "decode", "completion", "shell", "watch"] { #expect(!names.contains(name)) }
    for name in ["list", "raw", "acl", "quit", "wire"] { #expect(names.contains(name)) }
  }

  @Test func whatIsKept() {
    for line in ["select INBOX", "search subject:login", "raw NOOP"] { #expect(ShellHistory.keeps(line), "\(line)") }
    for line in [
      "", " select INBOX", "raw LOGIN joe secret", "raw authenticate PLAIN AGpvZQBzZWNyZXQ=", "list --password-file x",
      "raw X-PASSWORD joe", "metadata set /private/secret x",
    ] {
      #expect(!ShellHistory.keeps(line), "\(line)")
    }
  }

  @Test func historyIsPrivate() throws {
    let folder = try TemporaryFolder()
    let history = ShellHistory(["XDG_STATE_HOME": folder.path])
    #expect(history.path == folder.path + "/imap/history")
    #expect(ShellHistory(["HOME": "/home/joe"]).path == "/home/joe/.local/state/imap/history")
    #expect(history.lines().isEmpty)
    for line in ["one", "zwei ü"] { history.append(line) }
    #expect(history.lines() == ["one", "zwei ü"])
    let attributes = try FileManager.default.attributesOfItem(atPath: history.path)
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    // Somebody has opened it to others.
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: history.path)
    for number in 0..<3000 { history.append("line \(number)") }
    #expect(history.lines().last == "line 2999")
    #expect(history.lines().count == 1000)
    let size = try Data(contentsOf: URL(fileURLWithPath: history.path)).split(separator: 0x0a).count
    #expect(size == 1000)
    let after = try FileManager.default.attributesOfItem(atPath: history.path)
    #expect(after[.posixPermissions] as? Int == 0o600)
  }
}
