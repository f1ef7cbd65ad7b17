import IMAPStateMachine

/// Empty sets of messages inside of searches: no set is empty on the wire.
extension SearchKey {
  /// A key that matches the same messages and holds no empty set; nil where none can match, so that there is nothing to send. An
  /// empty set matches no message: beside other keys that all have to match nothing matches, of alternatives the other one is left,
  /// and what is not in it is every message.
  var withoutEmptySets: SearchKey? {
    if !holdsEmptySet { return self }
    return switch Self.reduced(self, depth: 0) {
    case .nothing: nil
    case .everything: .all
    case .key(let key): key
    }
  }

  private enum Match {
    case nothing, everything
    case key(SearchKey)
  }

  private var holdsEmptySet: Bool {
    // Without recursion: how deep keys lie in each other is up to the caller.
    var open = [self]
    while let key = open.popLast() {
      switch key {
      case .uid(let set): if set.isEmpty { return true }
      case .sequence(let set): if set.isEmpty { return true }
      case .and(let keys): open += keys
      case .or(let first, let second): open += [first, second]
      case .not(let key), .fuzzy(let key): open.append(key)
      default: break
      }
    }
    return false
  }

  private static func reduced(_ key: SearchKey, depth: Int) -> Match {
    // What is nested deeper is refused when it is to be sent.
    if depth > 64 { return .key(key) }
    switch key {
    case .uid(let set) where set.isEmpty: return .nothing
    case .sequence(let set) where set.isEmpty: return .nothing
    case .and(let keys):
      var left: [SearchKey] = []
      var isEverything = !keys.isEmpty
      for key in keys {
        switch reduced(key, depth: depth + 1) {
        case .nothing: return .nothing
        case .everything: break
        case .key(let key):
          left.append(key)
          isEverything = false
        }
      }
      return isEverything ? .everything : .key(.and(left))
    case .or(let first, let second):
      switch (reduced(first, depth: depth + 1), reduced(second, depth: depth + 1)) {
      case (.everything, _), (_, .everything): return .everything
      case (.nothing, let other), (let other, .nothing): return other
      case (.key(let first), .key(let second)): return .key(.or(first, second))
      }
    case .not(let inner):
      switch reduced(inner, depth: depth + 1) {
      case .nothing: return .everything
      case .everything: return .nothing
      case .key(let key): return .key(.not(key))
      }
    case .fuzzy(let inner):
      let match = reduced(inner, depth: depth + 1)
      guard case .key(let key) = match else { return match }
      return .key(.fuzzy(key))
    default: return .key(key)
    }
  }
}
