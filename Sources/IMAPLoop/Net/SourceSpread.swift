import Synchronization

/// How many connections this process has from each of its addresses to each address of a server. All loops share one: the ports
/// of an address are the machine's, not a thread's. Its lock is taken when a connection opens and when it closes.
final class SourceSpread: Sendable {
  /// The one that loops use.
  static let shared = SourceSpread()

  /// What holds a connection's place in the count; a connection stores nothing else. 0 is none: behind 65,535 pairs of addresses
  /// that are in use at once connections are not counted, as none of so many can have very many.
  typealias Place = UInt16

  fileprivate struct Route: Hashable {
    /// Nil where the system chooses.
    let source: SocketAddress?
    let destination: SocketAddress
  }

  fileprivate struct State {
    var counts: [(route: Route, count: Int)] = []
    /// The places of routes that have connections, which are indices into ``counts`` and one more.
    var places: [Route: Place] = [:]
    /// That which was looked up last. As a rule it is the next one, too, and comparing it costs less than its hash.
    var last: (route: Route, place: Place)?
    /// Places that were given back.
    var free: [Place] = []
    var crowded = 0
  }

  private let state = Mutex(State())
  private let limit: Int

  init(limit: Int = SocketOptions.connectionsPerSource) { self.limit = limit }

  /// How many connections were opened from a source that had `limit` already.
  var crowded: Int { state.withLock(\.crowded) }

  /// Counts a connection to `destination`, and returns which of `sources` it is to come from: the first that has fewer
  /// connections than the limit, or that with the fewest. Nil lets the system choose, also where there are no sources.
  /// Complexity: O(sources).
  func open(_ destination: SocketAddress, from sources: [SocketAddress?]) -> (source: SocketAddress?, place: Place) {
    state.withLock { state in
      var best = Route(source: nil, destination: destination)
      var place: Place?
      var fewest = Int.max
      for source in sources {
        let route = Route(source: source, destination: destination)
        let known = state.place(of: route)
        let count = state.count(at: known)
        if count < fewest { (best, place, fewest) = (route, known, count) }
        if count < limit { break }
      }
      if sources.isEmpty {
        place = state.place(of: best)
        fewest = state.count(at: place)
      }
      if fewest >= limit { state.crowded += 1 }
      return (best.source, state.add(best, at: place))
    }
  }

  /// The connection is gone.
  func close(_ place: Place) { state.withLock { $0.remove(place) } }

  /// How many connections there are from `source` to `destination`.
  func count(from source: SocketAddress?, to destination: SocketAddress) -> Int {
    state.withLock { state in state.count(at: state.place(of: Route(source: source, destination: destination))) }
  }
}

extension SourceSpread.State {
  /// Nil where there are no connections.
  fileprivate mutating func place(of route: SourceSpread.Route) -> SourceSpread.Place? {
    if let last, last.route == route { return last.place }
    guard let place = places[route] else { return nil }
    last = (route, place)
    return place
  }

  fileprivate func count(at place: SourceSpread.Place?) -> Int { place.map { counts[Int($0) - 1].count } ?? 0 }

  /// `known` is the place of `route`, where it has one.
  fileprivate mutating func add(_ route: SourceSpread.Route, at known: SourceSpread.Place?) -> SourceSpread.Place {
    if let known {
      counts[Int(known) - 1].count += 1
      return known
    }
    let place: SourceSpread.Place
    if let used = free.popLast() {
      place = used
      counts[Int(place) - 1] = (route, 1)
    } else {
      guard let next = SourceSpread.Place(exactly: counts.count + 1) else { return 0 }
      counts.append((route, 1))
      place = next
    }
    places[route] = place
    return place
  }

  fileprivate mutating func remove(_ place: SourceSpread.Place) {
    let index = Int(place) - 1
    guard counts.indices.contains(index), counts[index].count > 0 else { return }
    counts[index].count -= 1
    if counts[index].count > 0 { return }
    places[counts[index].route] = nil
    if last?.place == place { last = nil }
    free.append(place)
  }
}
