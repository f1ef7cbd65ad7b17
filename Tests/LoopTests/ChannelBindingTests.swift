import CSSL
import Foundation
import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// What a TLS connection gives for channel binding, below versions and certificates of each kind.
@Suite struct ChannelBindingTests {
  private func pair(
    _ certificate: SelfSignedCertificate, version: Int32 = TLS1_3_VERSION, extendedMasterSecret: Bool = true
  ) throws -> TLSPair {
    let client = try TLSContext.client(trust: .insecure)
    // `SSL_CTX_set_max_proto_version`
    unsafe SSL_CTX_ctrl(client.pointer, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
    if !extendedMasterSecret { unsafe SSL_CTX_set_options(client.pointer, 1 << 0) }
    let pair = try TLSPair(client: client, server: .server(identity: certificate.identity), host: "localhost")
    pair.exchange()
    try #require(pair.client.isEstablished && pair.server.isEstablished, "\(String(describing: pair.clientError))")
    return pair
  }

  private func der(_ certificate: SelfSignedCertificate) throws -> [UInt8] {
    let lines = certificate.certificatePEM.split(separator: "\n").filter { !$0.hasPrefix("-") }
    return [UInt8](try #require(Data(base64Encoded: lines.joined())))
  }

  /// `certificate`, signed again with another hash function.
  private func signed(_ certificate: SelfSignedCertificate, with hash: String) throws -> SelfSignedCertificate {
    func memory(_ text: String) -> OpaquePointer? {
      let bio = unsafe BIO_new(BIO_s_mem())
      let bytes = Array(text.utf8)
      unsafe BIO_write(bio, bytes, Int32(bytes.count))
      return unsafe bio
    }
    let (certificateBIO, keyBIO, output) = unsafe (
      memory(certificate.certificatePEM), memory(certificate.privateKeyPEM), BIO_new(BIO_s_mem())
    )
    let parsed = unsafe PEM_read_bio_X509(certificateBIO, nil, nil, nil)
    let key = unsafe PEM_read_bio_PrivateKey(keyBIO, nil, nil, nil)
    defer {
      unsafe BIO_free(certificateBIO)
      unsafe BIO_free(keyBIO)
      unsafe BIO_free(output)
      unsafe X509_free(parsed)
      unsafe EVP_PKEY_free(key)
    }
    let isSigned = unsafe X509_sign(parsed, key, EVP_get_digestbyname(hash)) > 0
    let isWritten = unsafe PEM_write_bio_X509(output, parsed) == 1
    try #require(isSigned && isWritten)
    var text = [UInt8](repeating: 0, count: 16 * 1024)
    let count = unsafe BIO_read(output, &text, Int32(text.count))
    return SelfSignedCertificate(
      certificatePEM: String(decoding: text.prefix(Int(count)), as: UTF8.self),
      privateKeyPEM: certificate.privateKeyPEM)
  }

  private func digest(_ bytes: [UInt8], _ hash: String) -> Secret {
    var output = [UInt8](repeating: 0, count: 64)
    var count: UInt32 = 0
    unsafe EVP_Digest(bytes, bytes.count, &output, &count, EVP_get_digestbyname(hash), nil)
    return Secret(output.prefix(Int(count)))
  }

  @Test func bothEndsHaveTheSame() throws {
    let certificate = try SelfSignedCertificate.generate(hosts: ["localhost"])
    for version in [TLS1_2_VERSION, TLS1_3_VERSION] {
      let (first, second) = (try pair(certificate, version: version), try pair(certificate, version: version))
      #expect(first.client.version == (version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2"))
      let exporter = try #require(first.client.channelBinding(.tlsExporter))
      #expect(exporter.kind == .tlsExporter)
      #expect(exporter.data.count == 32)
      #expect(first.server.channelBinding(.tlsExporter) == exporter)
      #expect(second.client.channelBinding(.tlsExporter) != exporter)
      let unique = first.client.channelBinding(.tlsUnique)
      #expect((unique == nil) == (version == TLS1_3_VERSION))
      #expect(first.server.channelBinding(.tlsUnique) == unique)
      if let unique {
        #expect(unique.data.count == 12)
        #expect(second.client.channelBinding(.tlsUnique) != unique)
      }
      let endPoint = ChannelBinding(.tlsServerEndPoint, data: digest(try der(certificate), "SHA256"))
      for end in [first.client, first.server, second.client] {
        #expect(end.channelBinding(.tlsServerEndPoint) == endPoint)
      }
    }
  }

  @Test func nothingBeforeTheHandshake() throws {
    let port = TLSPort()
    let engine = try TLSEngine(.client(trust: .insecure), host: "localhost", port: port)
    for kind in ChannelBinding.Kind.allCases { #expect(engine.channelBinding(kind) == nil) }
  }

  /// RFC 9266, section 4.2, and RFC 7627: TLS 1.2 only with the extended master secret.
  @Test func neitherExporterNorUniqueWithoutTheExtendedMasterSecret() throws {
    let pair = try pair(.generate(hosts: ["localhost"]), version: TLS1_2_VERSION, extendedMasterSecret: false)
    for end in [pair.client, pair.server] {
      #expect(end.channelBinding(.tlsExporter) == nil)
      #expect(end.channelBinding(.tlsUnique) == nil)
      #expect(end.channelBinding(.tlsServerEndPoint) != nil)
    }
  }

  /// RFC 5929, section 4.1: the certificate's own hash function, and SHA-256 in place of SHA-1.
  @Test func theCertificatesHash() throws {
    let certificate = try SelfSignedCertificate.generate(hosts: ["localhost"])
    for (signing, expected) in [("SHA384", "SHA384"), ("SHA512", "SHA512"), ("SHA1", "SHA256")] {
      let other = try signed(certificate, with: signing)
      let pair = try pair(other)
      let data = digest(try der(other), expected)
      for end in [pair.client, pair.server] {
        #expect(end.channelBinding(.tlsServerEndPoint) == ChannelBinding(.tlsServerEndPoint, data: data))
      }
    }
  }
}
