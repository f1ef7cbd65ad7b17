import Foundation
import IMAPStateMachine

/// The language of `imap search`: `from:anna subject:"x y" since:2026-01-31 (unseen or larger:10k) not flagged`.
///
/// Words that stand next to each other must all match; `or` between them binds weaker than that, `not` stronger; parentheses
/// group. docs/cli.md has the table of words.
enum SearchQuery {
  /// The criteria of a text as a person writes it: words are parted by spaces, and quotes keep them together.
  static func parse(_ text: String, today: SearchDate) throws(Failure) -> SearchKey {
    try parse(tokens(text), today: today)
  }

  /// The criteria of words that a shell has parted, and whose quotes it has taken away. Parentheses count where they open or
  /// close a word.
  static func parse(words: [String], today: SearchDate) throws(Failure) -> SearchKey {
    var tokens: [Token] = []
    for word in words {
      if word.allSatisfy(\.isWhitespace) { throw nothing }
      var rest = word[...]
      while rest.first == "(" {
        tokens.append(.open)
        rest = rest.dropFirst()
      }
      var closing = 0
      // One that was opened inside the word belongs to it.
      while rest.last == ")", rest.count(where: { $0 == ")" }) > rest.count(where: { $0 == "(" }) {
        closing += 1
        rest = rest.dropLast()
      }
      if !rest.isEmpty { tokens.append(.word(String(rest))) }
      tokens += Array(repeating: .close, count: closing)
    }
    return try parse(tokens, today: today)
  }

  enum Token: Equatable {
    case open, close
    /// Without its quotes.
    case word(String)
  }

  private static func parse(_ tokens: [Token], today: SearchDate) throws(Failure) -> SearchKey {
    if tokens.isEmpty { throw nothing }
    var parser = Parser(tokens, today)
    let key = try parser.alternatives(depth: 0)
    if let token = parser.next() { throw Parser.misplaced(token) }
    return key
  }

  static var nothing: Failure {
    Failure(.usage, "an empty text is no search criterion; write all for every message, or leave it out")
  }

  /// Parts a text into tokens.
  private static func tokens(_ text: String) throws(Failure) -> [Token] {
    var tokens: [Token] = []
    var word: String?
    var isQuoted = false
    var isEscaped = false
    for character in text {
      if isQuoted {
        if isEscaped {
          word?.append(character)
          isEscaped = false
        } else if character == "\\" {
          isEscaped = true
        } else if character == "\"" {
          isQuoted = false
        } else {
          word?.append(character)
        }
        continue
      }
      switch character {
      case "\"":
        isQuoted = true
        word = word ?? ""
      case _ where character.isWhitespace: if let end = word.take() { tokens.append(.word(end)) }
      case "(", ")":
        if let end = word.take() { tokens.append(.word(end)) }
        tokens.append(character == "(" ? .open : .close)
      default: word = (word ?? "") + String(character)
      }
    }
    if isQuoted { throw Failure(.usage, "a quotation mark is not closed in: \(text)") }
    if let end = word { tokens.append(.word(end)) }
    return tokens
  }
}

/// Recursive descent over the tokens.
private struct Parser {
  private let tokens: [SearchQuery.Token]
  private var index = 0
  private let today: SearchDate

  init(_ tokens: [SearchQuery.Token], _ today: SearchDate) {
    self.tokens = tokens
    self.today = today
  }

  mutating func next() -> SearchQuery.Token? {
    guard tokens.indices.contains(index) else { return nil }
    defer { index += 1 }
    return tokens[index]
  }

  mutating func alternatives(depth: Int) throws(Failure) -> SearchKey {
    // Each level costs stack.
    if depth > 50 { throw Failure(.usage, "the search criteria are nested too deeply; at most 50 levels are read") }
    var keys = [try conjunction(depth: depth)]
    while isWord("or") {
      index += 1
      keys.append(try conjunction(depth: depth))
    }
    return Self.either(keys[...])
  }

  /// As a tree that is not deeper than it must be.
  private static func either(_ keys: ArraySlice<SearchKey>) -> SearchKey {
    guard let first = keys.first else { return .all }
    if keys.count == 1 { return first }
    let half = keys.count / 2
    return .or(either(keys.prefix(half)), either(keys.dropFirst(half)))
  }

  private mutating func conjunction(depth: Int) throws(Failure) -> SearchKey {
    var keys: [SearchKey] = []
    while tokens.indices.contains(index), tokens[index] != .close, !isWord("or") {
      if isWord("and") {
        index += 1
        continue
      }
      keys.append(try unary(depth: depth))
    }
    if keys.count > 1 { return .and(keys) }
    guard let key = keys.first else {
      throw Failure(.usage, "a search criterion is missing \(place); write one, as unseen or from:anna")
    }
    return key
  }

  private mutating func unary(depth: Int) throws(Failure) -> SearchKey {
    var isNegated = false
    while isWord("not") {
      index += 1
      isNegated.toggle()
    }
    let key: SearchKey
    switch next() {
    case .open?:
      key = try alternatives(depth: depth + 1)
      guard next() == .close else { throw Failure(.usage, "a parenthesis is not closed in the search criteria") }
    case .word(let word)?: key = try SearchWord.key(word, today: today)
    case .close?: throw Self.misplaced(.close)
    case nil: throw Failure(.usage, "a search criterion is missing behind not; write one, as not seen")
    }
    return isNegated ? .not(key) : key
  }

  private func isWord(_ word: String) -> Bool {
    guard tokens.indices.contains(index), case .word(let text) = tokens[index] else { return false }
    return text.lowercased() == word
  }

  private var place: String {
    if index >= tokens.count { return "at the end" }
    return index == 0 ? "at the start" : "before \(Self.text(tokens[index]))"
  }

  static func misplaced(_ token: SearchQuery.Token) -> Failure {
    Failure(.usage, "\(text(token)) is not expected there in the search criteria; check the parentheses")
  }

  private static func text(_ token: SearchQuery.Token) -> String {
    switch token {
    case .open: "("
    case .close: ")"
    case .word(let word): word
    }
  }
}
