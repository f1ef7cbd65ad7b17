// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .enableUpcomingFeature("ExistentialAny"),
  .treatAllWarnings(as: .error),
]

// A package of its own: nobody who depends on the library resolves a sanitizer. `Scripts/fuzz` builds it, the library
// included, with coverage and address sanitizer.
let package = Package(
  name: "Fuzz",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "swift-imap-engine", path: "../..")],
  targets: [
    // The main package compiles the same sources for `swift test`.
    .target(
      name: "FuzzBodies", dependencies: [.product(name: "IMAPStateMachine", package: "swift-imap-engine")],
      swiftSettings: settings),
    .executableTarget(
      name: "fuzz", dependencies: ["FuzzBodies"], path: "Sources/Fuzz",
      // libFuzzer brings the main function.
      swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])]),
  ]
)
