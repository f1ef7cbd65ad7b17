import Foundation
import IMAPStateMachine

/// One word of the search language: a state as `unseen`, or a name and a value as `from:anna`.
enum SearchWord {
  static func key(_ word: String, today: SearchDate) throws(Failure) -> SearchKey {
    if let key = states[word.lowercased()] { return key }
    guard let colon = word.firstIndex(of: ":") else {
      throw Failure(
        .usage,
        "\(word) is no search criterion; write text:\(word) to look for it in the messages, or a state: "
          + states.keys.sorted().joined(separator: " "))
    }
    let name = word[..<colon].lowercased()
    let value = String(word[word.index(after: colon)...])
    if name == "keyword" { return .flag(try FlagNames.flag(value)) }
    if let make = texts[name] {
      if value.isEmpty { throw Failure(.usage, "\(name): has no text; write it behind the colon, as \(name):anna") }
      // On the wire that would be every message with the field.
      if name == "header", value.hasSuffix("="), value.count(where: { $0 == "=" }) == 1 {
        throw Failure(
          .usage, "\(word) has no text; write it behind the =, or leave that out for all that have the field")
      }
      return make(value)
    }
    if let make = dates[name] { return make(try date(value, name, today)) }
    if let key = try number(name, value) { return key }
    let known = ((texts.keys + ["keyword"]).sorted() + dates.keys.sorted() + numbers).map { $0 + ":" }.joined(
      separator: " ")
    throw Failure(.usage, "\(name): is no search criterion; there are \(known)")
  }

  private static let states: [String: SearchKey] = [
    "all": .all, "seen": .flag(.seen), "read": .flag(.seen), "unseen": .noFlag(.seen), "unread": .noFlag(.seen),
    "answered": .flag(.answered), "unanswered": .noFlag(.answered), "flagged": .flag(.flagged),
    "unflagged": .noFlag(.flagged), "deleted": .flag(.deleted), "undeleted": .noFlag(.deleted),
    "draft": .flag(.draft), "undraft": .noFlag(.draft), "recent": .flag(.recent), "new": .new, "old": .old,
  ]

  private static let texts: [String: @Sendable (String) -> SearchKey] = [
    "from": { .from($0) }, "to": { .to($0) }, "cc": { .cc($0) }, "bcc": { .bcc($0) }, "subject": { .subject($0) },
    "body": { .body($0) }, "text": { .text($0) }, "header": { header($0) }, "id": { .header("Message-ID", $0) },
    "gmail": { .gmailRaw($0) },
    "label": { .gmailLabel(GmailLabel($0)) }, "emailid": { .emailID($0) }, "threadid": { .threadID($0) },
    "filter": { .filter($0) },
  ]

  private static let dates: [String: @Sendable (SearchDate) -> SearchKey] = [
    "since": { .since($0) }, "before": { .before($0) }, "on": { .on($0) }, "sentsince": { .sentSince($0) },
    "sentbefore": { .sentBefore($0) }, "senton": { .sentOn($0) }, "savedsince": { .savedSince($0) },
    "savedbefore": { .savedBefore($0) }, "savedon": { .savedOn($0) },
  ]

  private static let numbers = ["larger", "smaller", "older", "younger", "uid", "seq", "modseq"]

  /// `header:List-Id` is there, `header:List-Id=swift` holds the text.
  private static func header(_ text: String) -> SearchKey {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    return .header(String(parts.first ?? ""), parts.count > 1 ? String(parts[1]) : "")
  }

  private static func number(_ name: String, _ value: String) throws(Failure) -> SearchKey? {
    switch name {
    case "larger", "smaller":
      guard let size = scaled(value, ["": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30]) else {
        throw Failure(.usage, "\(name):\(value) is no size; write bytes, or 10k, 5m, 1g")
      }
      return name == "larger" ? .larger(size) : .smaller(size)
    case "older", "younger":
      let units: [String: UInt64] = ["": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800]
      guard let seconds = scaled(value, units).flatMap({ UInt32(exactly: $0) }), seconds > 0 else {
        throw Failure(.usage, "\(name):\(value) is no time; write seconds, or 30m, 2h, 7d, 4w")
      }
      return name == "older" ? .older(seconds) : .younger(seconds)
    case "uid": return exact(try MessageArguments.set(value))
    case "seq": return .sequence(try MessageArguments.set(value).converted())
    case "modseq":
      guard let number = UInt64(value), number <= UInt64(Int64.max) else {
        throw Failure(.usage, "modseq:\(value) is no modification sequence; write the number that a mailbox told")
      }
      return .modSeq(ModSeq(rawValue: number))
    default: return nil
    }
  }

  /// `50:*` without the largest UID where that is below 50 (RFC 9051, section 9: seq-range): nobody means that.
  private static func exact(_ set: UIDSet) -> SearchKey {
    var open: [UIDSet.Range] = []
    var others: [UIDSet.Range] = []
    var first = UInt32.max
    for range in set.ranges {
      // `*` alone is the largest UID, whichever that is.
      if let start = range.first.number ?? range.last.number, range.first.number == nil || range.last.number == nil {
        open.append(UIDSet.Range(MessageBound(start), .star))
        first = min(first, start)
      } else {
        others.append(range)
      }
    }
    guard !open.isEmpty, first > 1 else { return .uid(set) }
    let key = SearchKey.and([.uid(UIDSet(ranges: open)), .not(.uid(UIDSet(ranges: [UIDSet.Range(1, first - 1)])))])
    return others.isEmpty ? key : .or(.uid(UIDSet(ranges: others)), key)
  }

  /// A number with a letter for its unit.
  private static func scaled(_ text: String, _ units: [String: UInt64]) -> UInt64? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let number = UInt64(digits), let unit = units[text.dropFirst(digits.count).lowercased()] else { return nil }
    let (value, overflow) = number.multipliedReportingOverflow(by: unit)
    return overflow ? nil : value
  }

  private static func date(_ text: String, _ name: String, _ today: SearchDate) throws(Failure) -> SearchDate {
    switch text.lowercased() {
    case "today": return today
    case "yesterday": return shifted(today, by: 1)
    default: break
    }
    if let days = scaled(text, ["d": 1, "w": 7]), days < 1_000_000 { return shifted(today, by: Int64(days)) }
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    if parts.count == 3, parts[0].count == 4, let year = Int(parts[0]), let month = Int(parts[1]),
      let day = Int(parts[2]),
      let date = SearchDate(year: year, month: month, day: day)
    {
      return date
    }
    throw Failure(.usage, "\(name):\(text) is no day; write 2026-01-31, today, yesterday, or 7d for seven days ago")
  }

  private static func shifted(_ date: SearchDate, by days: Int64) -> SearchDate {
    let noon = InternalDate(year: date.year, month: date.month, day: date.day, hour: 12, minute: 0, second: 0, zone: 0)
    let other = InternalDate(unixSeconds: (noon?.unixSeconds ?? 0) - days * 86_400)
    return SearchDate(other)
  }
}

extension SearchDate {
  /// The day it is here.
  static var today: SearchDate {
    let seconds = Int64(Date().timeIntervalSince1970)
    let here = InternalDate(unixSeconds: seconds, zone: TimeZone.current.secondsFromGMT() / 60)
    return SearchDate(here)
  }

  /// The day of `date`, in its zone.
  init(_ date: InternalDate) {
    // A date has a day that there is.
    self = SearchDate(year: date.year, month: date.month, day: date.day) ?? SearchDate(InternalDate(unixSeconds: 0))
  }
}

/// Flags as people write them.
enum FlagNames {
  /// The flags that `options` name, several of one parted by commas. Empty names are none.
  static func flags(_ options: [String]) throws(Failure) -> [MessageFlag] {
    var flags: [MessageFlag] = []
    for name in options.flatMap({ $0.split(separator: ",") }) { flags.append(try flag(String(name))) }
    return flags
  }

  /// `seen` is `\Seen`, and so on for the flags of RFC 9051; any other name is a keyword.
  static func flag(_ name: String) throws(Failure) -> MessageFlag {
    let word = name.hasPrefix("\\") ? name.dropFirst() : name[...]
    // RFC 9051, section 9: atom-specials.
    let isAtom = word.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && !"(){%*\"\\]".utf8.contains($0) }
    if word.isEmpty || !isAtom {
      throw Failure(.usage, "\(name) is no flag; write letters and digits, as seen or todo")
    }
    let system: [MessageFlag] = [.seen, .answered, .flagged, .deleted, .draft]
    return system.first { $0 == MessageFlag("\\" + name) } ?? MessageFlag(name)
  }
}
