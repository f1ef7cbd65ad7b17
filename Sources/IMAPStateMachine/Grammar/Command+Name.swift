extension Command {
  /// The name as on the wire, for example `UID FETCH`.
  public var name: String {
    switch self {
    case .capability: "CAPABILITY"
    case .noop: "NOOP"
    case .logout: "LOGOUT"
    case .id: "ID"
    case .language: "LANGUAGE"
    case .startTLS: "STARTTLS"
    case .login: "LOGIN"
    case .authenticate: "AUTHENTICATE"
    case .unauthenticate: "UNAUTHENTICATE"
    case .proxyAuth: "PROXYAUTH"
    case .compress: "COMPRESS"
    case .enable: "ENABLE"
    case .comparator: "COMPARATOR"
    case .namespace: "NAMESPACE"
    case .getJMAPAccess: "GETJMAPACCESS"
    case .idle: "IDLE"
    case .notify: "NOTIFY"
    case .applePushService: "XAPPLEPUSHSERVICE"
    case .list: "LIST"
    case .lsub: "LSUB"
    case .xlist: "XLIST"
    case .rlist: "RLIST"
    case .rlsub: "RLSUB"
    case .status: "STATUS"
    case .create: "CREATE"
    case .delete: "DELETE"
    case .rename: "RENAME"
    case .subscribe: "SUBSCRIBE"
    case .unsubscribe: "UNSUBSCRIBE"
    case .select: "SELECT"
    case .examine: "EXAMINE"
    case .append(let request): request.commandName
    case .setACL: "SETACL"
    case .deleteACL: "DELETEACL"
    case .getACL: "GETACL"
    case .listRights: "LISTRIGHTS"
    case .myRights: "MYRIGHTS"
    case .getQuota: "GETQUOTA"
    case .getQuotaRoot: "GETQUOTAROOT"
    case .setQuota: "SETQUOTA"
    case .getMetadata: "GETMETADATA"
    case .setMetadata: "SETMETADATA"
    case .getAnnotation: "GETANNOTATION"
    case .setAnnotation: "SETANNOTATION"
    case .generateURLAuth: "GENURLAUTH"
    case .fetchURLs: "URLFETCH"
    case .resetKey: "RESETKEY"
    case .close: "CLOSE"
    case .unselect: "UNSELECT"
    case .check: "CHECK"
    case .expunge: "EXPUNGE"
    case .uidExpunge: "UID EXPUNGE"
    case .search(_, let uid, _, _): uid ? "UID SEARCH" : "SEARCH"
    case .sort(_, _, let uid, _, _): uid ? "UID SORT" : "SORT"
    case .thread(_, _, let uid, _): uid ? "UID THREAD" : "THREAD"
    case .multiSearch: "ESEARCH"
    case .cancelUpdate: "CANCELUPDATE"
    case .uidBatches: "UIDBATCHES"
    case .fetch(let messages, _, _): messages.isUIDs ? "UID FETCH" : "FETCH"
    case .store(let messages, _, _), .storeLabels(let messages, _, _), .storeAnnotations(let messages, _, _):
      messages.isUIDs ? "UID STORE" : "STORE"
    case .partial: "PARTIAL"
    case .convert(let messages, _): messages.isUIDs ? "UID CONVERT" : "CONVERT"
    case .conversions: "CONVERSIONS"
    case .copy(let messages, _): messages.isUIDs ? "UID COPY" : "COPY"
    case .move(let messages, _): messages.isUIDs ? "UID MOVE" : "MOVE"
    case .other(let command): command.name
    }
  }
}

extension MessageReference {
  fileprivate var isUIDs: Bool {
    if case .uids = self { return true }
    return false
  }
}

extension AppendRequest {
  fileprivate var commandName: String {
    switch replacing {
    case nil: "APPEND"
    case .uid: "UID REPLACE"
    case .sequence: "REPLACE"
    }
  }
}
