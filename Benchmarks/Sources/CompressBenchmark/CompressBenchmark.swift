import CHeap
import CZlibStreams
import Foundation
import IMAPLoop
import IMAPStateMachine
import IMAPTestServer

/// What idle connections keep allocated, with compression and without. The server is a process of its own, so that only the
/// client's end is weighed: `compress-benchmark [CONNECTIONS]`.
@main
struct CompressBenchmark {
  /// Bytes of the message that each connection fetches before it goes idle; nil selects no mailbox.
  private static let loads: [Int?] = [nil, 0, 2_000, 20_000, 200_000]

  static func main() async throws {
    let arguments = CommandLine.arguments.dropFirst()
    if arguments.first == "serve" { return try await serve() }
    let count = arguments.first.flatMap { Int($0) } ?? 400
    let server = Process()
    let (input, output) = (Pipe(), Pipe())
    server.executableURL = URL(fileURLWithPath: CommandLine.arguments[0])
    server.arguments = ["serve"]
    server.standardInput = input
    server.standardOutput = output
    try server.run()
    let announced = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    let port = UInt16(announced.filter(\.isNumber)) ?? 0
    print("\(count) idle connections of the client, bytes on the heap for each")
    print("zlib's streams, one pair for each connection: \(zlib_streams_bytes()) bytes")
    print("what was fetched        plain  compressed        more  more,rested   ratio")
    for load in loads {
      let (plain, _, _) = try await weigh(count, port, load, compresses: false)
      let (compressed, rested, ratio) = try await weigh(count, port, load, compresses: true)
      let name = load.map { $0 == 0 ? "nothing" : "\($0) bytes" } ?? "logged in only"
      print(
        name.padding(toLength: 16, withPad: " ", startingAt: 0), column(plain), column(compressed),
        column(compressed - plain), column(rested - plain), String(format: "%7.2f", ratio))
    }
    try input.fileHandleForWriting.close()
    server.waitUntilExit()
  }

  /// Serves until standard input ends.
  private static func serve() async throws {
    let words = "the quick brown fox jumps over the lazy dog and then it runs away".split(separator: " ")
    let messages = loads.compactMap { $0 }.filter { $0 > 0 }.map { size in
      // Words in an order that does not repeat, as compressible as mail.
      var text = "Subject: \(size)\r\n\r\n"
      var state: UInt64 = 1
      while text.utf8.count < size {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        text += words[Int(state >> 40) % words.count] + "\(state >> 54) "
        if state >> 60 == 0 { text += "\r\n" }
      }
      return IMAPTestServer.Configuration.Message(Array(text.utf8.prefix(size)))
    }
    let server = try await IMAPTestServer.start(
      .init(users: [.init("user", password: "password", mailboxes: [.init(.inbox, messages: messages)])]))
    print(server.plainPort ?? 0)
    fflush(nil)
    while let data = try FileHandle.standardInput.read(upToCount: 4096), !data.isEmpty {}
    await server.shutdown()
  }

  /// Bytes for each of `count` connections, now and when they have rested so long that their windows are compressed, and how
  /// well what they carried was.
  private static func weigh(
    _ count: Int, _ port: UInt16, _ load: Int?, compresses: Bool
  ) async throws -> (bytes: Double, rested: Double, ratio: Double) {
    let loop = try EventLoop.start()
    var configuration = IMAPClient.Configuration(host: "127.0.0.1", port: port, security: .plain)
    configuration.compresses = compresses
    // What all share is there before.
    let first = try await connect(configuration, loop, load)
    let before = heap_bytes()
    var clients: [IMAPClient] = []
    clients.reserveCapacity(count)
    for _ in 0..<count { clients.append(try await connect(configuration, loop, load)) }
    let bytes = Double(heap_bytes()) - Double(before)
    if compresses, load ?? 0 > 4096 { try await Task.sleep(for: .seconds(24)) }
    let rested = Double(heap_bytes()) - Double(before)
    let ratio = await first.compression?.ratio ?? 1
    for client in clients + [first] { await client.close() }
    await loop.shutdown()
    return (bytes / Double(count), rested / Double(count), ratio)
  }

  private static func connect(
    _ configuration: IMAPClient.Configuration, _ loop: EventLoop, _ load: Int?
  ) async throws -> IMAPClient {
    let client = try await IMAPClient.connect(configuration, on: loop)
    try await client.login(user: "user", password: Secret("password"))
    guard let load else { return client }
    try await client.select(.inbox)
    if let index = loads.compactMap({ $0 }).filter({ $0 > 0 }).firstIndex(of: load) {
      _ = try await client.fetch(.sequence([SequenceNumber(rawValue: UInt32(index + 1))]), [.section(.full)])
    }
    return client
  }

  private static func column(_ bytes: Double) -> String { String(format: "%11.0f", bytes) }
}
