// swift-tools-version: 6.2
import PackageDescription

// A package of its own: nobody who depends on the library resolves or builds an example.
let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .enableUpcomingFeature("ExistentialAny"),
  .treatAllWarnings(as: .error),
]

let package = Package(
  name: "Examples",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "swift-imap-engine", path: "..")],
  targets: [
    .executableTarget(
      name: "BlockingSocket",
      dependencies: [.product(name: "IMAPStateMachine", package: "swift-imap-engine")],
      path: "BlockingSocket", swiftSettings: settings),
    .executableTarget(
      name: "Transcript",
      dependencies: [.product(name: "IMAPStateMachine", package: "swift-imap-engine")],
      path: "Transcript", exclude: ["Sessions"], swiftSettings: settings),
  ]
)
