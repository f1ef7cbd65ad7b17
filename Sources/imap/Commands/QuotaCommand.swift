import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct QuotaCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "quota", abstract: "Show how much room there is and how much is used.",
    discussion: """
      STORAGE counts in units of 1,024 bytes.

      EXAMPLES
        imap quota -a work
        imap quota -a admin --root 'user.joe' --set STORAGE=1048576
      """)

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "Mailbox whose quotas are meant.")
  var mailbox = "INBOX"

  @Option(help: ArgumentHelp("This quota root instead of a mailbox's.", valueName: "name"))
  var root: String?

  @Option(help: ArgumentHelp("New limit of the root, as STORAGE=1048576; may be repeated.", valueName: "limit"))
  var set: [String] = []

  @Flag(help: "One JSON object a line: root, resources.")
  var json = false

  func validate() throws {
    if !set.isEmpty, root == nil { throw ValidationError("--set needs --root.") }
  }

  func work(_ server: any MailServer) async throws {
    let limits = try set.map { try Self.limit($0) }
    try await server.withClient(of: root == nil ? mailbox : "") { client in
      var quotas: [Quota] = []
      if let root {
        if !limits.isEmpty { try await client.setQuota(root: root, limits) }
        quotas = try await client.quota(root: root).map { [$0] } ?? []
      } else {
        quotas = try await client.quotas(of: MailboxName(mailbox)).quotas
      }
      try show(quotas)
    }
  }

  private func show(_ quotas: [Quota]) throws {
    var table = Table([
      Table.Column("ROOT"), Table.Column("RESOURCE"), Table.Column("USED", right: true),
      Table.Column("LIMIT", right: true), Table.Column("%", right: true),
    ])
    for quota in quotas {
      if json {
        try Console.line(JSON.object(JSON.extensionData(.quota(quota)).members))
        continue
      }
      for resource in quota.resources {
        let isStorage = resource.name == "STORAGE" && Console.hasReader
        let numbers = [resource.usage, resource.limit].map { value in
          isStorage ? Human.bytes(value.multipliedReportingOverflow(by: 1024).partialValue) : String(value)
        }
        let share = resource.limit == 0 ? "-" : String(Int(Double(resource.usage) * 100 / Double(resource.limit)))
        try table.add([MessageLine.printable(quota.root), resource.name] + numbers + [share])
      }
    }
    try table.flush()
  }

  private static func limit(_ text: String) throws(Failure) -> QuotaLimit {
    let parts = text.split(separator: "=", omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty, let limit = UInt64(parts[1]), limit <= UInt64(Int64.max) else {
      throw Failure(.usage, "\(text) is no limit; write a resource and a number, as STORAGE=1048576")
    }
    return QuotaLimit(String(parts[0]), limit)
  }
}
