import Foundation
import Testing

/// The commands that need what only a real server has.
@Suite(.serialized, .timeLimit(.minutes(3))) struct CommandLineDovecotTests {
  private func withAccount(_ body: (ToolAccount) async throws -> Void) async throws {
    let server = try DovecotServer()
    let certificate = try String(contentsOfFile: server.certificateFile, encoding: .utf8)
    let imap = try ToolAccount(port: server.tlsPort, user: "joe", password: server.password, certificate: certificate)
    try await body(imap)
  }

  private static func mail(_ subject: String, _ more: String) -> String {
    "From: \(subject)@example.org\nSubject: \(subject)\n\(more)\n\ntext\n"
  }

  @Test func sortAndThread() async throws {
    try await withAccount { imap in
      let messages = [
        Self.mail("b", "Message-ID: <1@x>"), Self.mail("Re: b", "Message-ID: <2@x>\nReferences: <1@x>"),
        Self.mail("a", "Message-ID: <3@x>\nX-Long: \(String(repeating: "x", count: 900))"),
        Self.mail("Re: b", "Message-ID: <4@x>\nReferences: <1@x>"),
      ]
      for message in messages { _ = try await imap.json("append", "-", input: message) }
      #expect(try await imap.json("sort", "--by", "subject").first?["uids"] as? [Int] == [3, 1, 2, 4])
      #expect(try await imap.json("sort", "--by", "size", "--reverse").first?["uids"] as? [Int] == [3, 2, 4, 1])
      #expect(try await imap("sort", "--by", "arrival", "not", "subject:a").output == "1\n2\n4\n")
      #expect(try await imap("search", "--query", #"(subject:"re: b" or larger:900) uid:1:3"#).output == "2\n3\n")
      #expect(try await imap("search", "since:today", "before:2w").output.isEmpty)
      #expect(try await imap("search", "id:<3@x>").output == "3\n")
      #expect(try await imap("search", "header:X-Long").output == "3\n")
      #expect(try await imap("thread", "--by", "references").output == "1\n  2\n  4\n3\n")
      let threads = try await imap.json("thread").first?["threads"] as? [[any Sendable]]
      #expect(threads?.count == 2)
      let wrong = try await imap("thread", "--by", "none")
      #expect(wrong.status == 73 && wrong.error.contains("THREAD=NONE"))
    }
  }

  @Test func specialUseAndStatus() async throws {
    try await withAccount { imap in
      let special = try await imap.json("list", "--special-use", "--status")
      #expect(special.map { $0["mailbox"] as? String } == ["Sent"])
      #expect((special.first?["attributes"] as? [String])?.contains("\\Sent") == true)
      #expect(special.first?["status"] != nil)
      let size = try await imap.json("status", "--item", "messages", "--item", "highestmodseq", "INBOX")
      #expect((size.first?["items"] as? [String: Int])?.keys.sorted() == ["HIGHESTMODSEQ", "MESSAGES"])
    }
  }

  @Test func rightsQuotasAndMetadata() async throws {
    try await withAccount { imap in
      _ = try await imap.json("create", "shared")
      #expect(try await imap.json("acl", "set", "shared", "ann", "lr").first?["identifier"] as? String == "ann")
      _ = try await imap.json("acl", "set", "shared", "ann", "w", "--add")
      _ = try await imap.json("acl", "set", "shared", "ann", "r", "--revoke")
      let entries = try await imap.json("acl", "get", "shared").first?["entries"] as? [[String: String]]
      #expect(entries?.contains { $0["identifier"] == "ann" && Set($0["rights"] ?? "") == ["l", "w"] } == true)
      #expect(try await imap.json("acl", "grantable", "shared", "ann").first?["identifier"] as? String == "ann")
      _ = try await imap.json("acl", "remove", "shared", "ann")
      #expect(try await !imap("acl", "get", "shared").output.contains("ann"))
      #expect(try await imap("acl", "my", "shared").output.contains("l"))
      #expect((try await imap.json("acl", "my", "shared").first?["rights"] as? String)?.contains("a") == true)

      let quota = try await imap.json("quota").first
      let storage = (quota?["resources"] as? [[String: any Sendable]])?.first
      #expect(quota?["root"] as? String == "User quota")
      #expect(storage?["limit"] as? Int == 100 * 1024)
      #expect(try await imap("quota", "--root", "User quota").output.hasPrefix("User quota\tSTORAGE\t"))
      #expect(try await imap("quota", "--root", "User quota", "--set", "STORAGE").status == 64)
      #expect(try await imap("quota", "--root", "User quota", "--set", "STORAGE=1").status == 73)

      let comment = "/private/comment"
      _ = try await imap.json("metadata", "set", "-m", "shared", comment, "mine")
      let metadata = try await imap.json("metadata", "get", "-m", "shared", comment).first
      #expect(metadata?["entries"] as? [[String: String]] == [["name": comment, "value": "mine"]])
      #expect(try await imap("metadata", "get", "-m", "shared", comment).output == "\(comment)\tmine\n")
      _ = try await imap.json("metadata", "remove", "-m", "shared", comment)
      #expect(try await imap("metadata", "get", "-m", "shared", comment).output == "\(comment)\t-\n")
      let fields = try await imap.json("id").first?["fields"] as? [String: any Sendable]
      #expect(fields?["name"] as? String == "Dovecot")
      #expect((try await imap.json("namespace").first?["personal"] as? [any Sendable])?.count == 1)
      #expect(try await imap("get", "1", "-m", "nowhere").status == 66)
    }
  }
}
