/// A UIDBATCHES response (draft UIDBATCHES).
public struct UIDBatches: Hashable, Sendable {
  /// The tag of the command that is answered; nil where the server did not say.
  public var tag: String?
  /// One range for each batch, the newest messages first; each from its highest UID to its lowest.
  public var batches: UIDSet

  /// Batches.
  public init(tag: String? = nil, batches: UIDSet) {
    self.tag = tag
    self.batches = batches
  }
}
