import Glibc
import IMAPLoop

/// The commands of a far end.
enum ServerProcess {
  static func run(isTLS: Bool, _ stamp: Stamp, certificate path: String) async throws {
    let loop = try EventLoop.start(name: "far-end")
    let far = FarEnd(loop: loop, stamp: stamp)
    var security = TransportSecurity.plain
    if isTLS {
      let certificate = try SelfSignedCertificate.generate(
        hosts: (1...4).map { "127.0.0.\($0)" })
      try write(certificate.certificatePEM, to: path)
      security = .tls(try TLSContext.server(identity: certificate.identity))
    }
    report("listening", try await far.start(security))
    while let line = readLine() {
      let words = line.split(separator: " ").map(String.init)
      switch (words.first, words.count) {
      case ("idling", 1): report("idling", await far.idling)
      case ("paced", 3):
        let count: Int = try LoopBenchmark.number(words[1])
        await pace(far, count, every: try LoopBenchmark.number(words[2]))
        report("paced", count)
      case ("burst", 1): report("burst", await far.tellAll())
      case ("flood", 1): report("flooding", await far.flood())
      case ("fill", 2): report("flooding", await far.fill(try LoopBenchmark.number(words[1])))
      case ("flooded", 1):
        let flooded = await far.flooded()
        report("flooded", flooded.lines, flooded.congested, flooded.refills)
      case ("dry", 1):
        let flooded = await far.stopFlood()
        report("dry", flooded.lines, flooded.congested, flooded.refills)
      case ("buffer", 2): report("buffer", limitSendBuffers(try LoopBenchmark.number(words[1])))
      case ("cpu", 1): report("cpu", Clock.processCPU)
      default: throw BenchmarkError("unknown command: \(line)")
      }
    }
  }

  /// Tells one client after the other, so many microseconds apart.
  private static func pace(_ far: FarEnd, _ count: Int, every microseconds: UInt64) async {
    var next = Clock.now
    for _ in 0..<count {
      next += microseconds * 1000
      let now = Clock.now
      if next > now {
        var rest = timespec(tv_sec: Int((next - now) / 1_000_000_000), tv_nsec: Int((next - now) % 1_000_000_000))
        unsafe nanosleep(&rest, nil)
      }
      await far.tellOne()
    }
  }

  /// Lets the kernel keep about so many bytes of what a client does not read, and not the four megabytes that it grants by
  /// itself. Connections that are accepted from now on have it from the socket that listens. Returns how many of those there are.
  private static func limitSendBuffers(_ bytes: Int32) -> Int {
    (Int32(0)..<256).count { descriptor in
      var (listens, bytes) = (Int32(0), bytes)
      var size = socklen_t(MemoryLayout<Int32>.size)
      guard unsafe getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0, listens == 1 else {
        return false
      }
      return unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &bytes, size) == 0
    }
  }

  private static func write(_ text: String, to path: String) throws {
    guard let file = unsafe fopen(path, "w") else { throw BenchmarkError("cannot write \(path)") }
    unsafe _ = fputs(text, file)
    unsafe _ = fclose(file)
  }
}
