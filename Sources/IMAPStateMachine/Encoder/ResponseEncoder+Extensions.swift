/// Responses of extensions.
extension ResponseEncoder {
  func listExtensions(_ listing: MailboxListing, into output: inout SendBuffer) throws(ConnectionError) {
    if listing.childInfo.isEmpty, listing.oldName == nil, listing.extended.isEmpty { return }
    output.append(" (")
    var isFirst = true
    func separate(_ output: inout SendBuffer) {
      if !isFirst { output.append(0x20) }
      isFirst = false
    }
    if !listing.childInfo.isEmpty {
      separate(&output)
      output.append("CHILDINFO (")
      var isFirst = true
      for option in listing.childInfo {
        output.append(isFirst ? "\"" : " \"")
        isFirst = false
        try atom(option, into: &output)
        output.append(0x22)
      }
      output.append(0x29)
    }
    if let oldName = listing.oldName {
      separate(&output)
      output.append("OLDNAME (")
      mailbox(oldName, into: &output)
      output.append(0x29)
    }
    for item in listing.extended {
      separate(&output)
      astring(Array(item.name.utf8), into: &output)
      output.append(0x20)
      try raw(item.value, into: &output)
    }
    output.append(0x29)
  }

  func vanished(_ uids: UIDSet, earlier: Bool, into output: inout SendBuffer) {
    output.append(earlier ? "* VANISHED (EARLIER) " : "* VANISHED ")
    output.append(uids.description)
  }

  func uidBatches(_ value: UIDBatches, into output: inout SendBuffer) {
    output.append("* UIDBATCHES")
    if let tag = value.tag {
      output.append(" (TAG ")
      string(Array(tag.utf8), into: &output)
      output.append(0x29)
    }
    if !value.batches.ranges.isEmpty { output.append(" \(value.batches)") }
  }

  func annotation(_ mailbox: MailboxName, _ annotation: MessageAnnotation, into output: inout SendBuffer) {
    output.append("* ANNOTATION ")
    self.mailbox(mailbox, into: &output)
    output.append(0x20)
    string(annotation.entry, into: &output)
    output.append(0x20)
    attributes(annotation.attributes, into: &output)
  }

  /// Attributes with their values, in parentheses.
  private func attributes(_ list: [MessageAnnotation.Attribute], into output: inout SendBuffer) {
    output.append(0x28)
    joined(list, into: &output) {
      astring($0.name, into: &$1)
      $1.append(0x20)
      nstring($0.value, into: &$1)
    }
    output.append(0x29)
  }

  func search(_ result: SearchResult, into output: inout SendBuffer) {
    for number in result.numbers {
      output.append(0x20)
      output.append(decimal: number)
    }
    if let modSeq = result.modSeq {
      output.append(" (MODSEQ ")
      output.append(decimal: modSeq.rawValue)
      output.append(0x29)
    }
  }

  /// By an explicit stack: a value of any depth costs no stack of the machine.
  func threads(_ threads: [MessageThread], into output: inout SendBuffer) {
    output.append("* THREAD")
    if !threads.isEmpty { output.append(0x20) }
    var open: [ArraySlice<MessageThread>] = [threads[...]]
    while var siblings = open.popLast() {
      guard let thread = siblings.popFirst() else {
        if !open.isEmpty { output.append(0x29) }
        continue
      }
      open.append(siblings)
      output.append(0x28)
      joined(thread.messages, into: &output) { $1.append(decimal: $0) }
      if !thread.messages.isEmpty, !thread.branches.isEmpty { output.append(0x20) }
      open.append(thread.branches[...])
    }
  }

  func extendedSearch(_ result: ExtendedSearchResult, into output: inout SendBuffer) throws(ConnectionError) {
    output.append("* ESEARCH")
    if result.tag != nil || result.mailbox != nil || result.uidValidity != nil {
      output.append(" (")
      var separator = ""
      if let tag = result.tag {
        output.append("TAG ")
        string(Array(tag.utf8), into: &output)
        separator = " "
      }
      if let mailbox = result.mailbox {
        output.append("\(separator)MAILBOX ")
        self.mailbox(mailbox, into: &output)
        separator = " "
      }
      if let uidValidity = result.uidValidity { output.append("\(separator)UIDVALIDITY \(uidValidity)") }
      output.append(0x29)
    }
    if result.isUID { output.append(" UID") }
    for item in result.items {
      if case .invalid = item { continue }
      output.append(0x20)
      try searchItem(item, into: &output)
    }
  }

  private func searchItem(_ item: ExtendedSearchResult.Item, into output: inout SendBuffer) throws(ConnectionError) {
    switch item {
    case .min(let number): output.append("MIN \(number)")
    case .max(let number): output.append("MAX \(number)")
    case .count(let count): output.append("COUNT \(count)")
    case .all(let set): output.append("ALL \(set.wireForm)")
    case .modSeq(let value): output.append("MODSEQ \(value)")
    case .partial(let window, let set): output.append("PARTIAL (\(window) \(set?.wireForm ?? "NIL"))")
    case .addTo(let updates):
      output.append("ADDTO ")
      self.updates(updates, into: &output)
    case .removeFrom(let updates):
      output.append("REMOVEFROM ")
      self.updates(updates, into: &output)
    case .relevancy(let scores):
      output.append("RELEVANCY (")
      joined(scores, into: &output) { $1.append(decimal: $0) }
      output.append(0x29)
    case .unknown(let name, let value):
      // Before all items this word says that they are UIDs.
      if asciiUppercased(name) == "UID" { throw unencodable }
      try atom(name, into: &output)
      output.append(0x20)
      try raw(value, into: &output)
    case .invalid: throw unencodable
    }
  }

  private func updates(_ updates: [ExtendedSearchResult.Update], into output: inout SendBuffer) {
    output.append(0x28)
    joined(updates, into: &output) { $1.append("\($0.position) \($0.messages.wireForm)") }
    output.append(0x29)
  }

  func accessControl(_ list: AccessControlList, into output: inout SendBuffer) {
    output.append("* ACL ")
    mailbox(list.mailbox, into: &output)
    for entry in list.entries {
      output.append(0x20)
      astring(entry.identifier, into: &output)
      output.append(0x20)
      rights(entry.rights, into: &output)
    }
  }

  func listRights(_ list: ListRights, into output: inout SendBuffer) {
    output.append("* LISTRIGHTS ")
    mailbox(list.mailbox, into: &output)
    output.append(0x20)
    astring(list.identifier, into: &output)
    for group in [list.required] + list.optional {
      output.append(0x20)
      rights(group, into: &output)
    }
  }

  func myRights(_ value: MyRights, into output: inout SendBuffer) {
    output.append("* MYRIGHTS ")
    mailbox(value.mailbox, into: &output)
    output.append(0x20)
    rights(value.rights, into: &output)
  }

  private func rights(_ rights: AccessRights, into output: inout SendBuffer) {
    astring(Array(rights.rawValue.utf8), into: &output)
  }

  func quota(_ quota: Quota, into output: inout SendBuffer) {
    output.append("* QUOTA ")
    astring(quota.root, into: &output)
    output.append(" (")
    joined(quota.resources, into: &output) {
      astring(Array($0.name.utf8), into: &$1)
      $1.append(" \($0.usage) \($0.limit)")
    }
    output.append(0x29)
  }

  func quotaRoots(_ roots: QuotaRoots, into output: inout SendBuffer) {
    output.append("* QUOTAROOT ")
    mailbox(roots.mailbox, into: &output)
    for root in roots.roots {
      output.append(0x20)
      astring(root, into: &output)
    }
  }

  func metadata(_ metadata: Metadata, into output: inout SendBuffer) {
    output.append("* METADATA ")
    mailbox(metadata.mailbox, into: &output)
    output.append(0x20)
    switch metadata.content {
    case .changed(let names): joined(names, into: &output) { astring($0, into: &$1) }
    case .values(let entries):
      output.append(0x28)
      joined(entries, into: &output) {
        astring($0.name, into: &$1)
        $1.append(0x20)
        binary($0.value, into: &$1)
      }
      output.append(0x29)
    }
  }

  func language(_ tags: [String], into output: inout SendBuffer) throws(ConnectionError) {
    output.append("* LANGUAGE (")
    var isFirst = true
    for tag in tags {
      if !isFirst { output.append(0x20) }
      isFirst = false
      try atom(tag, into: &output)
    }
    output.append(0x29)
  }

  func comparator(_ comparator: Comparator, into output: inout SendBuffer) {
    output.append("* COMPARATOR ")
    astring(Array(comparator.active.utf8), into: &output)
    if comparator.matching.isEmpty { return }
    output.append(" (")
    joined(comparator.matching, into: &output) { astring(Array($0.utf8), into: &$1) }
    output.append(0x29)
  }

  func authorizedURLs(_ urls: [[UInt8]], into output: inout SendBuffer) {
    output.append("* GENURLAUTH")
    for url in urls {
      output.append(0x20)
      string(url, into: &output)
    }
  }

  func fetchedURLs(_ urls: [FetchedURL], into output: inout SendBuffer) throws(ConnectionError) {
    output.append("* URLFETCH")
    for url in urls {
      output.append(0x20)
      string(url.url, into: &output)
      switch url.content {
      case .data(let data):
        output.append(0x20)
        nstring(data, into: &output)
      case .parts(let parts):
        let parts = parts.filter { if case .invalid = $0 { false } else { true } }
        // Without parts there is nothing but NIL to say.
        if parts.isEmpty { output.append(" NIL") }
        for part in parts {
          output.append(" (")
          try self.part(part, into: &output)
          output.append(0x29)
        }
      }
    }
  }

  private func part(_ part: FetchedURL.Part, into output: inout SendBuffer) throws(ConnectionError) {
    switch part {
    case .structure(let structure):
      output.append("BODYPARTSTRUCTURE ")
      self.structure(structure, extended: true, into: &output)
    case .body(let data):
      output.append("BODY ")
      nstring(data, into: &output)
    case .binary(let data):
      output.append("BINARY ")
      binary(data, into: &output)
    case .unknown(let name, let value):
      try atom(name, into: &output)
      output.append(0x20)
      try raw(value, into: &output)
    case .invalid: throw unencodable
    }
  }

  func namespaceExtensions(_ list: [Namespaces.Extension], into output: inout SendBuffer) {
    for item in list {
      output.append(0x20)
      string(item.name, into: &output)
      output.append(" (")
      joined(item.values, into: &output) { string($0, into: &$1) }
      output.append(0x29)
    }
  }

  func annotations(_ list: [MessageAnnotation], into output: inout SendBuffer) {
    output.append("ANNOTATION (")
    joined(list, into: &output) {
      astring($0.entry, into: &$1)
      if $0.attributes.isEmpty { return }
      $1.append(0x20)
      attributes($0.attributes, into: &$1)
    }
    output.append(0x29)
  }

  /// A string, a literal8 where it holds NUL (RFC 3516, section 4.2), or NIL.
  func binary(_ bytes: [UInt8]?, into output: inout SendBuffer) {
    if let bytes, bytes.contains(0) { output.append(0x7e) }
    nstring(bytes, into: &output)
  }

  /// `values` with spaces between.
  func joined<Value>(
    _ values: [Value], into output: inout SendBuffer, _ write: (Value, inout SendBuffer) -> Void
  ) {
    var isFirst = true
    for value in values {
      if !isFirst { output.append(0x20) }
      isFirst = false
      write(value, &output)
    }
  }
}
