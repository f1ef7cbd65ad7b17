import Glibc

/// The bytes of one fixture.
struct Fixture {
  let bytes: [UInt8]

  /// Reads `name` from `folder`.
  init(_ name: String, in folder: String) throws(BenchmarkError) {
    let path = "\(folder)/\(name).txt"
    guard let file = unsafe fopen(path, "rb") else { throw BenchmarkError("\(path): cannot be read") }
    defer { unsafe fclose(file) }
    var content: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = unsafe fread(&block, 1, block.count, file)
      if count == 0 { break }
      content += block[..<count]
    }
    if content.isEmpty { throw BenchmarkError("\(path): is empty") }
    bytes = content
  }
}

/// Why a benchmark cannot be run, or its figures cannot be trusted.
struct BenchmarkError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
