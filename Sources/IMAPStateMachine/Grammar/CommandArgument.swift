/// A command as a name and a tree of arguments: for what ``Command`` has no case for.
public struct GenericCommand: Hashable, Sendable {
  /// The name, an atom in upper case; `UID` and another word are a name, too.
  public var name: String
  /// What stands behind it.
  public var arguments: [CommandArgument]

  /// A command. It is refused when it is sent where `name` is no atom, where an argument has no form on the wire, and
  /// where the command changes the state of the connection and so has a case of its own: LOGIN, SELECT, IDLE and others.
  public init(_ name: String, _ arguments: [CommandArgument] = []) {
    self.name = asciiUppercased(name)
    self.arguments = arguments
  }
}

/// An argument of a command, or of an extension of one (RFC 4466, section 2: tagged-ext-val).
public indirect enum CommandArgument: Hashable, Sendable {
  /// A bare word: ASTRING-CHARs, with a backslash before them for flags. One that reads as a number or set comes back as
  /// such.
  case atom(String)
  /// A number.
  case number(UInt64)
  /// A set of messages, such as `1:3`, `*` or `$`.
  case set(SequenceSet)
  /// A string, sent quoted where it can be and else as a literal. It holds no NUL.
  case string([UInt8])
  /// Bytes of any value, sent as a literal8 (RFC 3516).
  case binary([UInt8])
  /// A list in parentheses.
  case list([CommandArgument])
  /// Text in its form on the wire, without CR, LF and NUL, and without a literal's header at its end.
  case raw([UInt8])

  /// A string of UTF-8.
  public static func string(_ text: String) -> CommandArgument { .string(Array(text.utf8)) }

  /// Text in its form on the wire.
  public static func raw(_ text: String) -> CommandArgument { .raw(Array(text.utf8)) }
}

extension CommandArgument {
  /// What an argument holds that matters for the command around it.
  struct Contents {
    /// Bytes outside ASCII.
    var isOutsideASCII = false
    /// Sets of messages other than `$`.
    var sequenceNumbers = false
    /// `$`.
    var savedResult = false
    /// Text of which nothing is known.
    var isRaw = false
  }

  /// Complexity: O(n).
  var contents: Contents {
    var contents = Contents()
    // By an explicit stack: nesting is checked when the argument is written.
    var pending = [self]
    while let argument = pending.popLast() {
      switch argument {
      case .atom, .number: break
      case .set(let set): if set.isSavedResult { contents.savedResult = true } else { contents.sequenceNumbers = true }
      case .string(let bytes), .binary(let bytes):
        if bytes.contains(where: { $0 >= 0x80 }) { contents.isOutsideASCII = true }
      case .list(let values): pending += values
      case .raw(let bytes):
        contents.isRaw = true
        if bytes.contains(where: { $0 >= 0x80 }) { contents.isOutsideASCII = true }
      }
    }
    return contents
  }
}
