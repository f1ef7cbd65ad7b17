/// Lines of columns. On a terminal they are aligned, have a header, and are cut to its width; in a pipe they are what a
/// program wants: the fields with tabs between them, and nothing else.
struct Table {
  /// One column.
  struct Column {
    var title: String
    /// Numbers are.
    var isRightAligned: Bool

    init(_ title: String, right: Bool = false) {
      self.title = title
      isRightAligned = right
    }
  }

  private let columns: [Column]
  /// Columns of the terminal; nil where there is none.
  private let width: Int?
  private var rows: [[String]] = []
  /// Once lines were printed their layout stays.
  private var widths: [Int]?

  init(_ columns: [Column], width: Int? = Console.width) {
    self.columns = columns
    self.width = width
  }

  /// Adds a line. Some are held back on a terminal until it is known how wide the columns are.
  mutating func add(_ row: [String]) throws(OutputError) {
    if width == nil { return try Console.line(row) }
    rows.append(row.map(Console.printable))
    if rows.count >= Self.mostHeld { try flush() }
  }

  /// Prints what is held back.
  mutating func flush() throws(OutputError) {
    for line in lines() { try Console.line(line) }
  }

  /// The lines that are held back, laid out; they are held no longer.
  mutating func lines() -> [String] {
    guard let width, !rows.isEmpty else { return [] }
    defer { rows = [] }
    var lines: [String] = []
    let widths: [Int]
    if let known = self.widths {
      widths = known
    } else {
      widths = columns.indices.map { index in
        (rows.map { $0.indices.contains(index) ? Self.width(of: $0[index]) : 0 } + [
          Self.width(of: columns[index].title)
        ])
        .max() ?? 0
      }
      self.widths = widths
      lines.append(Self.line(columns.map(\.title), columns, widths, width))
    }
    return lines + rows.map { Self.line($0, columns, widths, width) }
  }

  private static func line(_ row: [String], _ columns: [Column], _ widths: [Int], _ limit: Int) -> String {
    var line = ""
    for (index, field) in row.enumerated() where columns.indices.contains(index) {
      let padding = String(repeating: " ", count: max(0, widths[index] - width(of: field)))
      if index > 0 { line += "  " }
      line += columns[index].isRightAligned ? padding + field : field + padding
    }
    while line.hasSuffix(" ") { line.removeLast() }
    return cut(line, to: limit)
  }

  /// `text` in at most `limit` columns.
  static func cut(_ text: String, to limit: Int) -> String {
    if width(of: text) <= limit { return text }
    if limit < 1 { return "" }
    var output = ""
    var used = 0
    for character in text {
      let columns = width(of: String(character))
      if used + columns > limit - 1 { break }
      output.append(character)
      used += columns
    }
    return output + "…"
  }

  /// How many columns of a terminal `text` takes: characters of East Asia two, marks none.
  static func width(of text: String) -> Int {
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
    return text.unicodeScalars.reduce(0) { $0 + width(of: $1) }
  }

  private static func width(of scalar: Unicode.Scalar) -> Int {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: 0
    default: wide.contains { $0.contains(scalar.value) } ? 2 : 1
    }
  }

  /// Where Unicode's East_Asian_Width is wide (UAX #11), roughly.
  private static let wide: [ClosedRange<UInt32>] = [
    0x1100...0x115f, 0x2e80...0x303e, 0x3041...0x4dbf, 0x4e00...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff,
    0xfe30...0xfe6f, 0xff00...0xff60, 0xffe0...0xffe6, 0x1f300...0x1f64f, 0x1f680...0x1f6ff, 0x1f900...0x1f9ff,
    0x20000...0x3fffd,
  ]

  private static let mostHeld = 500
}

/// Numbers as people read them.
enum Human {
  /// So many of something: `1 account`, `2 accounts`.
  static func count(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

  /// A size in bytes: `512`, `1.5K`, `20M`.
  static func bytes(_ count: UInt64) -> String {
    if count < 1024 { return String(count) }
    var (value, unit) = (Double(count) / 1024, 0)
    while value >= 1024, unit < 4 { (value, unit) = (value / 1024, unit + 1) }
    let letter = ["K", "M", "G", "T", "P"][unit]
    if value >= 10 { return "\(Int(value.rounded()))\(letter)" }
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)\(letter)"
  }
}
