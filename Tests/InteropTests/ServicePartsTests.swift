import Foundation
import Metrics
import Synchronization
import Testing

@testable import imap

/// The parts of `imap watch --accounts` that need no server.
@Suite(.timeLimit(.minutes(1))) struct ServicePartsTests {
  private static func line(_ number: Int) -> JSON {
    .object([("number", .number(Int64(number))), ("padding", .string(String(repeating: "x", count: 90)))])
  }

  /// Lines that nobody reads hold whoever adds more, and none is lost.
  @Test func fullOutputHoldsAndLosesNothing() async throws {
    let gate = DispatchSemaphore(value: 0)
    let written = Mutex<[UInt8]>([])
    let output = EventOutput(
      limit: 1000,
      write: { bytes throws(OutputError) in
        gate.wait()
        written.withLock { $0 += bytes }
        gate.signal()
      }, onFailure: { Issue.record("writing does not fail") })
    let (added, continuation) = AsyncStream.makeStream(of: Int.self)
    Thread.detachNewThread {
      for number in 0..<500 {
        output.add(Self.line(number))
        continuation.yield(number)
      }
      continuation.finish()
    }
    while output.held == 0 { await Task.yield() }
    // What the writer has taken, what waits, and no more.
    let isNothingWritten = written.withLock { $0.isEmpty }
    #expect(isNothingWritten)
    gate.signal()
    var count = 0
    for await _ in added { count += 1 }
    #expect(count == 500)
    #expect(await output.finish(by: .now + .seconds(60)) == 0)
    let bytes = written.withLock { $0 }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    #expect(lines.map { String($0) } == (0..<500).map { Self.line($0).text })
    #expect(output.writtenCount == UInt64(bytes.count))
  }

  /// At the end nobody is held, and lines that were not read are counted.
  @Test func releasedOutputHoldsNobody() async throws {
    let gate = DispatchSemaphore(value: 0)
    let output = EventOutput(
      limit: 1, write: { _ throws(OutputError) in gate.wait() }, onFailure: {})
    output.release()
    for number in 0..<50 { output.add(Self.line(number)) }
    #expect(output.held == 0)
    #expect(await output.finish(by: .now) == 50)
    for _ in 0..<50 { gate.signal() }
    #expect(await output.finish(by: .now + .seconds(60)) == 0)
  }

  @Test func failureIsToldOnce() async throws {
    let (failures, continuation) = AsyncStream.makeStream(of: Void.self)
    let output = EventOutput(
      limit: 1, write: { _ throws(OutputError) in throw .readerGone }, onFailure: { continuation.yield() })
    output.add(Self.line(1))
    for await _ in failures { break }
    #expect(output.failure == .readerGone)
    for number in 0..<100 { output.add(Self.line(number)) }
    #expect(await output.finish(by: .now + .seconds(60)) == 0)
    #expect(output.writtenCount == 0)
  }

  @Test func piecesAreWholeLines() throws {
    let sizes = [10, 4000, 100, 4096, 1, 9000, 3, 2000, 2096, 1]
    let lines = sizes.map { [UInt8](repeating: 0x61, count: $0 - 1) + [0x0a] }
    var pieces: [[UInt8]] = []
    try EventOutput.pieces(of: lines.flatMap { $0 }) { piece throws(OutputError) in pieces.append(piece) }
    #expect(pieces.map(\.count) == [4010, 100, 4096, 1, 9000, 2003, 2097])
    #expect(pieces.flatMap { $0 } == lines.flatMap { $0 })
    #expect(pieces.allSatisfy { $0.last == 0x0a })
  }

  /// A wait ends when it is woken, or at its time, of which the time of day knows nothing.
  @Test func waitsEndAtTheirTime() async {
    let condition = MonotonicCondition()
    let start = ContinuousClock.now
    let woken = condition.withLock { [condition.wait(until: start), condition.wait(until: start - .seconds(1))] }
    #expect(woken == [false, false])
    let isLate = condition.withLock {
      while condition.wait(until: start + .milliseconds(20)) {}
      return ContinuousClock.now >= start + .milliseconds(20)
    }
    #expect(isLate)
    let isSet = Mutex(false)
    let result = await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
      Thread.detachNewThread {
        let isWoken = condition.withLock {
          while !isSet.withLock({ $0 }) {
            if !condition.wait(until: .now + .seconds(1_000_000)) { return false }
          }
          return true
        }
        continuation.resume(returning: isWoken)
      }
      condition.withLock {
        isSet.withLock { $0 = true }
        condition.broadcast()
      }
    }
    #expect(result)
  }

  private static func file(_ sections: String) throws -> AccountsFile {
    let folder = try TemporaryFolder()
    let path = try folder.write("accounts", sections)
    defer { withExtendedLifetime(folder) {} }
    return try AccountsFile.read(path, mailbox: "INBOX")
  }

  @Test func descriptorsOfThreadsAndOfThoseThatLeave() throws {
    let file = try Self.file(
      """
      [DEFAULT]
      username = joe
      password = x
      [a]
      host = mail.example
      [b]
      stream = a-command
      """)
    #expect(file.entries.map(\.descriptors) == [1, 2])
    let needed = 3 + 2 * 4 + 5 + WatchService.reservedDescriptors
    try WatchService.check(file, needed, threads: 2, leaving: 5)
    try WatchService.check(file, nil, threads: 2, leaving: 5)
    let failure = #expect(throws: Failure.self) {
      try WatchService.check(file, needed - 1, threads: 2, leaving: 5)
    }
    #expect(failure?.status == .system)
    #expect(
      failure?.message.hasPrefix(
        "2 accounts need 116 file descriptors, 8 of them for threads, 5 for accounts that are logging out and 100 in reserve, "
          + "and the limit is 115: 1 are missing;") == true, "\(failure?.message ?? "")")
  }

  @Test func tooManyForTheAddressesIsSaid() throws {
    let accounts = { (count: Int) in
      (0..<count).map { "[a\($0)]\nusername = user\($0)\n" }.joined()
    }
    let start = "[DEFAULT]\nhost = mail.example\npassword = x\n"
    #expect(try Self.file(start + accounts(12_000)).crowds == [])
    let crowds = try Self.file(start + accounts(12_001)).crowds
    #expect(crowds.count == 1)
    #expect(crowds.first?.hasPrefix("12001 connections to mail.example come from 1 address of this machine") == true)
    #expect(crowds.first?.hasSuffix("give 2 by local_address") == true, "\(crowds)")
    let two = "local_address = 192.0.2.10, 192.0.2.11\n"
    let file = try Self.file(start + two + accounts(12_001))
    #expect(file.crowds == [])
    let sources = file.entries[0].connector.configuration.socket.localAddresses.map(\.host)
    #expect(sources == ["192.0.2.10", "192.0.2.11"])
  }

  @Test func localAddressesAreNumbers() {
    for good in ["192.0.2.1", "::1", "192.0.2.1,192.0.2.2", "192.0.2.1, 2001:db8::1"] {
      #expect(AccountKey.localAddress.complaint(good) == nil)
    }
    for bad in [",", " , ", "eth0", "192.0.2.1:80", "192.0.2.1, localhost"] {
      #expect(AccountKey.localAddress.complaint(bad)?.contains("write addresses of this machine") == true)
    }
  }

  @Test func onlyLoopbackAddresses() {
    #expect(LoopbackAddress("127.0.0.1:9100")?.description == "127.0.0.1:9100")
    #expect(LoopbackAddress("127.8.9.10:0")?.host == "127.8.9.10")
    #expect(LoopbackAddress("[::1]:80")?.description == "[::1]:80")
    for text in [
      "", ":1", "9100", "0.0.0.0:1", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0:1",
      "127.0.0.01:1", "127.0.0.256:1", "127.0.0.1.1:1", "localhost:1", "::1:80", "[::2]:80", "10.0.0.1:1",
    ] {
      #expect(LoopbackAddress(text) == nil, "\(text)")
    }
  }

  @Test func answersOfTheListener() {
    func status(_ request: String) -> String {
      let response = MetricsListener.response(to: Array(request.utf8)) { "x 1\n" }
      #expect(response.contains("\r\nConnection: close\r\n"))
      return String(response.prefix { $0 != "\r\n" }.dropFirst(9))
    }
    #expect(status("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n") == "200 OK")
    #expect(status("GET /metrics?a=b HTTP/1.0\r\n\r\n") == "200 OK")
    #expect(status("GET / HTTP/1.1\r\n\r\n") == "404 Not Found")
    #expect(status("POST /metrics HTTP/1.1\r\n\r\n") == "405 Method Not Allowed")
    #expect(status("GET /metrics\r\n\r\n") == "400 Bad Request")
    #expect(status("\r\n\r\n") == "400 Bad Request")
    #expect(status("GET /" + String(repeating: "a", count: 9000)) == "431 Request Header Fields Too Large")
    let whole = MetricsListener.response(to: Array("GET /metrics HTTP/1.1\r\n\r\n".utf8)) { "x 1\n" }
    #expect(whole.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"))
    #expect(whole.hasSuffix("Content-Length: 4\r\nConnection: close\r\n\r\nx 1\n"))
    let head = MetricsListener.response(to: Array("HEAD /metrics HTTP/1.1\r\n\r\n".utf8)) { "x 1\n" }
    #expect(head.hasSuffix("Content-Length: 4\r\nConnection: close\r\n\r\n"))
  }

  @Test func registryWritesPrometheusText() {
    let registry = MetricsRegistry()
    let counter = Metrics.Counter(label: "a.b", dimensions: [("reason", "x\"\\\n")], factory: registry)
    counter.increment(by: 3)
    Metrics.Counter(label: "a.b", dimensions: [("reason", "x\"\\\n")], factory: registry).increment()
    Metrics.Meter(label: "open", dimensions: [], factory: registry).increment(by: 2)
    Metrics.Meter(label: "open", dimensions: [], factory: registry).decrement(by: 0.5)
    let timer = Metrics.Timer(label: "wait", dimensions: [], factory: registry)
    timer.recordNanoseconds(1_500_000_000)
    timer.recordNanoseconds(500_000_000)
    #expect(
      registry.text == """
        # TYPE a_b_total counter
        a_b_total{reason="x\\"\\\\\\n"} 4
        # TYPE open gauge
        open 1.5
        # TYPE wait_seconds summary
        wait_seconds_sum 2.0
        wait_seconds_count 2

        """)
  }

  @Test func flagsAreSetsOfMessages() {
    let members = JSON.messages([(1, ["\\Seen"]), (2, ["\\Seen", "work"]), (3, []), (7, ["work"])])
    #expect(
      JSON.object(members).text == #"{"uids":"1:3,7","flags":{"\\Seen":"1:2","work":"2,7"}}"#)
  }
}
