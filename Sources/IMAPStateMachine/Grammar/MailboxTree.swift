/// Mailboxes by their place in the hierarchy, made of what LIST says.
public struct MailboxTree: Sendable {
  /// A place in the hierarchy.
  public struct Node: Sendable {
    /// The last part of the name.
    public let name: String
    /// The mailbox; nil where the server lists only what is below it.
    public fileprivate(set) var listing: MailboxListing?
    fileprivate var children: [Int] = []

    fileprivate init(name: String) { self.name = name }
  }

  /// The first has no name: it holds the top level.
  private var nodes = [Node(name: "")]

  /// The tree of `listings`. Names of more than a hundred levels keep the rest in one. Complexity: O(n).
  public init(_ listings: [MailboxListing]) {
    var index: [Key: Int] = [:]
    for listing in listings {
      let name = listing.name.description
      let parts = listing.delimiter.map { name.split(separator: $0, maxSplits: Self.mostLevels) } ?? [name[...]]
      var parent = 0
      for part in parts.isEmpty ? [name[...]] : parts {
        let key = Key(parent: parent, name: String(part))
        if let known = index[key] {
          parent = known
        } else {
          nodes.append(Node(name: String(part)))
          nodes[parent].children.append(nodes.count - 1)
          parent = nodes.count - 1
          index[key] = parent
        }
      }
      nodes[parent].listing = listing
    }
  }

  /// Follows what the server tells of one mailbox, by NOTIFY for example (RFC 5465, section 5.4): one that is new or has other
  /// attributes, one that is gone (`\NonExistent`), and one that was renamed (OLDNAME), with all that is below it.
  /// Complexity: O(n).
  public mutating func apply(_ change: MailboxListing) {
    var listings: [MailboxListing] = []
    var isKnown = false
    let isGone = change.attributes.contains("\\NonExistent")
    for node in nodes {
      guard var listing = node.listing else { continue }
      if let old = change.oldName { listing.name = Self.renamed(listing.name, from: old, change) }
      if listing.name == change.name {
        // Renamed to what there is already: the server says it of one mailbox only.
        if isKnown || isGone { continue }
        isKnown = true
        listing = change
      }
      listings.append(listing)
    }
    if !isKnown, !isGone { listings.append(change) }
    self = MailboxTree(listings)
  }

  private static func renamed(_ name: MailboxName, from old: MailboxName, _ change: MailboxListing) -> MailboxName {
    // RFC 9051, section 6.3.6: INBOX stays where it is, and so does what is below it; what was in it has got the new name.
    if old == .inbox { return name }
    if name == old { return change.name }
    guard let delimiter = change.delimiter else { return name }
    let (text, start) = (name.description, old.description + String(delimiter))
    if !text.hasPrefix(start) { return name }
    return MailboxName(change.name.description + String(delimiter) + String(text.dropFirst(start.count)))
  }

  /// The mailboxes of the top level, in the order of LIST.
  public var roots: [Node] { nodes[0].children.map { nodes[$0] } }

  /// What is directly below `node`, a node of this tree.
  public func children(of node: Node) -> [Node] {
    node.children.filter { nodes.indices.contains($0) }.map { nodes[$0] }
  }

  /// Calls `body` with each node, its depth and the lines of the tree before its name, parents first.
  public func walk<E: Error>(_ body: (Node, _ depth: Int, _ prefix: String) throws(E) -> Void) throws(E) {
    var open = nodes[0].children.reversed().map { (node: $0, depth: 0, prefix: "", lead: "") }
    while let (node, depth, prefix, lead) = open.popLast() {
      try body(nodes[node], depth, prefix)
      let children = nodes[node].children
      for (place, child) in children.enumerated().reversed() {
        let isLast = place == children.count - 1
        open.append((child, depth + 1, lead + (isLast ? "└── " : "├── "), lead + (isLast ? "    " : "│   ")))
      }
    }
  }

  private struct Key: Hashable {
    var parent: Int
    var name: String
  }

  /// A name of a hostile server may be nothing but delimiters.
  private static let mostLevels = 100
}
