/// What a mailbox is for (RFC 6154, section 2; RFC 8457).
public enum SpecialUse: String, Hashable, Sendable, CaseIterable {
  /// Every message that there is.
  case all = "\\All"
  /// What is kept, but is out of the way.
  case archive = "\\Archive"
  /// What was not sent yet.
  case drafts = "\\Drafts"
  /// Every message that is flagged.
  case flagged = "\\Flagged"
  /// Every message that is important.
  case important = "\\Important"
  /// What nobody wanted.
  case junk = "\\Junk"
  /// What was sent.
  case sent = "\\Sent"
  /// What was thrown away.
  case trash = "\\Trash"

  /// The attribute that LIST shows.
  public var attribute: Flag { Flag(rawValue) }

  /// The attribute that XLIST shows, where it is another one.
  var xlistAttribute: Flag? {
    switch self {
    case .all: "\\AllMail"
    case .flagged: "\\Starred"
    case .junk: "\\Spam"
    default: nil
    }
  }

  /// The mailbox of `listings` that is for this, and how that is known: because the server says so, or by its name. Names
  /// count at the top of the hierarchy, and directly below INBOX and `prefixes`, such as those of namespaces.
  /// Complexity: O(listings).
  public func find(
    in listings: [MailboxListing], prefixes: [MailboxName] = []
  ) -> SpecialFolder? {
    var byName: (listing: MailboxListing, rank: Int)?
    let names = Self.names[self] ?? []
    for listing in listings where listing.isSelectable {
      if listing.attributes.contains(attribute) || xlistAttribute.map(listing.attributes.contains) == true {
        return SpecialFolder(listing, listing.isXList ? .xlist : .specialUse)
      }
      guard let name = Self.topName(of: listing, prefixes), let rank = names.firstIndex(of: name.lowercased()) else {
        continue
      }
      if rank < byName?.rank ?? .max { byName = (listing, rank) }
    }
    return byName.map { SpecialFolder($0.listing, .name) }
  }

  /// The name without the level that some servers put above all; nil where it is below another one.
  private static func topName(of listing: MailboxListing, _ prefixes: [MailboxName]) -> String? {
    let name = listing.name.description
    guard let delimiter = listing.delimiter else { return name }
    let tops = ["INBOX", "[Gmail]", "[Google Mail]"].map { "\($0)\(delimiter)" } + prefixes.map(\.description)
    let top = tops.first { !$0.isEmpty && name.hasPrefix($0) && name.count > $0.count } ?? ""
    let rest = name.dropFirst(top.count)
    return rest.contains(delimiter) ? nil : String(rest)
  }

  /// What programs call these mailboxes, in lower case, the more certain first.
  private static let names: [SpecialUse: [String]] = [
    .all: [
      "all mail", "all messages", "alle nachrichten", "tous les messages", "todos", "tutti i messaggi", "alle e-mails",
      "todos os e-mails", "todo o correio", "wszystkie", "alla mail", "al post", "all e-post", "kaikki viestit",
      "вся почта", "všechny zprávy", "すべてのメール", "所有邮件", "所有郵件", "전체보관함", "tüm postalar",
    ],
    .archive: [
      "archive", "archives", "archived", "archiv", "archivio", "archivo", "archief", "arquivo", "arquivos", "archiwum",
      "arkiv", "arkisto", "архив", "архів", "archív", "archívum", "arhiva", "arşiv", "αρχειοθήκη", "アーカイブ", "归档",
      "存档", "封存", "보관함", "ארכיון", "أرشيف",
    ],
    .drafts: [
      "drafts", "draft", "draft messages", "entwürfe", "entwurf", "brouillons", "brouillon", "borradores", "borrador",
      "bozze", "bozza", "concepten", "concept", "klad", "rascunhos", "rascunho", "kopie robocze", "szkice",
      "wersje robocze", "robocze", "utkast", "kladder", "kladde", "luonnokset", "luonnos", "черновики", "чернетки",
      "koncepty", "rozepsané", "piszkozatok", "ciorne", "taslaklar", "πρόχειρα", "чернови", "osnutki", "skice", "下書き",
      "草稿", "草稿箱", "草稿夹", "임시보관함", "טיוטות", "المسودات", "esborranys",
    ],
    .flagged: [
      "starred", "flagged", "markiert", "suivis", "destacados", "speciali", "met ster", "com estrela",
      "oznaczone gwiazdką",
      "stjärnmärkt", "stjernemarkeret", "stjernemerket", "tähdellä merkityt", "помеченные", "s hvězdičkou", "スター付き",
      "已加星标", "已加星號", "별표편지함",
    ],
    .important: [
      "important", "wichtig", "importants", "importantes", "importanti", "belangrijk", "ważne", "viktigt", "vigtigt",
      "viktig", "tärkeät", "важное", "důležité", "重要", "重要邮件", "중요",
    ],
    .junk: [
      "junk", "spam", "junk e-mail", "junk email", "junk mail", "bulk mail", "bulk", "spam mail", "spamverdacht",
      "junk-e-mail", "werbung", "unerwünscht", "unerwünschte werbung", "courrier indésirable", "indésirables",
      "pourriel",
      "correo no deseado", "no deseado", "posta indesiderata", "indesiderata", "ongewenste e-mail", "ongewenst",
      "lixo eletrônico", "lixo eletrónico", "correio eletrónico não solicitado", "wiadomości-śmieci", "niechciane",
      "skräppost", "skräp", "uønsket e-mail", "uønsket mail", "uønsket e-post", "søppelpost", "roskaposti", "спам",
      "нежелательная почта", "nevyžádaná pošta", "nevyžádané", "levélszemét", "önemsiz", "ανεπιθύμητα", "нежелана поща",
      "迷惑メール", "垃圾邮件", "垃圾郵件", "스팸", "스팸메일함", "דואר זבל", "البريد المزعج", "correu brossa",
    ],
    .sent: [
      "sent", "sent items", "sent messages", "sent mail", "sent-mail", "sent_mail", "gesendet", "gesendete objekte",
      "gesendete elemente", "gesendete nachrichten", "gesendete mails", "messages envoyés", "éléments envoyés",
      "envoyés",
      "objets envoyés", "courrier envoyé", "enviados", "elementos enviados", "mensajes enviados", "correo enviado",
      "enviado", "inviata", "posta inviata", "inviati", "messaggi inviati", "elementi inviati", "verzonden",
      "verzonden items", "verzonden berichten", "verstuurd", "itens enviados", "mensagens enviadas", "e-mails enviados",
      "wysłane", "elementy wysłane", "skickat", "skickade", "skickade objekt", "sendt", "sendt post",
      "sendte elementer",
      "sendte", "lähetetyt", "lähetetyt viestit", "отправленные", "надіслані", "odeslané", "odeslaná pošta", "odoslané",
      "elküldött", "elküldött üzenetek", "trimise", "gönderilmiş postalar", "gönderilmiş öğeler", "gönderilenler",
      "απεσταλμένα", "изпратени", "poslano", "poslane", "送信済み", "送信済みメール", "送信済みアイテム", "已发送", "已发送邮件",
      "已傳送", "寄件備份", "보낸편지함", "보낸메일함", "דואר יוצא", "البريد المرسل", "enviats",
    ],
    .trash: [
      "trash", "deleted", "deleted items", "deleted messages", "bin", "papierkorb", "gelöscht", "gelöschte objekte",
      "gelöschte elemente", "gelöschte nachrichten", "corbeille", "éléments supprimés", "messages supprimés",
      "papelera",
      "elementos eliminados", "mensajes eliminados", "eliminados", "cestino", "posta eliminata", "eliminata",
      "elementi eliminati", "prullenbak", "prullenmand", "verwijderde items", "verwijderd", "lixeira", "lixo",
      "itens excluídos", "itens eliminados", "reciclagem", "kosz", "elementy usunięte", "usunięte", "papperskorgen",
      "papperskorg", "borttaget", "borttagna objekt", "papirkurv", "slettet post", "slettede elementer", "slettet",
      "søppelbøtte", "papirkurven", "roskakori", "poistetut", "корзина", "удаленные", "удалённые", "кошик", "koš",
      "odstraněná pošta", "kôš", "kuka", "lomtár", "törölt elemek", "coș de gunoi", "gunoi", "çöp kutusu",
      "silinmiş öğeler", "κάδος απορριμμάτων", "кошче", "koš za smeće", "smeti", "ゴミ箱", "削除済みアイテム", "已删除",
      "已删除邮件", "废纸篓", "垃圾桶", "刪除的郵件", "휴지통", "지운편지함", "אשפה", "סל המיחזור", "المهملات", "paperera",
    ],
  ]
}

/// A mailbox that is for something, and how that is known.
public struct SpecialFolder: Hashable, Sendable {
  /// The mailbox.
  public var listing: MailboxListing
  /// How it is known.
  public var source: Source

  /// Its name.
  public var name: MailboxName { listing.name }

  /// How it became known what a mailbox is for.
  public enum Source: Hashable, Sendable, Comparable {
    /// Its name is what programs use, in one of many languages.
    case name
    /// XLIST says so, which Gmail had before SPECIAL-USE.
    case xlist
    /// The server says so (RFC 6154).
    case specialUse
  }

  /// A mailbox.
  public init(_ listing: MailboxListing, _ source: Source) {
    self.listing = listing
    self.source = source
  }
}

extension MailboxListing {
  /// What the server says that the mailbox is for (RFC 6154; XLIST), in the order of `SpecialUse.allCases`.
  public var specialUses: [SpecialUse] {
    SpecialUse.allCases.filter { use in
      attributes.contains(use.attribute) || use.xlistAttribute.map(attributes.contains) == true
    }
  }

  /// Whether the mailbox can be opened: it is neither `\Noselect` nor `\NonExistent`.
  public var isSelectable: Bool { !attributes.contains("\\Noselect") && !attributes.contains("\\NonExistent") }
}
