import IMAPLoop
import IMAPStateMachine
import Testing

/// COMPRESS=DEFLATE with a server that others have written.
@Suite(.serialized) struct DovecotCompressionTests {
  @Test(arguments: [IMAPClient.Configuration.Security.implicitTLS, .startTLS, .plain])
  func aSession(_ security: IMAPClient.Configuration.Security) async throws {
    let server = try DovecotServer()
    let loop = try EventLoop.start()
    let configuration = IMAPClient.Configuration(
      host: "127.0.0.1", port: security == .implicitTLS ? server.tlsPort : server.plainPort, security: security,
      trust: .file(server.certificateFile))
    let client = try await IMAPClient.connect(configuration, on: loop)
    try await client.signIn(user: "zoe", password: Secret(server.password))
    try await client.compress()
    #expect(await client.isCompressed)

    // 5 MB of six bits a byte.
    var state: UInt64 = 1
    let size = security == .implicitTLS ? 5 << 20 : 300_000
    let line = (0..<size).map { index -> UInt8 in
      if index % 78 == 76 { return 0x0d }
      if index % 78 == 77 { return 0x0a }
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return 0x41 + UInt8(truncatingIfNeeded: state >> 33) % 16
    }
    let message = Array("Subject: large\r\n\r\n".utf8) + line
    #expect(try await client.append(message, to: .inbox)?.destination == UIDSet(UID(rawValue: 1)))
    for sample in SampleMessage.fifty { _ = try await client.append(sample.bytes, to: .inbox) }
    #expect(try await client.select(.inbox).exists == 51)
    let fetched = try await client.fetch(.uids(.all), [.uid, .flags, .envelope, .bodyStructure, .section(.full)])
    #expect(fetched.count == 51)
    #expect(fetched[0].attributes.contains(.section(.body(.full), origin: nil, data: message)))
    for (response, sample) in zip(fetched.dropFirst(), SampleMessage.fifty) {
      #expect(response.attributes.contains(.section(.body(.full), origin: nil, data: sample.bytes)), "\(sample.name)")
    }
    let counts = try #require(await client.compression)
    #expect(counts.sent > size && counts.received > size && counts.ratio > 1.2, "\(counts)")

    // What another connection delivers comes by IDLE, while a third makes the loop's streams change hands.
    let events = await client.events()
    let (idling, accepted) = AsyncStream.makeStream(of: Void.self)
    async let idle: Void = client.idle { accepted.finish() }
    for await _ in idling {}
    let sender = try await IMAPClient.connect(configuration, on: loop)
    try await sender.signIn(user: "zoe", password: Secret(server.password))
    try await sender.compress()
    for count in 52...56 {
      _ = try await sender.append(SampleMessage.fifty[count - 52].bytes, to: .inbox)
      for await event in events { if event == .exists(UInt32(count)) { break } }
    }
    #expect(try await client.search(.all).count == 56)
    try await idle
    do throws(IMAPError) {
      try await client.compress()
      Issue.record("it was compressed twice")
    } catch {
      #expect(error.reason == .wrongState)
    }
    await sender.logout()
    await client.logout()
    #expect(await loop.shutdown().isClean)
  }
}
