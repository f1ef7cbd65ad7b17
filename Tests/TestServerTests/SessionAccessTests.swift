import IMAPStateMachine
import Testing

@testable import IMAPTestServer

@Suite struct SessionAccessTests {
  private let offered = "IDLE NAMESPACE UNSELECT UIDPLUS MOVE CONDSTORE STATUS=SIZE"
  private let first = "IMAP4REV1 LITERAL+ SASL-IR ID ENABLE"

  @Test func greetingAndCapabilities() {
    let client = SessionBench().connect()
    let list = "\(first) STARTTLS AUTH=PLAIN \(offered)"
    #expect(client.take() == "* OK [CAPABILITY \(list)] Test server ready\r\n")
    #expect(client.lines("a capability") == ["* CAPABILITY \(list)", "a OK Capability completed"])
    #expect(
      client.lines("b LOGIN user password")
        == ["b OK [CAPABILITY \(first) \(offered) COMPRESS=DEFLATE] Logged in"])
    #expect(
      client.lines("c CAPABILITY")
        == ["* CAPABILITY \(first) \(offered) COMPRESS=DEFLATE", "c OK Capability completed"])
  }

  @Test func wrongPasswordThenRight() {
    let client = SessionBench().connect()
    _ = client.take()
    #expect(client.lines("a LOGIN user wrong") == ["a NO [AUTHENTICATIONFAILED] User or password is wrong"])
    #expect(client.lines("b LOGIN nobody password") == ["b NO [AUTHENTICATIONFAILED] User or password is wrong"])
    #expect(client.lines("c SELECT INBOX").first?.hasPrefix("c BAD") == true)
    #expect(client.lines("d LOGIN \"user\" {8+}\r\npassword").first?.hasPrefix("d OK") == true)
  }

  @Test func authenticatePlain() {
    let bench = SessionBench()
    let early = bench.connect()
    _ = early.take()
    // "\0user\0password"
    #expect(early.lines("a AUTHENTICATE PLAIN AHVzZXIAcGFzc3dvcmQ=").first?.hasPrefix("a OK [CAPABILITY") == true)
    let late = bench.connect()
    _ = late.take()
    #expect(late.lines("a AUTHENTICATE PLAIN") == ["+ "])
    #expect(late.lines("AHVzZXIAcGFzc3dvcmQ=").first?.hasPrefix("a OK") == true)
    let other = bench.connect()
    _ = other.take()
    #expect(other.lines("a AUTHENTICATE CRAM-MD5").first?.hasPrefix("a NO [CANNOT]") == true)
    #expect(other.lines("b AUTHENTICATE PLAIN") == ["+ "])
    #expect(other.lines("*") == ["b BAD Authentication cancelled"])
    #expect(other.lines("c AUTHENTICATE PLAIN =") == ["c BAD Not a message of PLAIN"])
    // "x\0user\0password", then "user\0user\0password"
    #expect(other.lines("d AUTHENTICATE PLAIN eAB1c2VyAHBhc3N3b3Jk").first?.hasPrefix("d NO [AUTHORIZATION") == true)
    #expect(other.lines("e AUTHENTICATE PLAIN dXNlcgB1c2VyAHBhc3N3b3Jk").first?.hasPrefix("e OK") == true)
  }

  @Test func startTLSChangesCapabilities() {
    let bench = SessionBench(requiresTLS: true)
    let client = bench.connect()
    #expect(client.take().contains("STARTTLS LOGINDISABLED IDLE"))
    #expect(client.lines("a LOGIN user password") == ["a NO [PRIVACYREQUIRED] Start TLS first"])
    #expect(client.lines("b AUTHENTICATE PLAIN") == ["b NO [PRIVACYREQUIRED] Start TLS first"])
    #expect(client.send("c STARTTLS\r\n") == "c OK Begin TLS negotiation now\r\n<tls>")
    #expect(client.lines("d CAPABILITY").first == "* CAPABILITY \(first) AUTH=PLAIN \(offered)")
    #expect(client.lines("e LOGIN user password").first?.hasPrefix("e OK") == true)
  }

  @Test func compressionStartsOnce() {
    let client = SessionBench().connect()
    #expect(!client.take().contains("COMPRESS"))
    #expect(client.lines("a COMPRESS DEFLATE").first?.hasPrefix("a BAD") == true)
    client.send("b LOGIN user password\r\n")
    #expect(client.lines("c COMPRESS LZW").first?.hasPrefix("c BAD") == true)
    #expect(client.send("d COMPRESS DEFLATE\r\n") == "d OK DEFLATE active\r\n<deflate>")
    #expect(client.lines("e COMPRESS DEFLATE") == ["e NO [COMPRESSIONACTIVE] COMPRESS is active already"])
    #expect(client.lines("f CAPABILITY").first == "* CAPABILITY \(first) \(offered)")
  }

  @Test func startTLSThatIsNotOffered() {
    let client = SessionBench(offersStartTLS: false).connect()
    #expect(!client.take().contains("STARTTLS"))
    #expect(client.lines("a STARTTLS") == ["a BAD STARTTLS is not offered"])
  }

  @Test func withheldCapabilitiesAreNotServed() throws {
    let all: Set<Capability> = [
      .idle, .namespace, .unselect, .uidPlus, .move, .condStore, .id, .enable, .saslIR, .compressDeflate,
    ]
    let bench = SessionBench(withheld: all.union([Capability("STATUS=SIZE")]))
    try bench.deliver("x", flags: [.deleted])
    let client = bench.connect()
    #expect(client.take().contains("[CAPABILITY IMAP4REV1 LITERAL+ STARTTLS AUTH=PLAIN]"))
    #expect(client.lines("a AUTHENTICATE PLAIN AHVzZXIAcGFzc3dvcmQ=") == ["a BAD SASL-IR is not offered"])
    client.send("a LOGIN user password\r\na SELECT INBOX\r\n")
    for command in [
      "ID NIL", "ENABLE CONDSTORE", "IDLE", "NAMESPACE", "UNSELECT", "UID EXPUNGE 1", "MOVE 1 INBOX",
      "STATUS INBOX (HIGHESTMODSEQ)", "STATUS INBOX (SIZE)", "FETCH 1 MODSEQ", "SEARCH MODSEQ 1",
      "SELECT INBOX (CONDSTORE)", "COMPRESS DEFLATE",
      "STORE 1 (UNCHANGEDSINCE 5) FLAGS ()", "FETCH 1 FLAGS (CHANGEDSINCE 1)",
    ] {
      let answer = client.lines("b \(command)")
      #expect(answer.count == 1 && answer[0].hasPrefix("b BAD"), "\(command): \(answer)")
    }
    #expect(client.lines("c UID COPY 1 INBOX").last == "c OK COPY completed")
    #expect(!client.send("d SELECT INBOX\r\n").contains("HIGHESTMODSEQ"))
  }

  @Test func smallCommands() {
    let client = SessionBench().user()
    #expect(
      client.lines("a ID (\"name\" \"x\")")
        == ["* ID (\"name\" \"swift-imap-engine test server\")", "a OK ID completed"])
    #expect(client.lines("b NAMESPACE") == ["* NAMESPACE ((\"\" \"/\")) NIL NIL", "b OK NAMESPACE completed"])
    #expect(client.lines("c ENABLE CONDSTORE QRESYNC") == ["* ENABLED CONDSTORE", "c OK ENABLE completed"])
    #expect(client.lines("d ENABLE X-NONE") == ["* ENABLED", "d OK ENABLE completed"])
    #expect(client.lines("e NOOP") == ["e OK NOOP completed"])
    #expect(client.send("f LOGOUT\r\n") == "* BYE Logging out\r\nf OK Logout completed\r\n<closed>")
  }

  @Test func endedSessionsLeaveNothing() throws {
    let bench = SessionBench()
    let quota = try #require(bench.core.store.account("user")).quota
    let idle = bench.user(selecting: "INBOX")
    idle.send("a IDLE\r\n")
    let appending = bench.user(selecting: "INBOX")
    appending.send("a APPEND INBOX {100}\r\nabc")
    #expect(quota.used == 100 && bench.core.sessions.count == 2 && bench.inbox.viewCount == 2)
    idle.hangUp()
    appending.hangUp()
    #expect(quota.used == 0 && bench.core.sessions.isEmpty && bench.inbox.viewCount == 0)
    try bench.deliver("x")
    #expect(idle.take() == "<closed>" || idle.take() == "")
  }
}
