internal import DequeModule
import IMAPStateMachine

/// The messages of a FETCH, one after the other, as they come, those included that the server tells of unasked meanwhile. Several
/// responses in a row about one message come as one, so that each message is there when the next begins. What
/// nobody has taken yet holds the server up once it is more than 1 MiB or 256 messages, so that a consumer that is slow costs
/// little memory.
///
/// The command is sent when the first message is asked for. Other commands may be given in between, also from inside the loop
/// over the messages: while one waits for its answer nothing is held up, whatever that costs in memory, as the answer comes
/// behind the messages. Where these are large, ask for a `batch` of them at a time: then no more than one batch comes before the answer.
/// An IDLE may wait for as long as messages are taken: only where none is for a second nothing is held
/// up for it. A loop that is left early lets the rest go by.
public struct FetchSequence: AsyncSequence, Sendable {
  /// A message, as far as it was asked for.
  public typealias Element = FetchResponse
  /// Why there are no more.
  public typealias Failure = IMAPError

  let client: IMAPClient
  let command: Command
  let batch: Int?

  /// The messages. Each iterator sends commands of its own.
  public func makeAsyncIterator() -> Iterator { Iterator(client, command, batch) }

  /// Takes the messages of one FETCH, or of one for each batch.
  public struct Iterator: AsyncIteratorProtocol {
    private let client: IMAPClient
    /// What the first call has to begin with.
    private var start: (command: Command, batch: Int?)?
    private var commands: Deque<Command> = []
    private var selection: UInt64 = 0
    private var lease: FetchLease?

    init(_ client: IMAPClient, _ command: Command, _ batch: Int?) {
      self.client = client
      start = (command, batch)
    }

    /// The next message; nil behind the last. Throws where the command fails, once the messages that came are taken, and
    /// `.cancelled` where the task is.
    public mutating func next(
      isolation actor: isolated (any Actor)? = #isolation
    ) async throws(IMAPError) -> FetchResponse? {
      if let (command, batch) = start.take() {
        (commands, selection) = try await client.batches(of: command, batch)
      }
      while true {
        if lease == nil {
          guard let command = commands.popFirst() else { return nil }
          lease = FetchLease(try await client.startFetch(command, in: selection), client)
        }
        guard let lease else { return nil }
        do throws(IMAPError) {
          if let response = try await client.nextFetched(lease.id) { return response }
        } catch {
          (self.lease, commands) = (nil, [])
          throw error
        }
        self.lease = nil
      }
    }
  }
}

/// Lets the rest of a FETCH go by when its iterator goes away.
private final class FetchLease: Sendable {
  let id: CommandID
  private let client: IMAPClient

  init(_ id: CommandID, _ client: IMAPClient) {
    self.id = id
    self.client = client
  }

  deinit {
    let (id, client) = (id, client)
    Task { await client.abandonFetch(id) }
  }
}

/// What has come for a ``FetchSequence`` and was not taken. Used on the loop's thread only.
final class FetchQueue {
  private var responses = Deque<FetchResponse>()
  private var collector = FetchCollector()
  /// About how many bytes ``responses`` hold.
  private var size = 0
  private var sizes = Deque<Int>()
  private var current = 0
  /// The last response, and its size: another one may continue it.
  private var held: (response: FetchResponse, size: Int)?
  private(set) var outcome: Result<Void, IMAPError>?
  private var consumer: CheckedContinuation<Void, Never>?
  /// Whether nobody will take the rest.
  private var isAbandoned = false

  /// Whether so much waits that the server should.
  var isFull: Bool { !isAbandoned && outcome == nil && (size > Self.mostBytes || responses.count > Self.mostResponses) }
  /// Whether the server may go on.
  var isLow: Bool {
    isAbandoned || outcome != nil || (size <= Self.mostBytes / 2 && responses.count <= Self.mostResponses / 2)
  }
  /// Whether somebody waits for the next one.
  var isAwaited: Bool { consumer != nil }
  var isEmpty: Bool { responses.isEmpty }
  /// How many were taken.
  private(set) var taken: UInt64 = 0

  func add(_ event: borrowing ResponseEvent) {
    if isAbandoned { return }
    switch copy event {
    case .literalChunk(let bytes, _): current += bytes.count
    case .fetchAttribute(let attribute): current += Self.size(of: attribute)
    default: break
    }
    guard let response = collector.add(event) else { return }
    defer { current = 0 }
    if let last = held, last.response.isContinued(by: response) {
      held?.response.add(response.attributes)
      held?.size += current
      return
    }
    release()
    held = (response, current)
  }

  /// Nothing continues the last response any more.
  func release() {
    guard let last = held.take() else { return }
    responses.append(last.response)
    sizes.append(last.size)
    size += last.size
    wake()
  }

  func take() -> FetchResponse? {
    taken &+= 1
    if let count = sizes.popFirst() { size -= count }
    return responses.popFirst()
  }

  func finish(_ outcome: Result<Void, IMAPError>) {
    release()
    self.outcome = outcome
    wake()
  }

  func abandon() {
    isAbandoned = true
    held = nil
    responses = []
    sizes = []
    size = 0
  }

  /// Resumes `consumer` when there is something new. One that waits already is resumed, too: it looks for itself.
  func wait(_ consumer: CheckedContinuation<Void, Never>) {
    wake()
    if responses.isEmpty, outcome == nil { self.consumer = consumer } else { consumer.resume() }
  }

  func wake() {
    consumer?.resume()
    consumer = nil
  }

  private static let mostBytes = 1 << 20
  private static let mostResponses = 256

  /// About how many bytes it takes.
  private static func size(of attribute: borrowing FetchAttributeView) -> Int {
    switch copy attribute {
    case .envelope(let envelope): return envelope.raw.count * 2
    case .bodyStructure(let body), .body(let body): return body.raw.count * 2
    case .section(_, let text):
      switch text {
      case .some(let text): return text.raw.count
      case .none: return 0
      }
    case .unknown(_, let value): return value.count
    case .invalid(_, let value, _): return value.count
    default: return 128
    }
  }
}

extension IMAPClient {
  /// FETCH (RFC 9051, section 6.4.5), one message after the other.
  ///
  /// ```swift
  /// for try await message in client.messages(.uids(.all), [.uid, .envelope]) { print(message) }
  /// ```
  ///
  /// With a `batch`, a number above 0, there is a search for the UIDs first, and then a FETCH for so many messages at a time. Commands
  /// that are given inside the loop wait for the end of one of them and not of all. It is for UIDs, and without PARTIAL.
  public nonisolated func messages(
    _ messages: MessageReference, _ items: [FetchItem], _ modifiers: FetchModifiers = FetchModifiers(),
    batch: Int? = nil
  ) -> FetchSequence {
    FetchSequence(client: self, command: .fetch(messages, items, modifiers), batch: batch)
  }

  /// The commands that bring what `command` does, and the mailbox that they are about; see ``selection``.
  fileprivate func batches(
    of command: Command, _ batch: Int?
  ) async throws(IMAPError) -> (commands: Deque<Command>, selection: UInt64) {
    let selection = expectedSelection
    guard case .fetch(let messages, let items, let modifiers) = command else { return ([command], selection) }
    if messages.isEmpty { return ([], selection) }
    guard let batch, batch > 0, case .uids(let uids) = messages, modifiers.partial == nil else {
      return ([command], selection)
    }
    let present = try await tied(to: selection) { () async throws(IMAPError) -> [UID] in
      try await search(.uid(uids)).sorted()
    }
    var commands: Deque<Command> = []
    var rest = present[...]
    while !rest.isEmpty {
      commands.append(.fetch(.uids(UIDSet(rest.prefix(batch))), items, modifiers))
      rest = rest.dropFirst(batch)
    }
    return (commands, selection)
  }

  fileprivate func startFetch(_ command: Command, in selection: UInt64) async throws(IMAPError) -> CommandID {
    try await requireWhatItNeeds(command, name: "FETCH")
    let turn = try await awaitFetch("FETCH", command, isGathered: false)
    if Task.isCancelled {
      session.endFetch(turn)
      throw .cancelled(command: "FETCH")
    }
    let queue = FetchQueue()
    do throws(IMAPError) {
      let waiter = try send("FETCH", command, in: selection) { waiter in
        waiter.fetchHandler = { event in queue.add(event) }
        waiter.queue = queue
      }
      session.fetches[waiter.id] = queue
      waiter.onFinish = { [self] outcome in
        session.endFetch(turn)
        queue.finish(result("FETCH", outcome, of: waiter).map { _ in })
      }
      return waiter.id
    } catch {
      session.endFetch(turn)
      throw error
    }
  }

  fileprivate func nextFetched(_ id: CommandID) async throws(IMAPError) -> FetchResponse? {
    guard let queue = session.fetches[id] else { return nil }
    while queue.isEmpty, queue.outcome == nil, !Task.isCancelled {
      await withTaskCancellationHandler {
        await wait(for: queue)
      } onCancel: {
        Task { await self.wakeFetch(id) }
      }
    }
    if !Task.isCancelled, let response = queue.take() {
      session.updateReading(channel)
      return response
    }
    session.fetches[id] = nil
    queue.abandon()
    if Task.isCancelled {
      let isSent = channel.isInFlight(id)
      cancel(id)
      session.updateReading(channel)
      throw .cancelled(command: "FETCH", outcomeUnknown: isSent)
    }
    session.updateReading(channel)
    if case .failure(let error) = queue.outcome { throw error }
    return nil
  }

  fileprivate func abandonFetch(_ id: CommandID) {
    session.fetches.removeValue(forKey: id)?.abandon()
    // What was not sent need not be.
    cancel(id)
    session.updateReading(channel)
  }

  private func wakeFetch(_ id: CommandID) { session.fetches[id]?.wake() }

  /// A method, as ``awaitOutcome(of:)``.
  private func wait(for queue: FetchQueue) async {
    await withCheckedContinuation {
      queue.wait($0)
      session.updateReading(channel)
    }
  }
}
