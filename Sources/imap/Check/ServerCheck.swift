import IMAPLoop
import IMAPStateMachine

/// What `imap check` does with a server, operation by operation, in mailboxes of its own.
final class ServerCheck {
  /// How an operation went.
  enum Outcome {
    case pass
    /// The server lacks what it needs.
    case skip(String)
    case fail(String)
  }

  /// One thing that is done.
  struct Operation: Sendable {
    var name: String
    /// Where the server has none of these the operation is left out.
    var needs: [Capability] = []
    /// Whether it works in the scratch mailbox.
    var isInside = true
    var run: @Sendable (ServerCheck) async throws -> Void
  }

  /// The answer is not what it has to be.
  struct Mismatch: Error {
    var text: String
    init(_ text: String) { self.text = text }
  }

  let client: IMAPClient
  /// The mailbox that all of it happens in; nil where it could not be made.
  private(set) var scratch: MailboxName?
  /// What ends the name of everything that is made here.
  let mark: String
  private(set) var delimiter: Character?
  private var prefix = ""
  private var made: [MailboxName] = []

  init(_ client: IMAPClient) {
    self.client = client
    mark = String(UInt32.random(in: .min ... .max), radix: 36)
  }

  /// Runs `operation`.
  func run(_ operation: Operation) async -> Outcome {
    if operation.isInside, scratch == nil { return .skip("there is no mailbox to do it in") }
    do {
      if !operation.needs.isEmpty {
        var isThere = false
        for capability in operation.needs where !isThere { isThere = try await client.supports(capability) }
        if !isThere { return .skip("the server has no \(operation.needs[0])") }
      }
      try await operation.run(self)
      return .pass
    } catch IMAPError.capabilityMissing(let capability, _) {
      return .skip("the server has no \(capability)")
    } catch let mismatch as Mismatch {
      return .fail(mismatch.text)
    } catch {
      return .fail("\(error)")
    }
  }

  /// Whether the connection is there no more.
  var isOver: Bool {
    get async { await client.phase == .closed }
  }

  /// Removes all that was made. Returns what stayed.
  func cleanUp() async -> [MailboxName] {
    var left: [MailboxName] = []
    // Some servers remove no mailbox that is open.
    if await client.selected != nil { try? await client.unselect() }
    for name in made.reversed() {
      try? await client.unsubscribe(name)
      do throws(IMAPError) { try await client.delete(name) } catch {
        if error.reason != .noSuchMailbox { left.append(name) }
      }
    }
    // A connection that is gone has told nothing: all may be there.
    return left
  }

  // MARK: For the operations

  func expect(_ condition: Bool, _ text: @autoclosure () -> String) throws { if !condition { throw Mismatch(text()) } }

  /// The name of a mailbox that belongs to this check.
  func name(_ text: String) -> MailboxName { MailboxName("\(prefix)imap-check-\(mark)\(text)") }

  /// Makes a mailbox that is removed at the end.
  func make(_ name: MailboxName) async throws {
    try await client.create(name)
    made.append(name)
  }

  /// `old` is called `new` now.
  func renamed(_ old: MailboxName, _ new: MailboxName) {
    made.removeAll { $0 == old }
    made.append(new)
  }

  /// A mailbox is there no more.
  func removed(_ name: MailboxName) { made.removeAll { $0 == name } }

  /// Makes the mailbox that the rest happens in, where the user may have some.
  func makeScratch() async throws {
    if let spaces = try? await client.namespace(), let personal = spaces.personal.first {
      prefix = personal.prefix.description
    }
    let scratch = name("")
    try await make(scratch)
    delimiter = try await client.list(pattern: scratch).first?.delimiter
    self.scratch = scratch
  }

  /// The scratch mailbox.
  func box() throws -> MailboxName {
    guard let scratch else { throw Mismatch("there is no mailbox to do it in") }
    return scratch
  }

  /// The only message whose subject holds `subject`.
  func uid(_ subject: String) async throws -> UID {
    var found = try await client.search(.subject(subject))
    if found.isEmpty {
      // Some servers let what this connection has added be found only when it has asked for news.
      try await client.noop()
      found = try await client.search(.subject(subject))
    }
    guard found.count == 1 else { throw Mismatch("\(found.count) messages have the subject \(subject)") }
    return found[0]
  }

  /// The flags of `uid`.
  func flags(_ uid: UID) async throws -> Set<MessageFlag> {
    guard let flags = try await client.fetchOne(uid, [.flags])?.flags else { throw Mismatch("no flags of UID \(uid)") }
    return Set(flags).subtracting(["\\Recent"])
  }
}
