import Foundation
import Testing

/// The protocol machine does no I/O, reads no clock and starts no thread: it imports nothing that could, and links nothing.
@Suite struct PurityTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  // MARK: Source

  @Test func sourcesImportNothingButDeques() throws {
    let folder = Self.root.appendingPathComponent("Sources/IMAPStateMachine")
    let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?.allObjects ?? []
    let sources = files.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
    #expect(sources.count > 50)
    for source in sources {
      let text = try String(contentsOf: source, encoding: .utf8)
      let forbidden = Self.imports(in: text).filter { $0 != "DequeModule" }
      #expect(forbidden.isEmpty, "\(source.lastPathComponent) imports \(forbidden)")
      // What is imported by condition is not seen on every platform.
      #expect(!text.contains("canImport"), "\(source.lastPathComponent)")
    }
  }

  @Test(arguments: [
    ("import Foundation", ["Foundation"]), ("  @preconcurrency import Glibc // x", ["Glibc"]),
    ("public import struct Foundation.Date", ["Foundation"]),
    ("@_exported import Dispatch; import CUV", ["Dispatch", "CUV"]),
    ("// import Foundation\nlet important = 1\n/// an import X", []), ("import DequeModule\n", ["DequeModule"]),
  ])
  func importsAreFound(_ text: String, _ modules: [String]) { #expect(Self.imports(in: text) == modules) }

  private static func imports(in text: String) -> [String] {
    let modifiers: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
    let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias", "actor"]
    var modules: [String] = []
    for line in text.split(whereSeparator: \.isNewline) {
      let code = line.split(separator: "//", maxSplits: 1, omittingEmptySubsequences: false)[0]
      for statement in code.split(separator: ";") {
        let words = statement.split(whereSeparator: \.isWhitespace).drop { $0.hasPrefix("@") || modifiers.contains($0) }
        guard words.first == "import" else { continue }
        if let name = words.dropFirst().first(where: { !kinds.contains($0) }) {
          modules.append(String(name.prefix { $0 != "." }))
        }
      }
    }
    return modules
  }

  // MARK: Object files

  /// The object files of the module: they lie beside the test's own executable. Nil where nobody built them there.
  private static let objects: [URL] = {
    let executables = [
      CommandLine.arguments[0], (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")),
    ]
    for path in executables.compactMap({ $0 }) {
      var folder = URL(fileURLWithPath: path)
      // The executable may lie deep inside a bundle.
      for _ in 0..<5 {
        folder.deleteLastPathComponent()
        let found = objectFiles(in: folder.appendingPathComponent("IMAPStateMachine.build"))
        if !found.isEmpty { return found }
      }
    }
    return []
  }()

  private static func objectFiles(in folder: URL) -> [URL] {
    let files = try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    return (files ?? []).filter { $0.pathExtension == "o" }
  }

  private static let nm: URL? = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":")
    .flatMap { ["\($0)/nm", "\($0)/llvm-nm"] }.first { FileManager.default.isExecutableFile(atPath: $0) }
    .map { URL(fileURLWithPath: $0) }

  @Test(.enabled(if: nm != nil && !objects.isEmpty, "needs nm, and object files beside the tests"))
  func objectFilesLinkNothingButTheStandardLibrary() throws {
    var symbols = try Self.undefinedSymbols()
    // ThreadSanitizer wants to know of each function that is left, also where an exception of C++ leaves it.
    if symbols.contains("__tsan_func_exit") { symbols.subtract(["_Unwind_Resume", "__gcc_personality_v0"]) }
    // Otherwise nothing was looked at.
    #expect(symbols.contains("swift_retain"))
    for symbol in symbols.sorted() { #expect(Self.isPure(symbol), "\(symbol)") }
  }

  @Test(arguments: [
    "socket", "clock_gettime", "pthread_create", "gettimeofday", "read", "getenv", "uv_run", "SSL_read", "printf",
    "swift_task_create", "swift_stdlib_random", "$s10Foundation4DateV3nowACvgZ",
    "$ss15ContinuousClockV3nowAB7InstantVvgZ",
    "$s20FoundationEssentials4DataV", "$ss27SystemRandomNumberGeneratorV4nexts6UInt64VyF", "$s5Glibc5errnos5Int32Vvg",
    "$sScTMn",
    "$s8Dispatch0A5QueueC", "$ss5print_9separator10terminatoryypd_S2StF", "$ss8readLine16strippingNewlineSSSgSb_tF",
  ])
  func impureSymbolsAreSeen(_ symbol: String) { #expect(!Self.isPure(symbol)) }

  private static func undefinedSymbols() throws -> Set<String> {
    guard let nm else { return [] }
    let process = Process()
    let output = Pipe()
    process.executableURL = nm
    process.arguments = ["-u"] + objects.map(\.path)
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    var symbols: Set<String> = []
    for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
      // `file.o:`, or `U name`.
      guard let name = line.split(separator: " ").last, !name.hasSuffix(":") else { continue }
      symbols.insert(String(name))
    }
    return symbols
  }

  /// C functions are allowed by name; of Swift's own, those are not that tell the time, draw lots, print or make tasks.
  private static func isPure(_ symbol: String) -> Bool {
    // Instrumentation of coverage and of sanitizers.
    let instruments = [
      "__llvm_", "__asan_", "__start_asan_", "__stop_asan_", "__tsan_", "__ubsan_", "__sanitizer_", "__sancov_",
    ]
    if instruments.contains(where: { symbol.hasPrefix($0) }) { return true }
    if symbol.hasPrefix("$s") || symbol.hasPrefix("_$s") {
      let impure = [
        "10Foundation", "20FoundationEssentials", "5Glibc", "6Darwin", "4Musl", "8Dispatch", "15Synchronization",
        "12_Concurrency", "15ContinuousClock", "15SuspendingClock", "27SystemRandomNumberGenerator", "$ss5print",
        "$ss8readLine", "$sSc", "11CommandLine",
      ]
      return !impure.contains { symbol.contains($0) }
    }
    if symbol.hasPrefix("swift_") || symbol.hasPrefix("_swift_") || symbol.hasPrefix("__swift_") {
      return !["task", "job", "actor", "executor", "clock", "random", "stdin"].contains { symbol.contains($0) }
    }
    let functions: Set<String> = [
      "malloc", "free", "memcpy", "memmove", "memset", "memcmp", "bzero", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_",
      // Division of 128 bits, which a Duration has: it is the compiler's own.
      "__divti3",
    ]
    return functions.contains(symbol)
  }
}
