// swift-tools-version: 6.2
import PackageDescription

// A package of its own: nobody who depends on the library resolves SwiftNIO.
let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .enableUpcomingFeature("ExistentialAny"),
  .treatAllWarnings(as: .error),
]

let package = Package(
  name: "NIOAdapter",
  platforms: [.macOS(.v26)],
  products: [.library(name: "NIOAdapter", targets: ["NIOAdapter"])],
  dependencies: [
    .package(name: "swift-imap-engine", path: "../.."),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
  ],
  targets: [
    .target(
      name: "NIOAdapter",
      dependencies: [
        .product(name: "IMAPStateMachine", package: "swift-imap-engine"),
        .product(name: "NIOCore", package: "swift-nio"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "NIOAdapterTests",
      dependencies: ["NIOAdapter", .product(name: "NIOEmbedded", package: "swift-nio")], swiftSettings: settings),
  ]
)
