import IMAPStateMachine

/// Reads every view to its end.
enum Views {
  static func read(_ view: borrowing UntaggedView) {
    switch copy view {
    case .status(let view):
      switch view.code {
      case .some(let code): _ = code.copy()
      case .none: break
      }
    case .capability(let view), .enabled(let view):
      var list = view
      while list.next() != nil {}
    case .id(let view):
      var list = view
      while let field = list.next() { _ = field.copyValue() }
    case .namespace(let view):
      read(view.personal)
      read(view.otherUsers)
      read(view.shared)
    case .list(let view), .lsub(let view):
      _ = view.name.copy()
      var items = view.extended
      while items.next() != nil {}
    case .mailboxStatus(let view):
      var items = view
      while let item = items.next() { _ = bytes(item.objectID) }
    case .flags(let view), .language(let view):
      var list = view
      while list.next() != nil {}
    case .search(let view), .sort(let view):
      var list = view
      while list.next() != nil {}
      _ = list.modSeq()
    case .vanished(let view):
      var set = view.uids
      while set.next() != nil {}
    case .thread(let view):
      var tokens = view
      while tokens.next() != nil {}
    case .extendedSearch(let view):
      _ = (bytes(view.tag), bytes(view.mailbox))
      var items = view
      while items.next() != nil {}
    case .acl(let view):
      var entries = view
      while let entry = entries.next() { _ = entry.identifier.copy() }
    case .quota(let view):
      var resources = view
      while let resource = resources.next() { _ = resource.name.copy() }
    case .metadata(let view):
      var entries = view
      while let entry = entries.next() { _ = entry.copyValue() }
    case .fetchedURLs(let view):
      var urls = view
      while let url = urls.next() {
        var parts = url
        while parts.next() != nil {}
      }
    case .uidBatches(let view):
      var set = view.batches
      while set.next() != nil {}
    case .annotation(let view):
      var attributes = view.annotation
      while let attribute = attributes.next() { _ = attribute.copyValue() }
    case .exists, .recent, .expunge, .listRights, .myRights, .quotaRoots, .comparator, .authorizedURLs, .jmapAccess:
      break
    }
  }

  private static func read(_ view: borrowing NamespaceListView) {
    var list = copy view
    while let namespace = list.next() {
      var extensions = namespace
      while let item = extensions.next() { _ = item.values.copy() }
    }
  }
}
