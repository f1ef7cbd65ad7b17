/// Searches as they are said: `.from("anna") && .since(2024, 1, 31) && !.seen`.
extension SearchKey {
  /// Both match.
  public static func && (left: SearchKey, right: SearchKey) -> SearchKey {
    switch (left, right) {
    // One list: chains nest no deeper with every link.
    case (.and(let first), .and(let rest)): .and(first + rest)
    case (.and(let first), _): .and(first + [right])
    case (_, .and(let rest)): .and([left] + rest)
    default: .and([left, right])
    }
  }

  /// One of the two matches.
  public static func || (left: SearchKey, right: SearchKey) -> SearchKey { .or(left, right) }

  /// `key` does not match.
  public static prefix func ! (key: SearchKey) -> SearchKey {
    switch key {
    case .not(let inner): inner
    case .flag(let flag): .noFlag(flag)
    case .noFlag(let flag): .flag(flag)
    default: .not(key)
    }
  }

  /// One of `keys` matches, as a balanced tree: servers limit how deep a search nests. Of none nothing does.
  public static func any(of keys: [SearchKey]) -> SearchKey {
    if keys.isEmpty { return .not(.all) }
    var level = keys
    while level.count > 1 {
      level = stride(from: 0, to: level.count, by: 2).map { index in
        index + 1 < level.count ? .or(level[index], level[index + 1]) : level[index]
      }
    }
    return level[0]
  }

  // MARK: Flags

  /// The message was read.
  public static var seen: SearchKey { .flag(.seen) }
  /// The message was not read.
  public static var unseen: SearchKey { .noFlag(.seen) }
  /// The message was answered.
  public static var answered: SearchKey { .flag(.answered) }
  /// The message was not answered.
  public static var unanswered: SearchKey { .noFlag(.answered) }
  /// The message goes away with the next EXPUNGE.
  public static var deleted: SearchKey { .flag(.deleted) }
  /// The message stays.
  public static var undeleted: SearchKey { .noFlag(.deleted) }
  /// The message is unfinished.
  public static var draft: SearchKey { .flag(.draft) }
  /// The message is finished.
  public static var undraft: SearchKey { .noFlag(.draft) }
  /// The message is flagged.
  public static var flagged: SearchKey { .flag(.flagged) }
  /// The message is not flagged.
  public static var unflagged: SearchKey { .noFlag(.flagged) }
  /// The message arrived since the last session (RFC 3501).
  public static var recent: SearchKey { .flag(.recent) }
  /// The message has this keyword.
  public static func keyword(_ name: String) -> SearchKey { .flag(Flag(name)) }
  /// The message has a header field of this name.
  public static func hasHeader(_ name: String) -> SearchKey { .header(name, "") }

  // MARK: Days

  /// Received before the day. A day that there is not makes a search that is refused when it is sent; as with the others.
  public static func before(_ year: Int, _ month: Int, _ day: Int) -> SearchKey {
    on(year, month, day) { .before($0) }
  }
  /// Received on the day.
  public static func on(_ year: Int, _ month: Int, _ day: Int) -> SearchKey { on(year, month, day) { .on($0) } }
  /// Received on the day or later.
  public static func since(_ year: Int, _ month: Int, _ day: Int) -> SearchKey {
    on(year, month, day) { .since($0) }
  }
  /// Date field before the day.
  public static func sentBefore(_ year: Int, _ month: Int, _ day: Int) -> SearchKey {
    on(year, month, day) { .sentBefore($0) }
  }
  /// Date field on the day.
  public static func sentOn(_ year: Int, _ month: Int, _ day: Int) -> SearchKey {
    on(year, month, day) { .sentOn($0) }
  }
  /// Date field on the day or later.
  public static func sentSince(_ year: Int, _ month: Int, _ day: Int) -> SearchKey {
    on(year, month, day) { .sentSince($0) }
  }

  private static func on(_ year: Int, _ month: Int, _ day: Int, _ key: (SearchDate) -> SearchKey) -> SearchKey {
    // The encoder refuses one that there is not. Far outside of the calendar it may as well be another one of that kind.
    func field(_ value: Int) -> Int { Int(Int16(clamping: value)) }
    return key(SearchDate(checkedYear: field(year), field(month), field(day)))
  }

  // MARK: As text

  /// The search that `text` says in IMAP's own words, as Python's `imaplib` takes it: `UNSEEN SINCE 31-Jan-2024 FROM "anna"`.
  /// UTF-8 may stand between quotes. `CHARSET UTF-8` or `CHARSET US-ASCII` in front says nothing new: in what texts are sent is
  /// found when they are. Throws where `text` is no search, and names the word; complexity: O(n).
  public init(parsing text: String) throws(SearchTextError) {
    let head = "A SEARCH "
    let line = Array(head.utf8) + Array(text.utf8)
    let command: Command
    do throws(ParseError) {
      command = try CommandParser().parse((line + [0x0d, 0x0a]).span).command
    } catch {
      throw SearchTextError(error.shifted(by: -head.utf8.count), in: text)
    }
    guard case .search(let key, _, let charset, nil) = command else {
      throw SearchTextError(.returnOptions, 0, in: text)
    }
    if let charset {
      guard let known = SearchCharset(named: charset), known != .latin1 else {
        throw SearchTextError(.charset, 0, in: text)
      }
    }
    self = key
  }
}

/// A list of keys all of which match.
extension SearchKey: ExpressibleByArrayLiteral {
  /// All of `keys` match.
  public init(arrayLiteral keys: SearchKey...) { self = .and(keys) }
}

extension SearchDate {
  /// The day of `date` in its own zone.
  public init(_ date: InternalDate) { self.init(checkedYear: date.year, date.month, date.day) }

  /// The day that it is `unixSeconds` after 1970-01-01 00:00 UTC in `zone`, minutes east.
  public init(unixSeconds: Int64, zone: Int = 0) { self.init(InternalDate(unixSeconds: unixSeconds, zone: zone)) }
}
