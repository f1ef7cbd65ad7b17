/// The commands that the parser knows; the UID forms are commands of their own.
enum CommandName: UInt8, Sendable {
  case capability, noop, logout, id
  case startTLS, login, authenticate
  case enable, namespace, list, status, create, delete, select, examine, append, idle
  case close, unselect, expunge, search, fetch, store, copy, move
  case uidExpunge, uidSearch, uidFetch, uidStore, uidCopy, uidMove

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
    default:
      if word.equalsIgnoringCase("CAPABILITY") {
        self = .capability
      } else if word.equalsIgnoringCase("AUTHENTICATE") {
        self = .authenticate
      } else if word.equalsIgnoringCase("NAMESPACE") {
        self = .namespace
      } else {
        return nil
      }
    }
  }

  /// The command that `word` names behind `UID`.
  init?(uid word: Span<UInt8>) {
    switch word.foldedWord(word.indices) {
    case keyword("EXPUNGE"): self = .uidExpunge
    case keyword("SEARCH"): self = .uidSearch
    case keyword("FETCH"): self = .uidFetch
    case keyword("STORE"): self = .uidStore
    case keyword("COPY"): self = .uidCopy
    case keyword("MOVE"): self = .uidMove
    default: return nil
    }
  }

  /// Whether the command's bytes must not stay in memory: they hold a password or token.
  var carriesSecret: Bool { self == .login || self == .authenticate }
}
