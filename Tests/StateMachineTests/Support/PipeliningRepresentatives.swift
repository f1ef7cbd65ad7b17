@testable import IMAPStateMachine

/// One command of every kind that differs in what may be sent around it.
enum PipeliningRepresentatives {
  /// The cases of `Command`.
  enum Kind: CaseIterable {
    case capability, noop, logout, id, language, startTLS, login, authenticate, unauthenticate, proxyAuth,
      compress, enable, comparator, namespace, getJMAPAccess, idle, notify, applePushService, list, lsub, xlist, rlist,
      rlsub,
      status, create, delete, rename, subscribe, unsubscribe, select, examine, append, setACL, deleteACL, getACL,
      listRights, myRights, getQuota, getQuotaRoot, setQuota, getMetadata, setMetadata, getAnnotation,
      setAnnotation, generateURLAuth, fetchURLs, resetKey, close, unselect, check, expunge, uidExpunge, search,
      sort, thread, multiSearch, cancelUpdate, uidBatches, fetch, partial, convert, conversions, store, storeLabels,
      storeAnnotations, copy, move,
      other
  }

  // A case more than there are does not compile; one of `Kind` without a representative fails a test.
  static func kind(_ command: Command) -> Kind {
    switch command {
    case .capability: .capability
    case .noop: .noop
    case .logout: .logout
    case .id: .id
    case .language: .language
    case .startTLS: .startTLS
    case .login: .login
    case .authenticate: .authenticate
    case .unauthenticate: .unauthenticate
    case .proxyAuth: .proxyAuth
    case .compress: .compress
    case .enable: .enable
    case .comparator: .comparator
    case .namespace: .namespace
    case .getJMAPAccess: .getJMAPAccess
    case .idle: .idle
    case .notify: .notify
    case .applePushService: .applePushService
    case .list: .list
    case .lsub: .lsub
    case .xlist: .xlist
    case .rlist: .rlist
    case .rlsub: .rlsub
    case .status: .status
    case .create: .create
    case .delete: .delete
    case .rename: .rename
    case .subscribe: .subscribe
    case .unsubscribe: .unsubscribe
    case .select: .select
    case .examine: .examine
    case .append: .append
    case .setACL: .setACL
    case .deleteACL: .deleteACL
    case .getACL: .getACL
    case .listRights: .listRights
    case .myRights: .myRights
    case .getQuota: .getQuota
    case .getQuotaRoot: .getQuotaRoot
    case .setQuota: .setQuota
    case .getMetadata: .getMetadata
    case .setMetadata: .setMetadata
    case .getAnnotation: .getAnnotation
    case .setAnnotation: .setAnnotation
    case .generateURLAuth: .generateURLAuth
    case .fetchURLs: .fetchURLs
    case .resetKey: .resetKey
    case .close: .close
    case .unselect: .unselect
    case .check: .check
    case .expunge: .expunge
    case .uidExpunge: .uidExpunge
    case .search: .search
    case .sort: .sort
    case .thread: .thread
    case .multiSearch: .multiSearch
    case .cancelUpdate: .cancelUpdate
    case .uidBatches: .uidBatches
    case .fetch: .fetch
    case .partial: .partial
    case .convert: .convert
    case .conversions: .conversions
    case .store: .store
    case .storeLabels: .storeLabels
    case .storeAnnotations: .storeAnnotations
    case .copy: .copy
    case .move: .move
    case .other: .other
    }
  }

  static let all: [Command] = session + mailboxes + access + messages + searches

  private static let session: [Command] = [
    .capability, .noop, .logout, .id([IDField("name", "x")]), .language(["de"]), .startTLS,
    .login(user: "u", password: Secret("p")), .authenticate(SASLExchange(mechanism: "PLAIN")), .unauthenticate,
    .proxyAuth(user: "u"), .compress, .enable([.condStore]), .enable([.utf8Accept]), .comparator(["i;octet"]),
    .namespace, .getJMAPAccess, .idle, .notify(.none), .notify(.set([NotifyGroup(.selected, [.messageExpunge])])),
    .notify(.set(status: true, [NotifyGroup(.inboxes, [.flagChange])])),
    .applePushService(ApplePushRequest(accountID: "a", deviceToken: "d", subtopic: "s", mailboxes: [.inbox])),
    .other(GenericCommand("X-SOMETHING")),
  ]

  private static let mailboxes: [Command] = [
    .list(reference: "", pattern: "*"), .list(ListRequest(patterns: ["%"], selection: [.subscribed])),
    .list(ListRequest(patterns: ["%"], returning: [.status([.unseen])])),
    .list(ListRequest(patterns: ["%"], returning: [.subscribed, .myRights, .metadata([Array("/shared/x".utf8)])])),
    .lsub(reference: "", pattern: "*"), .xlist(reference: "", pattern: "*"), .rlist(reference: "", pattern: "*"),
    .rlsub(reference: "", pattern: "*"), .status(.inbox, [.messages, .unseen]),
    .status("Sent", [.messages, .unseen]), .status("Archive", [.highestModSeq]), .create("Sent"), .create("New"),
    .create("New/Below"), .delete("Sent"), .delete("Old"), .rename("Old", to: "New"), .rename("Archive", to: "Sent"),
    .subscribe("Sent"), .unsubscribe("Old"), .select(.inbox), .select("Sent"), .examine("Archive", condStore: true),
    .append(AppendRequest(mailbox: "Sent", byteCount: 3)), .append(AppendRequest(mailbox: .inbox, byteCount: 3)),
    .append(
      AppendRequest(mailbox: "Archive", messages: [AppendMessage(byteCount: 3), AppendMessage(.binary(byteCount: 3))])),
    .append(AppendRequest(mailbox: "Archive", messages: [AppendMessage(.catenate([.url("x"), .text(byteCount: 3)]))])),
    .replace(.uid(4), with: AppendRequest(mailbox: .inbox, byteCount: 3)),
    .replace(.sequence(1), with: AppendRequest(mailbox: "Sent", byteCount: 3)),
    .replace(.sequence(nil), with: AppendRequest(mailbox: "Archive", byteCount: 3)),
  ]

  private static let access: [Command] = [
    .setACL("Sent", identifier: "u", .add("l")), .deleteACL("Sent", identifier: Array("u".utf8)), .getACL("Sent"),
    .listRights("Sent", identifier: Array("u".utf8)), .myRights("Sent"), .myRights("Archive"), .getQuota(root: ""),
    .getQuotaRoot("Sent"), .setQuota(root: [], [QuotaLimit("STORAGE", 5)]),
    .getMetadata("Sent", entries: ["/shared/comment"]), .getMetadata("", entries: ["/shared/comment"]),
    .setMetadata("Sent", [Metadata.Entry(name: Array("/shared/comment".utf8), value: nil)]),
    .setMetadata("", [Metadata.Entry(name: Array("/shared/comment".utf8), value: nil)]),
    .getAnnotation(mailbox: "*", entries: [Array("/comment".utf8)], attributes: [Array("value".utf8)]),
    .setAnnotation(mailbox: "Sent", [annotation]), .generateURLAuth([URLAuthRequest("imap://x/y")]),
    .fetchURLs([URLFetchRequest("imap://x/y")]), .resetKey(nil),
  ]

  private static let messages: [Command] = [
    .close, .unselect, .check, .expunge, .uidExpunge([4]), .uidExpunge([7]), .uidExpunge(.savedResult),
    .fetch(.sequence([1]), [.envelope]), .fetch(.sequence([1]), [.flags]), .fetch(.sequence([2]), [.flags]),
    .fetch(.sequence([1]), [.section(.full)]), .fetch(.sequence([1]), [.section(.full, peek: false)]),
    .fetch(.sequence(.savedResult), [.uid]), .fetch(.uids([4]), [.envelope]), .fetch(.uids([4]), [.flags]),
    .fetch(.uids([7]), [.flags]), .fetch(.uids(.all), [.flags]), .fetch(.uids([4]), [.rfc822]),
    .fetch(.uids([4]), [.rfc822Header]), .fetch(.uids([4]), [.rfc822Text]),
    .fetch(.uids([4]), [.binary([1], peek: false)]), .fetch(.uids([4]), [.binary([1])]),
    .fetch(.uids([4]), [.modSeq]), .fetch(.uids([4]), [.gmailLabels]),
    .fetch(.uids([4]), [.annotations(entries: [Array("/comment".utf8)], attributes: [Array("value".utf8)])]),
    .fetch(.uids(.all), [.uid], changedSince: 5), .fetch(.uids([4]), [.other("X-A")]),
    .fetch(.uids(.savedResult), [.flags]), .fetch(.uids([4]), [.preview(), .saveDate, .emailID, .threadID]),
    .store(.sequence([1]), StoreOperation(.add, [.seen])), .store(.sequence([2]), StoreOperation(.add, [.seen])),
    .store(.sequence([1]), StoreOperation(.remove, [.flagged], silent: true)),
    .store(.uids([4]), StoreOperation(.add, [.deleted])),
    .store(.uids([4]), StoreOperation(.replace, [.deleted], silent: true)),
    .store(.uids([7]), StoreOperation(.add, [.deleted])),
    .store(.uids([4]), StoreOperation(.add, [.seen], silent: true), unchangedSince: 9),
    .store(.uids(.savedResult), StoreOperation(.add, [.seen])),
    .storeLabels(.uids([4]), LabelOperation(.add, ["x"])),
    .storeLabels(.sequence([1]), LabelOperation(.add, ["x"], silent: true)),
    .storeAnnotations(.uids([4]), [annotation]), .copy(.sequence([1]), "Sent"), .copy(.uids([4]), "Sent"),
    .copy(.uids([7]), .inbox), .copy(.sequence(.savedResult), "Archive"), .move(.sequence([1]), "Sent"),
    .move(.uids([4]), "Sent"), .move(.uids([7]), "Archive"), .uidBatches(size: 100),
    .partial(1, .section(.full), first: 1, count: 100), .partial(1, .rfc822, first: 1, count: 100),
    .convert(.uids([4]), ConversionRequest(to: "text/plain", [.binary([1])])),
    .convert(.sequence([1]), ConversionRequest(to: nil, [.header()])), .conversions(from: "*", to: "text/plain"),
  ]

  private static let searches: [Command] = [
    .search(.subject("x"), uid: false), .search(.noFlag(.seen), uid: false), .search(.sequence([1]), uid: false),
    .search(.all, uid: false, returning: [.save]), .search(.all), .search(.noFlag(.seen)), .search(.new),
    .search(.or(.subject("x"), .not(.and([.all, .sequence([1])])))), .search(.not(.fuzzy(.flag(.flagged)))),
    .search(.uid(.savedResult)), .search(.sequence(.savedResult)), .search(.modSeq(3)), .search(.filter("f")),
    .search(.annotation(entry: Array("/comment".utf8), attribute: Array("value".utf8), value: nil)),
    .search(.gmailLabel("x")), .search(.gmailRaw("is:unread")), .search(.all, returning: [.save, .count]),
    .search(.all, returning: [.update()]), .sort([SortCriterion(.date)], .all, uid: false),
    .sort([SortCriterion(.date)], .noFlag(.seen)), .thread(.references, .all, uid: false),
    .thread(.references, .sequence([1, 2])), .multiSearch(MultiSearch(in: [.personal], .all)),
    .multiSearch(MultiSearch(in: [.selected], .noFlag(.seen), returning: [.save])), .cancelUpdate(tags: ["A1"]),
  ]

  private static let annotation = MessageAnnotation(
    entry: Array("/comment".utf8), attributes: [.init(name: Array("value.priv".utf8), value: Array("x".utf8))])
}
