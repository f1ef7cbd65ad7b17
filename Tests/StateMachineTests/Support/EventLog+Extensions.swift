import IMAPStateMachine

/// Responses of extensions as text.
extension EventLog {
  func describeExtension(_ response: Response) -> String {
    switch response {
    case .vanished(let uids, let earlier): "vanished \(uids)\(earlier ? " earlier" : "")"
    case .sort(let result):
      "sort \(result.numbers.map { String($0) }.joined(separator: " "))"
        + (result.modSeq.map { " modseq=\($0)" } ?? "") + describe(result.invalid)
    case .thread(let threads): "thread " + threads.map { describe($0) }.joined()
    case .extendedSearch(let result): describe(result)
    case .acl(let list):
      "acl \(list.mailbox)" + list.entries.map { " \(quoted($0.identifier))=\($0.rights)" }.joined()
    case .listRights(let list):
      "listrights \(list.mailbox) \(quoted(list.identifier)) \(list.required)"
        + list.optional.map { " [\($0)]" }.joined()
    case .myRights(let value): "myrights \(value.mailbox) \(value.rights)"
    case .quota(let quota):
      "quota \(quoted(quota.root))" + quota.resources.map { " \($0.name)=\($0.usage)/\($0.limit)" }.joined()
    case .quotaRoots(let roots): "quotaroot \(roots.mailbox)" + roots.roots.map { " \(quoted($0))" }.joined()
    case .metadata(let metadata): describe(metadata)
    case .language(let tags): "language \(tags.joined(separator: " "))"
    case .comparator(let value): "comparator \(value.active) [\(value.matching.joined(separator: " "))]"
    case .authorizedURLs(let urls): "genurlauth" + urls.map { " \(quoted($0))" }.joined()
    case .fetchedURLs(let urls): "urlfetch" + urls.map { " \(describe($0))" }.joined()
    case .jmapAccess(let url): "jmapaccess \(quoted(url))"
    case .uidBatches(let value): "uidbatches tag=\(value.tag ?? "NIL") \(value.batches)"
    case .annotation(let mailbox, let annotation):
      "annotation \(mailbox) \(quoted(annotation.entry))"
        + annotation.attributes.map { " \(quoted($0.name))=\(optional($0.value))" }.joined()
    default: "?"
    }
  }

  func describeItems(_ status: MailboxStatus) -> [String] {
    StatusItem.allCases.compactMap { item in status[item].map { "\(item.rawValue)=\($0)" } }
      + (status.appendLimit == AppendLimit.none ? ["APPENDLIMIT=NIL"] : [])
      + (status.mailboxID.map { ["MAILBOXID=\($0)"] } ?? [])
      + status.others.map { "\($0.name)=\(quoted($0.value))" } + status.invalid.map { describe($0) }
  }

  func describe(_ namespace: Namespaces.Namespace) -> String {
    "\(namespace.prefix.description)|\(namespace.delimiter.map { String($0) } ?? "NIL")"
      + namespace.extensions.map { "|\(quoted($0.name))=\($0.values.map { quoted($0) }.joined(separator: ","))" }
      .joined()
  }

  private func describe(_ thread: MessageThread) -> String {
    let parts = thread.messages.map { String($0) } + thread.branches.map { describe($0) }
    return "(\(parts.joined(separator: " ")))"
  }

  private func describe(_ result: ExtendedSearchResult) -> String {
    "esearch tag=\(result.tag ?? "NIL")" + (result.mailbox.map { " mailbox=\($0)" } ?? "")
      + (result.uidValidity.map { " uidvalidity=\($0)" } ?? "") + (result.isUID ? " uid" : "")
      + result.items.map { " \(describe($0))" }.joined()
  }

  private func describe(_ item: ExtendedSearchResult.Item) -> String {
    func updates(_ list: [ExtendedSearchResult.Update]) -> String {
      list.map { "\($0.position)@\($0.messages.wireForm)" }.joined(separator: ";")
    }
    return switch item {
    case .min(let number): "min=\(number)"
    case .max(let number): "max=\(number)"
    case .count(let count): "count=\(count)"
    case .all(let set): "all=\(set.wireForm)"
    case .modSeq(let value): "modseq=\(value)"
    case .partial(let window, let set): "partial=\(window)/\(set?.wireForm ?? "NIL")"
    case .addTo(let list): "addto=\(updates(list))"
    case .removeFrom(let list): "removefrom=\(updates(list))"
    case .relevancy(let scores): "relevancy=\(scores)"
    case .unknown(let name, let value): "\(name)?\(quoted(value))"
    case .invalid(let item): describe(item)
    }
  }

  private func describe(_ metadata: Metadata) -> String {
    switch metadata.content {
    case .changed(let names): "metadata \(metadata.mailbox) changed" + names.map { " \(quoted($0))" }.joined()
    case .values(let entries):
      "metadata \(metadata.mailbox)" + entries.map { " \(quoted($0.name))=\(optional($0.value))" }.joined()
    }
  }

  private func describe(_ url: FetchedURL) -> String {
    switch url.content {
    case .data(let data): return "\(quoted(url.url))=\(optional(data))"
    case .parts(let parts):
      let text = parts.map { part in
        switch part {
        case .structure(let structure): "structure \(describe(structure))"
        case .body(let data): "body \(optional(data))"
        case .binary(let data): "binary \(optional(data))"
        case .unknown(let name, let value): "\(name)?\(quoted(value))"
        case .invalid(let item): describe(item)
        }
      }
      return "\(quoted(url.url))=[\(text.joined(separator: "; "))]"
    }
  }
}
