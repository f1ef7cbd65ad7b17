/// Something to parse, and how it is read.
struct Workload {
  /// As in the report.
  let name: String
  /// The file among the unpacked fixtures, without its extension.
  let fixture: String
  let modes: [Mode]
  var reading = Reading()
  /// How many bytes one read gives.
  var readSize = Connection.readSize
  /// Whether peers parse the fixture too. A fixture that several workloads share is given to them once.
  var hasPeers = true

  static let all = [
    Workload(name: "flags", fixture: "flags", modes: [.views, .owned]),
    Workload(name: "envelope", fixture: "envelope", modes: [.views, .owned]),
    Workload(
      name: "envelope-structure-unread", fixture: "envelope", modes: [.views],
      reading: Reading(structures: false), hasPeers: false),
    Workload(name: "search", fixture: "search", modes: [.views, .owned]),
    // One line of 100,000 numbers: all of it in one read, and in reads of a packet each.
    Workload(name: "search-line", fixture: "search-line", modes: [.views], readSize: 1 << 20, hasPeers: false),
    Workload(name: "search-split", fixture: "search-line", modes: [.views], readSize: 1460, hasPeers: false),
    Workload(name: "esearch", fixture: "esearch", modes: [.views, .owned], hasPeers: false),
    Workload(name: "list", fixture: "list", modes: [.views, .owned]),
    Workload(
      name: "list-names-decoded", fixture: "list", modes: [.views], reading: Reading(names: true), hasPeers: false),
    Workload(name: "idle", fixture: "idle", modes: [.views, .owned]),
    Workload(name: "headers", fixture: "headers", modes: [.views, .owned]),
    Workload(name: "bodies", fixture: "bodies", modes: [.views, .owned]),
  ]
}
