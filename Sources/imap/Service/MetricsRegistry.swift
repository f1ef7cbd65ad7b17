import Metrics
import Synchronization

/// Keeps what instruments of swift-metrics count, and writes it in the text format of Prometheus, version 0.0.4.
///
/// Counters get `_total` behind their names, timers and recorders are summaries without quantiles: `_sum` and `_count`. What
/// is counted once stays: instruments cannot be destroyed.
final class MetricsRegistry: MetricsFactory {
  private enum Kind: String {
    case counter, gauge, summary
  }

  private struct Family {
    var kind: Kind
    var cells: [String: any MetricsCell] = [:]
  }

  private let families = Mutex<[String: Family]>([:])

  func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    cell(label + "_total", dimensions, .counter) { CountingCell() } ?? CountingCell()
  }

  func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    cell(label, dimensions, .gauge) { GaugeCell() } ?? GaugeCell()
  }

  func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
    cell(label, dimensions, .summary) { SummaryCell() } ?? SummaryCell()
  }

  func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    cell(label + "_seconds", dimensions, .summary) { SummaryCell() } ?? SummaryCell()
  }

  func destroyCounter(_ handler: any CounterHandler) {}
  func destroyMeter(_ handler: any MeterHandler) {}
  func destroyRecorder(_ handler: any RecorderHandler) {}
  func destroyTimer(_ handler: any TimerHandler) {}

  /// All that was counted; families and cells by name.
  var text: String {
    families.withLock { families in
      var text = ""
      for (name, family) in families.sorted(by: { $0.key < $1.key }) {
        text += "# TYPE \(name) \(family.kind.rawValue)\n"
        for (labels, cell) in family.cells.sorted(by: { $0.key < $1.key }) {
          for sample in cell.samples { text += "\(name)\(sample.suffix)\(labels) \(sample.value)\n" }
        }
      }
      return text
    }
  }

  /// The cell of these labels; nil where the name is another kind's.
  private func cell<Cell: MetricsCell>(
    _ label: String, _ dimensions: [(String, String)], _ kind: Kind, _ make: () -> Cell
  ) -> Cell? {
    let name = Self.name(label)
    let labels = Self.labels(dimensions)
    return families.withLock { families in
      if families[name, default: Family(kind: kind)].kind != kind { return nil }
      if let known = families[name]?.cells[labels] { return known as? Cell }
      let made = make()
      families[name, default: Family(kind: kind)].cells[labels] = made
      return made
    }
  }

  /// `{name="value"}`, empty without any.
  static func labels(_ dimensions: [(String, String)]) -> String {
    if dimensions.isEmpty { return "" }
    let pairs = dimensions.map { name, value in
      let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
      return "\(Self.name(name))=\"\(escaped)\""
    }
    return "{" + pairs.joined(separator: ",") + "}"
  }

  /// `text` with an underscore for all that a name may not hold.
  private static func name(_ text: String) -> String {
    let name = text.unicodeScalars.map { scalar in
      scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || scalar == "_")
        ? Character(scalar) : "_"
    }
    return name.first?.isNumber == true ? "_" + String(name) : String(name)
  }
}

/// What one instrument counts.
private protocol MetricsCell: AnyObject, Sendable {
  var samples: [(suffix: String, value: String)] { get }
}

private final class CountingCell: MetricsCell, CounterHandler {
  private let value = Atomic<Int64>(0)

  func increment(by amount: Int64) { value.wrappingAdd(amount, ordering: .relaxed) }
  func reset() { value.store(0, ordering: .relaxed) }

  var samples: [(suffix: String, value: String)] { [("", String(value.load(ordering: .relaxed)))] }
}

private final class GaugeCell: MetricsCell, MeterHandler {
  private let value = Mutex<Double>(0)

  func set(_ new: Int64) { set(Double(new)) }
  func set(_ new: Double) { value.withLock { $0 = new } }
  func increment(by amount: Double) { value.withLock { $0 += amount } }
  func decrement(by amount: Double) { value.withLock { $0 -= amount } }

  var samples: [(suffix: String, value: String)] { [("", "\(value.withLock { $0 })")] }
}

private final class SummaryCell: MetricsCell, RecorderHandler, TimerHandler {
  private let state = Mutex<(count: UInt64, sum: Double)>((0, 0))

  func record(_ value: Int64) { record(Double(value)) }
  func record(_ value: Double) { state.withLock { $0 = ($0.count &+ 1, $0.sum + value) } }
  func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

  var samples: [(suffix: String, value: String)] {
    let (count, sum) = state.withLock { $0 }
    return [("_sum", "\(sum)"), ("_count", String(count))]
  }
}
