import IMAPLoop
import IMAPStateMachine
import Synchronization

/// What happens in the mailbox while nobody asks, put into few words.
struct ShellNews {
  private let mailbox: String
  /// How many messages there were last.
  private(set) var count: UInt32
  private var new: UInt32 = 0
  private var gone: UInt64 = 0
  private var changed: [String] = []
  private var notices: [String] = []

  /// News of `mailbox`, which had `count` messages; nil is as many as it has.
  init(_ mailbox: SelectedMailbox?, count: UInt32? = nil) {
    self.mailbox = mailbox?.name.description ?? ""
    self.count = count ?? mailbox?.exists ?? 0
  }

  /// Takes `event`. Returns whether it is one to tell.
  mutating func take(_ event: MailboxEvent) -> Bool {
    switch event {
    case .exists(let number):
      defer { count = number }
      if number <= count { return false }
      new &+= number - count
    case .expunged:
      count = count > 0 ? count - 1 : 0
      gone += 1
    case .vanished(let uids):
      // How many were there nobody says; what is named by a range may be none.
      let number = uids.ranges.reduce(UInt64(0)) { sum, range in
        guard let first = range.first.number, let last = range.last.number else { return sum }
        return sum &+ UInt64(max(first, last) - min(first, last)) &+ 1
      }
      count = UInt32(clamping: Int64(count) - Int64(clamping: min(number, UInt64(count))))
      gone &+= number
    case .changed(let message):
      if changed.count < Self.most { changed.append(Self.text(message)) }
    case .notice(let status):
      // The end of the connection is told of as such.
      if status.condition == .bye || status.text.isEmpty { return false }
      if notices.count < Self.most { notices.append("the server says: \(status.text)") }
    default: return false
    }
    return true
  }

  /// What there is to tell; the next news are others.
  mutating func lines() -> [String] {
    var lines = notices + changed.map { "\($0) in \(mailbox)" }
    if gone > 0 { lines.append("\(gone) message\(gone == 1 ? "" : "s") expunged from \(mailbox)") }
    if new > 0 { lines.append("\(new) new message\(new == 1 ? "" : "s") in \(mailbox)") }
    (new, gone, changed, notices) = (0, 0, [], [])
    return lines.map { "* " + $0 }
  }

  private static func text(_ message: FetchResponse) -> String {
    var name = "message \(message.sequence)"
    var flags = "changed"
    for attribute in message.attributes {
      switch attribute {
      case .uid(let uid): name = "UID \(uid)"
      case .flags(let list):
        flags = list.isEmpty ? "has no flags" : "is " + list.map(\.rawValue).joined(separator: " ")
      default: break
      }
    }
    return "\(name) \(flags)"
  }

  private static let most = 20
}

/// Gathers news until somebody wants to hear them.
final class NewsGatherer: Sendable {
  private let state: Mutex<(news: ShellNews, isAwaited: Bool)>

  init(_ mailbox: SelectedMailbox?) { state = Mutex((ShellNews(mailbox), false)) }

  /// Takes `event`. Returns whether somebody should fetch ``lines()``: not where that was said already.
  func take(_ event: MailboxEvent) -> Bool {
    state.withLock { state in
      guard state.news.take(event), !state.isAwaited else { return false }
      state.isAwaited = true
      return true
    }
  }

  /// What there is to tell.
  func lines() -> [String] {
    state.withLock { state in
      state.isAwaited = false
      return state.news.lines()
    }
  }

  /// How many messages the mailbox has.
  var count: UInt32 { state.withLock(\.news.count) }
}

extension IMAPClient {
  /// What happens from now on, and what the mailbox is like now: between the two nothing is lost.
  func news() -> (events: AsyncStream<MailboxEvent>, mailbox: SelectedMailbox?) { (events(), selected) }
}
