// swift-tools-version: 6.2
import PackageDescription

// A package of its own: nobody who depends on the library resolves or builds an example.
let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .enableUpcomingFeature("ExistentialAny"),
  .treatAllWarnings(as: .error),
]

func library(_ name: String) -> Target.Dependency { .product(name: name, package: "swift-imap-engine") }

// The programs of the chapter on imaplib of Python's Module of the Week.
let chapter = [
  "append", "archive_read", "connect", "connect_fail", "delete_messages", "delete_messages_one", "fetch_raw",
  "fetch_rfc822", "fetch_separately", "list", "list_parse", "list_pattern", "list_subfolders", "search_all",
  "search_from", "search_subject", "select", "select_invalid", "status",
]

let package = Package(
  name: "Examples",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "swift-imap-engine", path: "..")],
  targets: [
    .executableTarget(
      name: "BlockingSocket", dependencies: [library("IMAPStateMachine")], path: "BlockingSocket",
      swiftSettings: settings),
    .executableTarget(
      name: "Transcript", dependencies: [library("IMAPStateMachine")], path: "Transcript", exclude: ["Sessions"],
      swiftSettings: settings),
    .target(
      name: "PyMOTWConnection", dependencies: [library("IMAPLoop"), library("IMAPStateMachine")],
      path: "PyMOTW/Connection", swiftSettings: settings),
    .executableTarget(
      name: "PyMOTWServer", dependencies: ["PyMOTWConnection", library("IMAPTestServer")], path: "PyMOTW/Server",
      swiftSettings: settings),
  ]
    + chapter.map { name in
      .executableTarget(
        name: "pymotw_\(name)", dependencies: ["PyMOTWConnection", library("IMAPLoop"), library("IMAPStateMachine")],
        path: "PyMOTW/\(name)", swiftSettings: settings)
    }
)
