import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct CheckCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Try what this program can do on a server, in mailboxes that it makes and removes.",
    discussion: """
      Each operation passes, fails, or is skipped where the server lacks what it needs. Nothing that was there before is
      changed. The status is 0 where nothing has failed, else 1.

      EXAMPLE
        imap check -a work
      """)

  @OptionGroup var connection: ConnectionOptions

  @Flag(help: "One JSON object a line: operation, result, reason.")
  var json = false

  func work(_ server: any MailServer) async throws {
    try await server.withClient { client in
      // Time for what it has made to be removed.
      let interruption = Interruption(patience: .seconds(5))
      // A server that answers nothing is not waited for.
      let watch = Task {
        await interruption.wait()
        try await Task.sleep(for: .seconds(2))
        await client.close()
      }
      defer {
        watch.cancel()
        interruption.finish()
      }
      let check = ServerCheck(client)
      var counts = (pass: 0, skip: 0, fail: 0)
      var output: Result<Void, any Error> = .success(())
      for operation in ServerCheck.operations {
        if interruption.hasCome { break }
        let outcome = await check.run(operation)
        switch outcome {
        case .pass: counts.pass += 1
        case .skip: counts.skip += 1
        case .fail: counts.fail += 1
        }
        do { try show(operation.name, outcome) } catch {
          output = .failure(error)
          break
        }
        if await check.isOver { break }
      }
      let left = await check.cleanUp()
      try output.get()
      let names = left.map { "\($0)" }.joined(separator: ", ")
      let rest = left.isEmpty ? "nothing is left" : "left are \(names); remove them by `imap remove-mailbox`"
      if interruption.hasCome { throw Failure(.interrupted, "interrupted; \(rest)") }
      if !left.isEmpty { throw Failure(.failure, rest) }
      if !json, Console.hasReader {
        try Console.line("\(counts.pass) passed, \(counts.skip) skipped, \(counts.fail) failed")
      }
      // Each has been told of.
      if counts.fail > 0 { throw Failure(.failure, "") }
    }
  }

  private func show(_ name: String, _ outcome: ServerCheck.Outcome) throws(OutputError) {
    let (result, reason): (String, String?) =
      switch outcome {
      case .pass: ("pass", nil)
      case .skip(let reason): ("skip", reason)
      case .fail(let reason): ("fail", reason)
      }
    if json {
      return try Console.line(
        JSON.object([("operation", .string(name)), ("result", .string(result)), ("reason", .optional(reason))]))
    }
    // Told at once: a table would be held back.
    if Console.hasReader {
      let padding = String(repeating: " ", count: max(1, 40 - name.count))
      try Console.line("\(result)  \(name)" + (reason.map { padding + $0 } ?? ""))
    } else {
      try Console.line([result, name, reason ?? ""])
    }
  }
}
