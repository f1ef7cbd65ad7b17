@testable import IMAPStateMachine

/// Random commands of every kind that change no state, each in the one form that writing and reading gives back.
extension Generator {
  mutating func commandAtom() -> String { ["X-A", "b.c", "D1", "[e", "x!"][below(5)] }
  mutating func nonEmpty<Value>(_ count: Int = 3, _ make: (inout Generator) -> Value) -> [Value] {
    (0...below(count)).map { _ in make(&self) }
  }
  /// Bytes of a string: no NUL.
  mutating func stringBytes() -> [UInt8] { bytes().map { $0 == 0 ? 1 : $0 } }
  /// The same, the empty name INBOX in one case only.
  mutating func anySet<Number: MessageNumber>() -> MessageSet<Number> { chance(6) ? .savedResult : set() }
  mutating func finiteSet<Number: MessageNumber>() -> MessageSet<Number> {
    MessageSet(ranges: nonEmpty { .init(MessageBound($0.positive()), MessageBound($0.positive())) })
  }
  mutating func anyReference() -> MessageReference { chance(2) ? .uids(anySet()) : .sequence(anySet()) }
  mutating func window() -> SearchWindow { SearchWindow(positive(), positive(), fromEnd: chance(2)) }

  mutating func argument(depth: Int = 0) -> CommandArgument {
    switch below(depth > 3 ? 6 : 7) {
    case 0:
      .atom(chance(3) ? "\\\(["Seen", "x"][below(2)])" : ["NIL", "a]b", "BINARY[1]", "-5", "x+y", "007"][below(6)])
    case 1: .number(random.next())
    case 2: .set(chance(3) ? .savedResult : SequenceSet(ranges: [.init(2, 9), .init(5, MessageBound.star)]))
    case 3: .string(stringBytes())
    case 4: .binary(bytes())
    case 5: .raw(["a*b%", "BODY[HEADER.FIELDS (A \"B\")]<0.5>", "\u{e4}"][below(3)])
    default: .list(list(upTo: 3) { $0.argument(depth: depth + 1) })
    }
  }

  mutating func optionValue() -> CommandArgument? {
    switch below(3) {
    case 0: nil
    case 1: .list(list(upTo: 3) { $0.argument(depth: 2) })
    default: .number(random.next())
    }
  }

  mutating func annotation() -> MessageAnnotation {
    MessageAnnotation(
      entry: stringBytes(), attributes: nonEmpty { .init(name: $0.stringBytes(), value: $0.optionalBytes()) })
  }

  mutating func anySearchKey(depth: Int = 0) -> SearchKey {
    switch below(depth > 5 ? 20 : 24) {
    case 0...4: searchKey(depth: depth)
    case 5: .older(positive())
    case 6: .younger(positive())
    case 7: chance(2) ? .savedBefore(day()) : .savedOn(day())
    case 8: .savedSince(day())
    case 9: .saveDateSupported
    case 10: chance(2) ? .emailID(commandAtom()) : .threadID(commandAtom())
    case 11: .filter(commandAtom())
    case 12: .annotation(entry: stringBytes(), attribute: stringBytes(), value: optionalBytes())
    case 13: chance(2) ? .uidAfter(UID(rawValue: positive())) : .uidBefore(UID(rawValue: positive()))
    case 14: .gmailRaw(text())
    case 15: chance(2) ? .gmailMessageID(random.next()) : .gmailThreadID(random.next())
    case 16: .gmailLabel(label())
    case 17: .modSeq(modSeq(), entry: ModSeqEntry("/flags/\\x", [.all, .private, .shared][below(3)]))
    case 18: .larger(random.next() >> 1)
    case 19: chance(2) ? .uid(anySet()) : .sequence(anySet())
    case 20: .and((0...1 + below(3)).map { _ in anySearchKey(depth: depth + 1) })
    case 21: .or(anySearchKey(depth: depth + 1), anySearchKey(depth: depth + 1))
    case 22: .not(anySearchKey(depth: depth + 1))
    default: .fuzzy(anySearchKey(depth: depth + 1))
    }
  }

  mutating func label() -> GmailLabel { chance(3) ? "\\Inbox" : GmailLabel(text()) }

  mutating func anyFetchItem() -> FetchItem {
    let part = list(upTo: 3) { $0.positive() }
    switch below(12) {
    case 0...3: return fetchItem()
    case 4:
      return .binary(
        part, peek: chance(2), partial: chance(2) ? nil : PartialRange(offset: positive(), count: positive()))
    case 5: return .binarySize(part)
    case 6: return .preview(lazy: chance(2))
    case 7: return [.saveDate, .emailID, .threadID][below(3)]
    case 8: return [.gmailMessageID, .gmailThreadID, .gmailLabels][below(3)]
    case 9: return .annotations(entries: nonEmpty { $0.stringBytes() }, attributes: nonEmpty { $0.stringBytes() })
    case 10: return .modSeq
    default: return .other(["X-A", "X-B[1.2 (a \"b\")]<7>", "X-C (a (b \"c d\") 5)"][below(3)])
    }
  }

  mutating func returnOptions() -> [SearchReturnOption]? {
    if chance(3) { return nil }
    return list(upTo: 4) {
      switch $0.below(8) {
      case 0: .partial($0.window())
      case 1: .update($0.chance(2) ? [] : $0.nonEmpty { $0.anyFetchItem() })
      case 2: .other(name: $0.commandAtom(), value: $0.optionValue())
      default: [.min, .max, .all, .count, .save, .context, .relevancy][$0.below(7)]
      }
    }
  }

  mutating func filter() -> MailboxFilter {
    switch below(7) {
    case 0: .selected
    case 1: .inboxes
    case 2: .personal
    case 3: .subscribed
    case 4: .subtree(nonEmpty { $0.mailbox() })
    case 5: .subtreeOne(nonEmpty { $0.mailbox() })
    default: .mailboxes(nonEmpty { $0.mailbox() })
    }
  }

  mutating func listRequest() -> ListRequest {
    ListRequest(
      reference: mailbox(), patterns: nonEmpty(2) { $0.mailbox() },
      selection: chance(2)
        ? []
        : [.subscribed]
          + list(upTo: 3) {
            [.remote, .recursiveMatch, .specialUse, .other(name: $0.commandAtom(), value: $0.optionValue())][
              $0.below(4)]
          },
      returning: list(upTo: 3) {
        switch $0.below(6) {
        case 0: .status(Array(StatusItem.allCases.shuffled(using: &$0.random).prefix(1 + $0.below(4))))
        case 1: .metadata($0.nonEmpty { $0.stringBytes() })
        case 2: .other(name: $0.commandAtom(), value: $0.optionValue())
        default: [.subscribed, .children, .specialUse, .myRights][$0.below(4)]
        }
      }, extended: chance(4))
  }

  mutating func appendRequest() -> AppendRequest {
    var request = AppendRequest(mailbox: mailbox(), messages: nonEmpty { $0.message() })
    if chance(3) {
      request.messages = [request.messages[0]]
      request.replacing =
        chance(2)
        ? .uid(chance(3) ? nil : UID(rawValue: positive()))
        : .sequence(chance(3) ? nil : SequenceNumber(rawValue: positive()))
    }
    return request
  }

  private mutating func message() -> AppendMessage {
    let size = UInt64(below(300))
    let data: AppendData =
      switch below(5) {
      case 0: .binary(byteCount: size)
      case 1: .utf8(byteCount: size)
      case 2:
        .catenate(
          nonEmpty(4) {
            $0.chance(2) ? .url($0.text()) : .text(byteCount: UInt64($0.below(300)), binary: $0.chance(2))
          })
      default: .literal(byteCount: size)
      }
    return AppendMessage(
      flags: list(upTo: 2) { $0.flag() }, date: chance(2) ? nil : date(),
      annotations: chance(3) ? nonEmpty { $0.annotation() } : [], data)
  }

  private mutating func notifyRequest() -> NotifyRequest {
    if chance(5) { return .none }
    return .set(
      status: chance(2),
      nonEmpty {
        NotifyGroup(
          $0.chance(5) ? .selectedDelayed : $0.filter(),
          $0.list(upTo: 4) {
            $0.chance(3)
              ? .messageNew($0.chance(2) ? [] : $0.nonEmpty { $0.anyFetchItem() })
              : [
                .messageExpunge, .flagChange, .annotationChange, .mailboxName, .subscriptionChange,
                .mailboxMetadataChange, .serverMetadataChange, .other("XEvent"),
              ][$0.below(8)]
          })
      })
  }

  private mutating func criterion() -> SortCriterion {
    let keys: [SortCriterion.Key] = [
      .arrival, .cc, .date, .from, .size, .subject, .to, .displayFrom, .displayTo, .relevancy,
      .annotation(entry: stringBytes(), attribute: stringBytes()),
    ]
    return SortCriterion(keys[below(keys.count)], reversed: chance(2))
  }

  private mutating func modifiers(isUID: Bool) -> FetchModifiers {
    var modifiers = FetchModifiers()
    if chance(2) { modifiers.changedSince = modSeq() }
    if isUID {
      modifiers.vanished = modifiers.changedSince != nil && chance(2)
      if chance(2) { modifiers.partial = window() }
    }
    return modifiers
  }

  /// A command that is allowed while a mailbox is selected.
  mutating func anyCommand() -> Command {
    switch below(5) {
    case 0: command()
    case 1: mailboxCommand()
    case 2: accessCommand()
    default: messageCommand()
    }
  }

  private mutating func mailboxCommand() -> Command {
    switch below(15) {
    case 0, 1: .list(listRequest())
    case 2: .lsub(reference: mailbox(), pattern: mailbox())
    case 3: .xlist(reference: mailbox(), pattern: mailbox())
    case 4: .create(mailbox(), specialUse: list(upTo: 2) { [.flagged, "\\Sent", "\\All"][$0.below(3)] })
    case 5: .rename(mailbox(), to: mailbox())
    case 6: chance(2) ? .subscribe(mailbox()) : .unsubscribe(mailbox())
    case 7:
      .select(
        mailbox(),
        SelectParameters(
          condStore: chance(2),
          qResync: chance(2)
            ? nil
            : QResyncParameters(
              uidValidity: UInt64(positive()), modSeq: ModSeq(rawValue: UInt64(positive())),
              knownUIDs: chance(2) ? nil : finiteSet(),
              sequenceMatch: chance(2) ? nil : .init(sequence: finiteSet(), uids: finiteSet())), annotate: chance(2)))
    case 8: .notify(notifyRequest())
    case 9: .language(list(upTo: 3) { $0.text() })
    case 10: .comparator(list(upTo: 3) { $0.text() })
    case 11:
      .applePushService(
        ApplePushRequest(
          version: positive(), accountID: text(), deviceToken: text(), subtopic: text(),
          mailboxes: nonEmpty { $0.mailbox() }))
    case 12: .proxyAuth(user: text())
    case 13:
      chance(2) ? .rlist(reference: mailbox(), pattern: mailbox()) : .rlsub(reference: mailbox(), pattern: mailbox())
    default: .other(GenericCommand(chance(3) ? "UID XFOO" : "XBAR", list(upTo: 5) { $0.argument() }))
    }
  }

  private mutating func accessCommand() -> Command {
    let rights = AccessRights(["", "lr", "lrswikda"][below(3)])
    switch below(14) {
    case 0:
      return .setACL(
        mailbox(), identifier: stringBytes(), [.replace(rights), .add(rights), .remove(rights)][below(3)])
    case 1: return .deleteACL(mailbox(), identifier: stringBytes())
    case 2: return chance(2) ? .getACL(mailbox()) : .myRights(mailbox())
    case 3: return .listRights(mailbox(), identifier: stringBytes())
    case 4: return .getQuota(root: stringBytes())
    case 5: return .getQuotaRoot(mailbox())
    case 6:
      return .setQuota(root: stringBytes(), list(upTo: 3) { QuotaLimit($0.commandAtom(), $0.random.next() >> 1) })
    case 7:
      return .getMetadata(
        mailbox(), entries: nonEmpty { $0.stringBytes() },
        MetadataOptions(
          maximumSize: chance(2) ? nil : positive(), depth: chance(2) ? nil : [.zero, .one, .infinity][below(3)]))
    case 8:
      return .setMetadata(
        mailbox(), nonEmpty { Metadata.Entry(name: $0.stringBytes(), value: $0.optionalBytes()) })
    case 9:
      return .getAnnotation(
        mailbox: mailbox(), entries: nonEmpty { $0.stringBytes() }, attributes: nonEmpty { $0.stringBytes() })
    case 10: return .setAnnotation(mailbox: mailbox(), nonEmpty { $0.annotation() })
    case 11: return .generateURLAuth(nonEmpty { URLAuthRequest($0.text(), mechanism: $0.commandAtom()) })
    case 12:
      return .fetchURLs(
        nonEmpty {
          URLFetchRequest(
            $0.text(), $0.chance(2) ? nil : $0.list(upTo: 3) { URLFetchRequest.Item.allCases[$0.below(3)] })
        })
    default: return chance(3) ? .resetKey(nil) : .resetKey(mailbox(), mechanisms: list(upTo: 2) { $0.commandAtom() })
    }
  }

  /// One that holds the texts of `key`.
  private mutating func charset(for key: SearchKey) -> String {
    let needed = SearchCharset(holding: key)
    if needed <= .ascii, chance(4) { return ["US-ASCII", "KOI8-R"][below(2)] }
    return needed <= .latin1 && chance(2) ? "ISO-8859-1" : "UTF-8"
  }

  private mutating func messageCommand() -> Command {
    switch below(14) {
    case 0, 1:
      let key = anySearchKey()
      return .search(key, uid: chance(2), charset: charset(for: key), returning: returnOptions())
    case 2:
      let key = anySearchKey()
      let criteria = nonEmpty { $0.criterion() }
      return .sort(criteria, key, uid: chance(2), charset: charset(for: key), returning: returnOptions())
    case 3:
      let key = anySearchKey()
      return .thread(chance(2) ? .references : .orderedSubject, key, uid: chance(2), charset: charset(for: key))
    case 4:
      let key = anySearchKey()
      let filters = list(upTo: 3) { $0.filter() }
      return .multiSearch(MultiSearch(in: filters, key, charset: charset(for: key), returning: returnOptions()))
    case 5: return .cancelUpdate(tags: nonEmpty { "A\($0.positive())" })
    case 6: return .uidBatches(size: positive(), batches: chance(2) ? nil : 5...positive() / 2 + 5)
    case 7, 8:
      let messages = anyReference()
      let isUID = if case .uids = messages { true } else { false }
      return .fetch(messages, nonEmpty(5) { $0.anyFetchItem() }, modifiers(isUID: isUID))
    case 9:
      return .storeLabels(
        anyReference(),
        LabelOperation([.replace, .add, .remove][below(3)], list(upTo: 3) { $0.label() }, silent: chance(2)),
        unchangedSince: chance(2) ? nil : modSeq())
    case 10:
      return .storeAnnotations(
        anyReference(), nonEmpty { $0.annotation() }, unchangedSince: chance(2) ? nil : modSeq())
    case 11: return chance(2) ? .copy(anyReference(), mailbox()) : .move(anyReference(), mailbox())
    case 12: return conversionCommand()
    default: return .append(appendRequest())
    }
  }

  private mutating func conversionCommand() -> Command {
    if chance(3) { return .conversions(from: text(), to: text()) }
    if chance(3) {
      let item: FetchItem = [.rfc822, .rfc822Header, .rfc822Text, .section(Section(part: [positive()]))][below(4)]
      return .partial(SequenceNumber(rawValue: positive()), item, first: positive(), count: positive())
    }
    return .convert(
      anyReference(),
      ConversionRequest(
        to: chance(3) ? nil : commandAtom(), parameters: list(upTo: 3) { .init($0.text(), $0.text()) },
        nonEmpty { $0.conversionItem() }))
  }

  private mutating func conversionItem() -> ConversionRequest.Item {
    let part = list(upTo: 3) { $0.positive() }
    return switch below(7) {
    case 0: .uid
    case 1: .binary(part, partial: chance(2) ? nil : PartialRange(offset: positive(), count: positive()))
    case 2: .binarySize(part)
    case 3: .structure(part)
    case 4: .header(part)
    case 5: .mime(part + [positive()])
    default: .available(part)
    }
  }
}
