import Foundation
import IMAPTestServer
import Testing

/// `imap append --date`: the time, the day and the zone that were written, or nothing at all.
@Suite(.serialized, .timeLimit(.minutes(3))) struct CommandLineDateTests {
  private func withAccount(_ body: (ToolAccount) async throws -> Void) async throws {
    let server = try await IMAPTestServer.start()
    let result: Result<Void, any Error>
    do { result = .success(try await body(try ToolAccount(server))) } catch { result = .failure(error) }
    await server.shutdown()
    try result.get()
  }

  private static let text = "Subject: one\n\ntext\n"

  @Test func timesKeepTheirZone() async throws {
    let times = [
      ("2026-01-31T00:30:00+01:00", "2026-01-31T00:30:00+01:00"), ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
      ("2026-01-31T23:59:59-09:30", "2026-01-31T23:59:59-09:30"), ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00+00:00"),
      ("2026-12-31T23:59:60Z", "2026-12-31T23:59:60+00:00"), ("2026-01-31T12:00:00+0530", "2026-01-31T12:00:00+05:30"),
      ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
    ]
    try await withAccount { imap in
      for (time, stored) in times {
        let uid = try await imap.json("append", "-", "--date", time, input: Self.text).first?["uids"] as? String
        let items = try await imap.json("fetch", uid ?? "").first?["items"] as? [String: any Sendable]
        #expect(items?["INTERNALDATE"] as? String == stored, "\(time)")
      }
      // The day is that of the zone (RFC 9051, section 6.4.4: "disregarding time and timezone").
      #expect(try await imap("search", "on:2026-01-31", "uid:1").output == "1\n")
    }
  }

  @Test(
    arguments: [
      "", "soon", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31T12:00Z", "2026-01-31 12:00:00Z",
      "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-10T00:00:00Z",
      "12026-01-31T00:00:00Z", "26-01-31T00:00:00Z", "2026-1-31T00:00:00Z", "2026-01-31T24:00:00Z",
      "2026-01-31T12:60:00Z", "2026-01-31T12:00:61Z", "2026-01-31T12:00:00+01:00xyz", "2026-01-31T12:00:00Zx",
      "2026-01-31T12:00:00+01", "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00+01:60", "2026-01-31T12:00:00.5Z",
      "2026-01-31T12:00:00+1:00", " 2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z\n", "+026-01-31T12:00:00Z",
      "２０２６-01-31T12:00:00Z", "2026-01-31T12:00:00−01:00",
    ])
  func whatIsNoTimeIsRefused(_ text: String) async throws {
    // Told before anybody connects: nobody listens there.
    let result = try await Tool.run(
      [
        "append", "-", "--date", text, "--host", "127.0.0.1", "--port", "1", "--tls", "none", "--user", "joe",
        "--password-file", "/dev/null",
      ], input: Self.text)
    #expect(result.status == 64, "\(text): \(result.error)")
    #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
    #expect(result.error.contains("--date") && result.error.contains("2026-01-31T12:00:00+01:00"), "\(result.error)")
  }
}
