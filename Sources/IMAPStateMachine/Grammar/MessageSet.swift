/// What a ``MessageSet`` counts: ``UID`` or ``SequenceNumber``.
public protocol MessageNumber: Hashable, Comparable, Sendable {
  /// The number on the wire. 0 is not valid there.
  var rawValue: UInt32 { get }
  /// The number `rawValue`.
  init(rawValue: UInt32)
}

extension MessageNumber {
  /// By number.
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// A unique identifier of a message in its mailbox (RFC 9051, section 2.3.1.1).
public struct UID: MessageNumber, ExpressibleByIntegerLiteral, CustomStringConvertible {
  /// The number on the wire.
  public var rawValue: UInt32
  /// The UID `rawValue`.
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// The UID of a literal.
  public init(integerLiteral value: UInt32) { rawValue = value }
  /// In decimal.
  public var description: String { String(rawValue) }
}

/// A message sequence number: the position in the mailbox, from 1 (RFC 9051, section 2.3.1.2).
public struct SequenceNumber: MessageNumber, ExpressibleByIntegerLiteral, CustomStringConvertible {
  /// The number on the wire.
  public var rawValue: UInt32
  /// The sequence number `rawValue`.
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// The sequence number of a literal.
  public init(integerLiteral value: UInt32) { rawValue = value }
  /// In decimal.
  public var description: String { String(rawValue) }
}

/// A UID or a sequence number, where the command decides which of the two a server means.
public struct MessageID: MessageNumber, ExpressibleByIntegerLiteral, CustomStringConvertible {
  /// The number on the wire.
  public var rawValue: UInt32
  /// The number `rawValue`.
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// The number of a literal.
  public init(integerLiteral value: UInt32) { rawValue = value }
  /// In decimal.
  public var description: String { String(rawValue) }
}

/// UIDs as ranges.
public typealias UIDSet = MessageSet<UID>
/// Sequence numbers as ranges.
public typealias SequenceSet = MessageSet<SequenceNumber>

/// A sequence-set (RFC 9051, section 9): ranges of numbers in the order they were given. It is never expanded, so a
/// hostile `1:4294967295` costs eight bytes.
public struct MessageSet<Number: MessageNumber>: Hashable, Sendable, CustomStringConvertible, ExpressibleByArrayLiteral
{
  /// One `a:b`. The bounds may come in either order: RFC 9051 gives `3:1` the meaning of `1:3`.
  public struct Range: Hashable, Sendable {
    /// The bound that was written first.
    public var first: MessageBound
    /// The bound that was written last.
    public var last: MessageBound

    /// The numbers from `first` to `last`, both included.
    public init(_ first: MessageBound, _ last: MessageBound) {
      self.first = first
      self.last = last
    }

    /// The numbers from `first` to `last`, both included.
    @_disfavoredOverload
    public init(_ first: UInt32, _ last: UInt32) { self.init(MessageBound(first), MessageBound(last)) }

    /// The range as closed bounds in ascending order, `largest` standing for `*`.
    public func bounds(largest: UInt32) -> ClosedRange<UInt32> {
      let (first, last) = (first.number ?? largest, last.number ?? largest)
      return first <= last ? first...last : last...first
    }
  }

  /// `*`: the largest number in use.
  public static var star: MessageBound { .star }

  /// The ranges, in the order given.
  public var ranges: [Range]
  /// Whether this is `$`: what the last search with SAVE found (RFC 5182), which only the server knows. There are no
  /// ranges then, and nothing is counted or contained.
  public let isSavedResult: Bool

  /// A set of `ranges`.
  public init(ranges: [Range]) {
    self.ranges = ranges
    isSavedResult = false
  }

  private init(savedResult: Void) {
    ranges = []
    isSavedResult = true
  }

  /// One number.
  public init(_ number: Number) { self.init(ranges: [Range(number.rawValue, number.rawValue)]) }

  /// The numbers of `range`.
  public init(_ range: ClosedRange<Number>) {
    self.init(ranges: [Range(range.lowerBound.rawValue, range.upperBound.rawValue)])
  }

  /// The numbers from `range`'s start to the largest in use (`n:*`). It holds the largest one even if `n` is above it.
  public init(_ range: PartialRangeFrom<Number>) {
    self.init(ranges: [Range(MessageBound(range.lowerBound.rawValue), .star)])
  }

  /// The given numbers, neighbours joined to ranges; order and duplicates are not kept. Complexity: O(n log n).
  public init(_ numbers: some Sequence<Number>) {
    var ranges: [Range] = []
    var start: UInt32?
    var end: UInt32 = 0
    for number in numbers.map(\.rawValue).sorted() {
      if start != nil, number <= end || number - 1 == end {
        end = number
      } else {
        if let start { ranges.append(Range(start, end)) }
        start = number
        end = number
      }
    }
    if let start { ranges.append(Range(start, end)) }
    self.init(ranges: ranges)
  }

  /// The given numbers, as the initialiser for sequences takes them.
  public init(arrayLiteral numbers: Number...) { self.init(numbers) }

  /// Every message (`1:*`).
  public static var all: Self { Self(ranges: [Range(MessageBound(1), .star)]) }

  /// `$`: what the last search with SAVE found (RFC 5182; RFC 9051, section 6.4.4.1).
  public static var savedResult: Self { Self(savedResult: ()) }

  /// Whether there is no range at all, and not `$`. Such a set cannot be sent.
  public var isEmpty: Bool { ranges.isEmpty && !isSavedResult }

  /// How many numbers the ranges cover, `largest` standing for `*`; duplicates count twice. Complexity: O(ranges).
  public func count(largest: Number) -> UInt64 {
    ranges.reduce(0) { sum, range in
      let bounds = range.bounds(largest: largest.rawValue)
      return sum + UInt64(bounds.upperBound - bounds.lowerBound) + 1
    }
  }

  /// Whether `number` is in the set, `largest` standing for `*`. Complexity: O(ranges).
  public func contains(_ number: Number, largest: Number) -> Bool {
    ranges.contains { $0.bounds(largest: largest.rawValue).contains(number.rawValue) }
  }

  /// The numbers one by one, range by range, in ascending order inside each; at most `limit` of them, 4294967295 for
  /// `*`. For sets that came from a peer choose the limit with care: four billion numbers fit into fourteen bytes.
  public func numbers(limit: Int) -> [Number] {
    var result: [Number] = []
    for range in ranges {
      for number in range.bounds(largest: .max) {
        if result.count >= limit { return result }
        result.append(Number(rawValue: number))
      }
    }
    return result
  }

  /// The same ranges as numbers of another kind: for a set of ``MessageID``, what the command says that they are.
  public func converted<Other: MessageNumber>(to type: Other.Type = Other.self) -> MessageSet<Other> {
    if isSavedResult { return .savedResult }
    return MessageSet<Other>(ranges: ranges.map { MessageSet<Other>.Range($0.first, $0.last) })
  }

  /// As on the wire.
  public var description: String {
    if isSavedResult { return "$" }
    return ranges.map { $0.first == $0.last ? "\($0.first)" : "\($0.first):\($0.last)" }.joined(separator: ",")
  }
}

/// One end of a range of messages: a number, or `*`.
public struct MessageBound: Hashable, Sendable, ExpressibleByIntegerLiteral, CustomStringConvertible {
  /// The number; nil for `*`.
  public var number: UInt32?

  /// A number.
  public init(_ number: UInt32) { self.number = number }

  /// The number of a literal.
  public init(integerLiteral number: UInt32) { self.number = number }

  private init() {}

  /// `*`: the largest number in use.
  public static var star: MessageBound { MessageBound() }

  /// As on the wire.
  public var description: String { number.map { String($0) } ?? "*" }
}

/// Messages named by UID or by sequence number.
public enum MessageReference: Hashable, Sendable {
  /// By unique identifier: the command is sent in its UID form.
  case uids(UIDSet)
  /// By position in the mailbox.
  case sequence(SequenceSet)

  /// Whether there is nothing to name.
  public var isEmpty: Bool {
    switch self {
    case .uids(let set): set.isEmpty
    case .sequence(let set): set.isEmpty
    }
  }

  /// The numbers as on the wire.
  public var wireForm: String {
    switch self {
    case .uids(let set): set.description
    case .sequence(let set): set.description
    }
  }
}

/// A modification sequence (RFC 7162, section 3.1): 63 bits, growing with every change of a mailbox.
public struct ModSeq: Hashable, Comparable, Sendable, ExpressibleByIntegerLiteral, CustomStringConvertible {
  /// The number on the wire.
  public var rawValue: UInt64
  /// The modification sequence `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  /// The modification sequence of a literal.
  public init(integerLiteral value: UInt64) { rawValue = value }
  /// Older before newer.
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
  /// In decimal.
  public var description: String { String(rawValue) }
}
