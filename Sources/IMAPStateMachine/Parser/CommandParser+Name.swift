/// The commands that the parser knows; the UID forms are commands of their own.
enum CommandName: UInt8, Sendable {
  case capability, noop, logout, id, language
  case startTLS, login, authenticate
  case unauthenticate, proxyAuth, compress, enable, comparator, namespace, getJMAPAccess, idle, notify, applePushService
  case list, lsub, xlist, rlist, rlsub, status, create, delete, rename, subscribe, unsubscribe, select, examine, append
  case setACL, deleteACL, getACL, listRights, myRights
  case getQuota, getQuotaRoot, setQuota, getMetadata, setMetadata, getAnnotation, setAnnotation
  case generateURLAuth, fetchURLs, resetKey, multiSearch
  case close, unselect, check, expunge, search, sort, thread, cancelUpdate, uidBatches, fetch, store, copy, move
  case replace, partial, convert, conversions
  case uidExpunge, uidSearch, uidSort, uidThread, uidFetch, uidStore, uidCopy, uidMove, uidReplace, uidConvert
  /// A command that the parser has no grammar for.
  case other

  /// The command that `word` names, letter case ignored.
  init?(_ word: Span<UInt8>) {
    switch word.foldedWord(word.indices) {
    case keyword("NOOP"): self = .noop
    case keyword("LOGOUT"): self = .logout
    case keyword("ID"): self = .id
    case keyword("STARTTLS"): self = .startTLS
    case keyword("LOGIN"): self = .login
    case keyword("ENABLE"): self = .enable
    case keyword("LIST"): self = .list
    case keyword("STATUS"): self = .status
    case keyword("CREATE"): self = .create
    case keyword("DELETE"): self = .delete
    case keyword("SELECT"): self = .select
    case keyword("EXAMINE"): self = .examine
    case keyword("APPEND"): self = .append
    case keyword("IDLE"): self = .idle
    case keyword("CLOSE"): self = .close
    case keyword("UNSELECT"): self = .unselect
    case keyword("EXPUNGE"): self = .expunge
    case keyword("SEARCH"): self = .search
    case keyword("FETCH"): self = .fetch
    case keyword("STORE"): self = .store
    case keyword("COPY"): self = .copy
    case keyword("MOVE"): self = .move
    case keyword("LANGUAGE"): self = .language
    case keyword("COMPRESS"): self = .compress
    case keyword("NOTIFY"): self = .notify
    case keyword("LSUB"): self = .lsub
    case keyword("XLIST"): self = .xlist
    case keyword("RENAME"): self = .rename
    case keyword("SETACL"): self = .setACL
    case keyword("GETACL"): self = .getACL
    case keyword("MYRIGHTS"): self = .myRights
    case keyword("GETQUOTA"): self = .getQuota
    case keyword("SETQUOTA"): self = .setQuota
    case keyword("URLFETCH"): self = .fetchURLs
    case keyword("RESETKEY"): self = .resetKey
    case keyword("ESEARCH"): self = .multiSearch
    case keyword("CHECK"): self = .check
    case keyword("SORT"): self = .sort
    case keyword("THREAD"): self = .thread
    case keyword("REPLACE"): self = .replace
    case keyword("RLIST"): self = .rlist
    case keyword("RLSUB"): self = .rlsub
    case keyword("PARTIAL"): self = .partial
    case keyword("CONVERT"): self = .convert
    default:
      guard let name = Self.long(word) else { return nil }
      self = name
    }
  }

  /// The command that `word` names behind `UID`.
  init?(uid word: Span<UInt8>) {
    switch word.foldedWord(word.indices) {
    case keyword("EXPUNGE"): self = .uidExpunge
    case keyword("SEARCH"): self = .uidSearch
    case keyword("SORT"): self = .uidSort
    case keyword("THREAD"): self = .uidThread
    case keyword("FETCH"): self = .uidFetch
    case keyword("STORE"): self = .uidStore
    case keyword("COPY"): self = .uidCopy
    case keyword("MOVE"): self = .uidMove
    case keyword("REPLACE"): self = .uidReplace
    case keyword("CONVERT"): self = .uidConvert
    default: return nil
    }
  }

  /// The command that `text` names, `UID` and a space possibly before it.
  init?(text: String) {
    let bytes = Array(text.utf8)
    let found: CommandName? =
      if bytes.span.startsIgnoringCase("UID ") {
        CommandName(uid: bytes.span.extracting(droppingFirst: 4))
      } else {
        CommandName(bytes.span)
      }
    guard let found else { return nil }
    self = found
  }

  /// Names longer than the eight bytes that a folded word holds.
  private static func long(_ word: Span<UInt8>) -> CommandName? {
    switch word.count {
    case 9:
      if word.equalsIgnoringCase("NAMESPACE") { return .namespace }
      if word.equalsIgnoringCase("PROXYAUTH") { return .proxyAuth }
      if word.equalsIgnoringCase("SUBSCRIBE") { return .subscribe }
      if word.equalsIgnoringCase("DELETEACL") { return .deleteACL }
    case 10:
      if word.equalsIgnoringCase("CAPABILITY") { return .capability }
      if word.equalsIgnoringCase("COMPARATOR") { return .comparator }
      if word.equalsIgnoringCase("LISTRIGHTS") { return .listRights }
      if word.equalsIgnoringCase("GENURLAUTH") { return .generateURLAuth }
      if word.equalsIgnoringCase("UIDBATCHES") { return .uidBatches }
    case 11:
      if word.equalsIgnoringCase("UNSUBSCRIBE") { return .unsubscribe }
      if word.equalsIgnoringCase("GETMETADATA") { return .getMetadata }
      if word.equalsIgnoringCase("SETMETADATA") { return .setMetadata }
      if word.equalsIgnoringCase("CONVERSIONS") { return .conversions }
    case 12:
      if word.equalsIgnoringCase("AUTHENTICATE") { return .authenticate }
      if word.equalsIgnoringCase("GETQUOTAROOT") { return .getQuotaRoot }
      if word.equalsIgnoringCase("CANCELUPDATE") { return .cancelUpdate }
    case 13:
      if word.equalsIgnoringCase("GETANNOTATION") { return .getAnnotation }
      if word.equalsIgnoringCase("SETANNOTATION") { return .setAnnotation }
      if word.equalsIgnoringCase("GETJMAPACCESS") { return .getJMAPAccess }
    case 14:
      if word.equalsIgnoringCase("UNAUTHENTICATE") { return .unauthenticate }
    case 17:
      if word.equalsIgnoringCase("XAPPLEPUSHSERVICE") { return .applePushService }
    default: break
    }
    return nil
  }

  /// Whether the command's bytes must not stay in memory: they hold a password or token. What an unknown command holds is
  /// not known.
  var carriesSecret: Bool { self == .login || self == .authenticate || self == .other }

  /// Whether messages may be streamed behind it.
  var isAppend: Bool { self == .append || self == .replace || self == .uidReplace }

  /// Whether the command does more to a connection than to be answered: a client cannot send it as an unknown one.
  var hasFlowOfItsOwn: Bool {
    switch self {
    case .logout, .startTLS, .login, .authenticate, .unauthenticate, .compress, .enable, .idle, .select, .examine,
      .append, .close, .unselect, .replace, .uidReplace:
      true
    default: false
    }
  }
}
