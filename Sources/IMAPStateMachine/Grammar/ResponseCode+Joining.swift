extension ResponseCode {
  /// What this code and that of another part of the same command say together: COPYUID and MODIFIED name the messages of
  /// both, `other` behind this one. Any other code stands for itself: the result is `other`, or this one where that is nil.
  public func joined(with other: ResponseCode?) -> ResponseCode {
    switch (self, other) {
    case (.copyUID(let validity, let source, let destination), .copyUID(let other, let moreSource, let moreDestination))
    where validity == other:
      return .copyUID(
        validity: validity, source: UIDSet(ranges: source.ranges + moreSource.ranges),
        destination: UIDSet(ranges: destination.ranges + moreDestination.ranges))
    case (.modified(let set), .modified(let more)):
      return .modified(MessageSet(ranges: set.ranges + more.ranges))
    // A part without such a code has nothing to add.
    case (.copyUID, nil), (.modified, nil): return self
    default: return other ?? self
    }
  }
}
