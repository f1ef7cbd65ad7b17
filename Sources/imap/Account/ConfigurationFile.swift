import Foundation

/// The file with the accounts: INI as Python's `configparser` reads it, without interpolation. `[DEFAULT]` holds for every
/// account.
struct ConfigurationFile {
  typealias Section = [AccountKey: String]

  /// Where it was read.
  var path: String
  /// What holds for all accounts.
  var defaults: Section = [:]
  /// The others, by name.
  var accounts: [String: Section] = [:]
  /// The names of the accounts in the order of the file.
  var names: [String] = []
  /// Where their sections begin, counted from 1.
  var lines: [String: Int] = [:]
  /// Where the keys of each section stand.
  var keyLines: [String: [AccountKey: Int]] = [:]

  /// The section that holds for all accounts.
  static let defaultName = "DEFAULT"

  /// What is wrong in a line.
  struct Complaint: Hashable {
    var line: Int
    var text: String
  }

  /// All that is wrong with a file.
  struct Complaints {
    var all: [Complaint] = []
    /// The keys that have to do with it, by section: what they should be nobody knows.
    var keys: [String: Set<AccountKey>] = [:]
  }

  /// Reads the file at `path`. Throws all that is wrong with it at once.
  static func read(_ path: String) throws(Failure) -> ConfigurationFile {
    let (file, complaints) = try load(path)
    if complaints.all.isEmpty { return file }
    throw Failure(.configuration, messages(complaints.all, of: path))
  }

  /// What is wrong with the file at `path`, in its order.
  static func messages(_ complaints: [Complaint], of path: String) -> [String] {
    let sorted = complaints.enumerated().sorted { ($0.element.line, $0.offset) < ($1.element.line, $1.offset) }
    return sorted.map { "\(path):\($0.element.line): \($0.element.text)" }
  }

  /// Reads the file at `path` as far as that goes.
  static func load(_ path: String) throws(Failure) -> (file: ConfigurationFile, complaints: Complaints) {
    var data = try InputBytes.all(path, "the configuration file")
    guard String(validating: data, as: UTF8.self) != nil else {
      throw Failure(.configuration, "\(path) is not UTF-8; write it as UTF-8")
    }
    if data.starts(with: byteOrderMark) { data.removeFirst(byteOrderMark.count) }
    var reader = Reader(path)
    for line in lines(data) { reader.take(line) }
    reader.end()
    return (reader.file, reader.complaints)
  }

  /// The warning where others than the owner can read a file with secrets; nil where all is well.
  func warning() -> String? {
    let sections = [defaults] + accounts.values
    let hasSecret = sections.contains { section in
      section.contains { $0.key.isSecret || ($0.key == .proxy && $0.value.contains("@")) }
    }
    if !hasSecret { return nil }
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    guard let mode = attributes?[.posixPermissions] as? Int, mode & 0o077 != 0 else { return nil }
    return "warning: \(path) holds a password and others can read it; run: chmod 600 \(path)"
  }

  /// The lines of a file of whatever system: LF, CR LF or CR ends one. By bytes: CR LF is one Character, which is no LF.
  private static func lines(_ bytes: [UInt8]) -> [String] {
    var lines: [[UInt8]] = [[]]
    var last: UInt8 = 0
    for byte in bytes {
      switch byte {
      case 0x0a where last == 0x0d: break
      case 0x0a, 0x0d: lines.append([])
      default: lines[lines.count - 1].append(byte)
      }
      last = byte
    }
    return lines.map { String(decoding: $0, as: UTF8.self) }
  }

  /// What some editors put before the first line.
  private static let byteOrderMark: [UInt8] = [0xef, 0xbb, 0xbf]
}

/// Makes a ``ConfigurationFile`` of lines. Of what it complains it shows the names of keys and sections, but no value: a line that
/// is read otherwise than it was meant may hold a password.
private struct Reader {
  var file: ConfigurationFile
  var complaints = ConfigurationFile.Complaints()
  private var number = 0
  /// Nil before the first section.
  private var section: String?
  /// Whether it is the first of its name: the entries of another one do not count.
  private var isFirst = true
  private var entries: ConfigurationFile.Section = [:]
  /// The entry whose value may go on.
  private var open: (key: AccountKey, line: Int)?
  /// Whether a line with a key is the last that was no continuation.
  private var isInEntry = false
  /// How far that line is indented. A line that is indented deeper goes on with its value.
  private var indent = 0
  /// Keys of the section, and where they stand.
  private var lines: [AccountKey: Int] = [:]

  init(_ path: String) { file = ConfigurationFile(path: path) }

  mutating func take(_ line: String) {
    number += 1
    let text = line.trimmingCharacters(in: .whitespacesAndNewlines)
    if text.isEmpty || text.hasPrefix("#") || text.hasPrefix(";") { return }
    let indent = line.unicodeScalars.prefix { CharacterSet.whitespaces.contains($0) }.count
    if isInEntry, indent > self.indent { return continueEntry(text) }
    self.indent = indent
    if text.hasPrefix("[") { startSection(text) } else { takeEntry(text) }
  }

  mutating func end() {
    closeEntry()
    defer { (entries, lines) = ([:], [:]) }
    let name = section ?? ConfigurationFile.defaultName
    let clashes: [(AccountKey, AccountKey)] = [(.password, .passwordCommand), (.oauth2Command, .oauth2RefreshToken)]
    for (one, other) in clashes {
      if let first = lines[one], let second = lines[other] {
        let text = "[\(name)] has both \(one.rawValue) and \(other.rawValue); keep one"
        complain(text, at: max(first, second), one, other)
      }
    }
    if let line = lines[.starttls], AccountKey.boolean(entries[.starttls] ?? "") == true,
      AccountKey.boolean(entries[.ssl] ?? "") == true
    {
      complain("[\(name)] has ssl and starttls both on; keep one", at: line, .ssl, .starttls)
    }
    guard section != nil, isFirst else {
      // Somebody means them, and where they stand they say nothing.
      complaints.keys[name, default: []].formUnion(entries.keys)
      return
    }
    file.keyLines[name] = lines
    if name == ConfigurationFile.defaultName { file.defaults = entries } else { file.accounts[name] = entries }
  }

  private mutating func startSection(_ text: String) {
    end()
    isInEntry = false
    let close = text.firstIndex(of: "]")
    // Of a header that is wrong a word: what stands below it is checked all the same.
    let inner = text.dropFirst().prefix { close == nil ? !$0.isWhitespace : $0 != "]" }
    let name = inner.trimmingCharacters(in: .whitespaces)
    section = name
    let isDefault = name == ConfigurationFile.defaultName
    isFirst = isDefault ? !seenDefault : file.lines[name] == nil
    if close != text.indices.last || name.isEmpty {
      let shown = close == nil ? "[" + Self.shown(name).trimmingCharacters(in: .whitespaces) : "[\(name)]"
      complain("\(shown): a section is a name in brackets and nothing else, as [work]", at: number)
    } else if !isFirst {
      complain("[\(name)] comes twice; put its lines together", at: number)
    }
    if !isFirst { return }
    if isDefault { return seenDefault = true }
    file.names.append(name)
    file.lines[name] = number
  }

  private var seenDefault = false

  private mutating func takeEntry(_ text: String) {
    closeEntry()
    guard let (name, value) = Self.parts(text) else {
      isInEntry = false
      // Not shown: it may be a password.
      complain("this is neither [section] nor key = value", at: number)
      let word = text.prefix { !$0.isWhitespace }.lowercased()
      return meant(AccountKey(rawValue: word))
    }
    isInEntry = true
    if Self.ignored.contains(name) { return }
    guard let key = AccountKey(rawValue: name) else {
      let known = AccountKey.allCases.map(\.rawValue).joined(separator: " ")
      return complain("unknown key\(Self.shown(name)); there are \(known)", at: number)
    }
    if section == nil { complain("\(name) stands before the first section; put [DEFAULT] above it", at: number) }
    if let first = lines[key] { return complain("\(name) stands in line \(first) already; keep one", at: number, key) }
    lines[key] = number
    entries[key] = value
    open = (key, number)
  }

  private mutating func continueEntry(_ text: String) {
    // Nothing is known of the key.
    guard let open else { return }
    if let name = Self.parts(text)?.name, let key = AccountKey(rawValue: name) {
      // As Python has it, this would be the rest of a host, for example, and go to a name server.
      let advice = "so it would be a part of its value; indent both alike"
      let complaint = "\(name) is indented deeper than \(open.key.rawValue) above it, \(advice)"
      return complain(complaint, at: number, open.key, key)
    }
    // Python puts a line break there, which no value here can use.
    entries[open.key, default: ""] += " " + text
  }

  /// What is before and behind the first `=` or `:`; nil where there is none.
  private static func parts(_ text: String) -> (name: String, value: String)? {
    guard let end = text.firstIndex(where: { $0 == "=" || $0 == ":" }) else { return nil }
    return (
      text[..<end].trimmingCharacters(in: .whitespaces).lowercased(),
      text[text.index(after: end)...].trimmingCharacters(in: .whitespaces)
    )
  }

  /// `name` behind a space where it looks like that of a key: it may be a part of a password.
  private static func shown(_ name: String) -> String {
    let isName = name.utf8.count <= 30 && name.utf8.allSatisfy { (0x61...0x7a).contains($0) || $0 == UInt8(ascii: "_") }
    return isName ? " " + name : ""
  }

  /// Values are judged once their last line is known.
  private mutating func closeEntry() {
    guard let (key, line) = open.take() else { return }
    if let complaint = key.complaint(entries[key] ?? "", isShown: false) { complain(complaint, at: line, key) }
  }

  /// Complains of `keys`.
  private mutating func complain(_ text: String, at line: Int, _ keys: AccountKey...) {
    complaints.all.append(.init(line: line, text: text))
    for key in keys { meant(key) }
  }

  private mutating func meant(_ key: AccountKey?) {
    if let key { complaints.keys[section ?? ConfigurationFile.defaultName, default: []].insert(key) }
  }

  /// What IMAPClient's own tests have in their files.
  private static let ignored: Set<String> = ["expect_failure"]
}
