// swift-tools-version: 6.2
import PackageDescription

// A package of its own: nobody who depends on the library resolves a benchmark or its peers.
let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .enableUpcomingFeature("ExistentialAny"),
  .treatAllWarnings(as: .error),
]

let package = Package(
  name: "Benchmarks",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "swift-imap-engine", path: "..")],
  targets: [
    // libetpan's pkg-config file holds compiler flags that SwiftPM refuses, so the library is linked by its name.
    .target(name: "CPeers", linkerSettings: [.linkedLibrary("etpan")]),
    .executableTarget(
      name: "parser-benchmark",
      dependencies: ["CPeers", .product(name: "IMAPStateMachine", package: "swift-imap-engine")],
      path: "Sources/ParserBenchmark", swiftSettings: settings),
    // A link to the counter of the tests.
    .target(name: "AllocationCounter"),
    .target(name: "CHeap"),
    .executableTarget(
      name: "machine-benchmark",
      dependencies: ["AllocationCounter", "CHeap", .product(name: "IMAPStateMachine", package: "swift-imap-engine")],
      path: "Sources/MachineBenchmark", swiftSettings: settings),
    .target(name: "CZlibStreams", linkerSettings: [.linkedLibrary("z")]),
    .executableTarget(
      name: "compress-benchmark",
      dependencies: [
        "CHeap", "CZlibStreams", .product(name: "IMAPLoop", package: "swift-imap-engine"),
        .product(name: "IMAPTestServer", package: "swift-imap-engine"),
        .product(name: "IMAPStateMachine", package: "swift-imap-engine"),
      ],
      path: "Sources/CompressBenchmark", swiftSettings: settings),
    .executableTarget(
      name: "loop-benchmark",
      dependencies: [
        "AllocationCounter", "CHeap",
        .product(name: "IMAPLoop", package: "swift-imap-engine"),
        .product(name: "IMAPStateMachine", package: "swift-imap-engine"),
      ],
      path: "Sources/LoopBenchmark", swiftSettings: settings),
    // The same client in C, on epoll and OpenSSL alone: what the kernel and OpenSSL take.
    .executableTarget(
      name: "bare-client",
      path: "Sources/BareClient",
      cSettings: [
        .define("_GNU_SOURCE"), .enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error),
      ],
      linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
  ]
)
