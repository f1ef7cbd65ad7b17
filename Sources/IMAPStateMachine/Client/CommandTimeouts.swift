/// How long commands may take, by name. What is in flight keeps a number of one byte instead of its time.
struct CommandTimeouts: Sendable {
  /// As the user wrote it.
  let given: [String: Duration]
  /// In an order of their own; the number 0 is for all others.
  private let entries: [(name: String, limit: Duration)]

  init(_ given: [String: Duration]) {
    self.given = given
    // The longer time where a name is there twice, in another case.
    entries = Dictionary(given.map { (asciiUppercased($0.key), $0.value) }, uniquingKeysWith: max)
      .sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  var isEmpty: Bool { entries.isEmpty }

  /// The number of the time for `command`; 0 where it has none of its own. Complexity: O(names).
  func number(of command: borrowing Command) -> UInt8 {
    if entries.isEmpty { return 0 }
    let name = asciiUppercased(command.name)
    if let number = number(of: name) { return number }
    return name.hasPrefix("UID ") ? number(of: String(name.dropFirst(4))) ?? 0 : 0
  }

  /// The time with this number; nil for all others.
  subscript(number: UInt8) -> Duration? {
    let index = Int(number) - 1
    return entries.indices.contains(index) ? entries[index].limit : nil
  }

  private func number(of name: String) -> UInt8? {
    entries.firstIndex { $0.name == name }.flatMap { UInt8(exactly: $0 + 1) }
  }
}
