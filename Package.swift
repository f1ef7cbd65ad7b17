// swift-tools-version: 6.2
import PackageDescription

/// Settings of every target: Swift 6 language mode, no warnings, and strict memory safety: each unsafe operation is
/// spelled `unsafe`.
let common: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .enableUpcomingFeature("ExistentialAny"),
  .treatAllWarnings(as: .error),
]

/// The libraries that hand out borrowed views also declare lifetimes. Their users need no flag for it.
let withLifetimes: [SwiftSetting] = common + [.enableExperimentalFeature("Lifetimes")]

let package = Package(
  name: "swift-imap-engine",
  platforms: [.macOS(.v26)],
  products: [
    .library(name: "IMAPStateMachine", targets: ["IMAPStateMachine"]),
    .library(name: "IMAPLoop", targets: ["IMAPLoop"]),
    .library(name: "IMAPTestServer", targets: ["IMAPTestServer"]),
    .executable(name: "imap", targets: ["imap"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
  ],
  targets: [
    .systemLibrary(
      name: "CUV", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"]), .brew(["libuv"])]),
    .systemLibrary(
      name: "CSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),
    .systemLibrary(
      name: "CEdit", pkgConfig: "libedit", providers: [.apt(["libedit-dev"]), .brew(["libedit"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
    .target(
      name: "IMAPStateMachine",
      dependencies: [.product(name: "DequeModule", package: "swift-collections")],
      swiftSettings: withLifetimes),
    .target(
      name: "IMAPLoop",
      dependencies: [
        "IMAPStateMachine", "CUV", "CSSL", "CZlib",
        .product(name: "DequeModule", package: "swift-collections"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
      ],
      swiftSettings: withLifetimes,
      // In the C library elsewhere.
      linkerSettings: [.linkedLibrary("iconv", .when(platforms: [.macOS]))]),
    .target(
      name: "IMAPTestServer", dependencies: ["IMAPStateMachine", "IMAPLoop"], swiftSettings: withLifetimes),
    .executableTarget(
      name: "imap",
      dependencies: [
        "IMAPStateMachine", "IMAPLoop", "IMAPTestServer", "CEdit",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
      ],
      swiftSettings: withLifetimes),
    // What fuzzers run, and tests replay. Tests/Fuzz is a package of its own that compiles the same sources.
    .target(
      name: "FuzzBodies", dependencies: ["IMAPStateMachine"], path: "Tests/Fuzz/Sources/FuzzBodies",
      swiftSettings: common),
    // Counts what a thread allocates. Only tests link it.
    .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
    .testTarget(
      name: "StateMachineTests", dependencies: ["IMAPStateMachine", "FuzzBodies", "AllocationCounter"],
      exclude: ["Transcripts"],
      swiftSettings: withLifetimes),
    .testTarget(
      name: "LoopTests",
      dependencies: [
        "IMAPLoop", "IMAPStateMachine", "IMAPTestServer", "AllocationCounter", "CUV", "CSSL", "CZlib",
      ],
      swiftSettings: withLifetimes),
    .testTarget(
      name: "TestServerTests",
      dependencies: [
        "IMAPTestServer", "IMAPLoop", "IMAPStateMachine",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "MetricsTestKit", package: "swift-metrics"),
      ],
      swiftSettings: withLifetimes),
    .testTarget(
      name: "InteropTests",
      dependencies: [
        "IMAPLoop", "IMAPStateMachine", "IMAPTestServer", "imap", .product(name: "Metrics", package: "swift-metrics"),
      ],
      exclude: ["Decode"],
      swiftSettings: withLifetimes),
  ]
)
