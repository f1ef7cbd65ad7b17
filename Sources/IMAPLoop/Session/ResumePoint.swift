import IMAPStateMachine

/// From where what is known of a mailbox goes on: what a program stores together with what it knows of the messages, so that its next
/// process asks only for what has changed.
///
/// ```swift
/// configuration.resumePoint = ResumePoint(uidValidity: 1_700_000_000, modSeq: 4711)
/// ```
public struct ResumePoint: Hashable, Sendable {
  /// The UID validity value. Where the mailbox has another one nothing of what is known is good.
  public var uidValidity: UInt64
  /// Up to which modification sequence all changes are known (RFC 7162); nil on a server that does not count them.
  public var modSeq: ModSeq?
  /// The UIDs of the messages that are known; nil for not saying which. A server with QRESYNC then names, of those that
  /// went, no others.
  public var knownUIDs: UIDSet?

  /// A point to go on from.
  public init(uidValidity: UInt64, modSeq: ModSeq? = nil, knownUIDs: UIDSet? = nil) {
    self.uidValidity = uidValidity
    self.modSeq = modSeq
    self.knownUIDs = knownUIDs
  }

  /// What is known to whoever has taken all that a `.connected` says of `mailbox`; nil where the server names no UID validity value.
  public init?(_ mailbox: SelectedMailbox) {
    guard let validity = mailbox.uidValidity else { return nil }
    self.init(uidValidity: validity, modSeq: mailbox.highestModSeq)
  }
}

/// The points that come with events, until those are taken.
struct ResumePoints {
  private var points: [(events: Int, point: ResumePoint)] = []
  private var last: ResumePoint?

  /// `point` holds for whoever has taken so many events. Those of later calls are not lower.
  mutating func add(_ point: ResumePoint, behind events: Int) {
    // Who takes nothing for long loses only some of the points between.
    if points.count >= Self.most { points.removeLast() }
    points.append((events, point))
  }

  /// That of whoever has taken so many. Complexity: O(points), which are few.
  mutating func point(behind events: Int) -> ResumePoint? {
    let count = points.prefix { $0.events <= events }.count
    if count > 0 { last = points[count - 1].point }
    points.removeFirst(count)
    return last
  }

  private static let most = 64
}
