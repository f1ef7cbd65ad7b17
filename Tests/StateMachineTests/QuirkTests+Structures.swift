import IMAPStateMachine
import Testing

/// Damage inside BODYSTRUCTURE: each level tells what could not be interpreted, and has what could.
extension QuirkTests {
  private static func structure(_ name: String, _ value: String, _ log: String) -> Fixture {
    Fixture(
      name: name, input: "* 1 FETCH (BODYSTRUCTURE \(value) UID 5)\n",
      log: "fetch 1\n  bodystructure \(log)\n  uid 5\nfetch end")
  }

  private static func invalid(_ field: String, _ value: String) -> String {
    "invalid(\"\(field)\" \"\(value)\" invalid value at byte 0)"
  }

  /// A part with `fields` behind its encoding.
  private static func basic(_ fields: String) -> String { "(\"A\" \"B\" NIL NIL NIL \"7BIT\" \(fields))" }
  private static let envelope = "(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL)"
  private static let text = "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 2)"
  private static let textLog = "{\"TEXT\"/\"PLAIN\" () NIL NIL \"7BIT\" 1 lines=2 NIL -}"

  static let shapes: [Fixture] = [
    structure(
      "a part that ends early", "(\"text\" \"plain\" NIL NIL NIL \"7bit\")",
      "{\"text\"/\"plain\" () NIL NIL \"7bit\" 0 NIL -}"),
    structure("a type and a subtype", "(\"text\" \"plain\")", "{\"text\"/\"plain\" () NIL NIL \"7BIT\" 0 NIL -}"),
    structure("a type alone", "(\"image\")", "{\"image\"/\"OCTET-STREAM\" () NIL NIL \"7BIT\" 0 NIL -}"),
    structure(
      "a type and parameters", "(\"text\" (\"charset\" \"x\") NIL NIL \"base64\")",
      "{\"text\"/\"PLAIN\" (\"charset\"=\"x\") NIL NIL \"base64\" 0 NIL -}"),
    structure(
      "an unknown type and a subtype", "(\"chemical\" \"x-pdb\" NIL NIL NIL \"7bit\")",
      "{\"chemical\"/\"x-pdb\" () NIL NIL \"7bit\" 0 NIL -}"),
    structure(
      "parts that end early among others", "((\"text\" \"html\")(\"ALTERNATIVE\")(\"font\" \"ttf\" NIL) \"MIXED\")",
      "{{\"text\"/\"html\" () NIL NIL \"7BIT\" 0 NIL -} { \"ALTERNATIVE\" () -} "
        + "{\"font\"/\"ttf\" () NIL NIL \"7BIT\" 0 NIL -} \"MIXED\" () -}"),
    structure(
      "numbers as strings",
      "((\"text\" \"plain\" NIL NIL NIL \"7bit\" \"12\" \"3\" NIL NIL)(\"TEXT\" (\"A\" \"b\") NIL NIL \"7bit\" \"12\" \"3\")"
        + "(\"A\" \"B\" NIL NIL NIL \"7bit\" {2}\n17) \"MIXED\")",
      "{{\"text\"/\"plain\" () NIL NIL \"7bit\" 12 lines=3 NIL NIL [] NIL} "
        + "{\"TEXT\"/\"PLAIN\" (\"A\"=\"b\") NIL NIL \"7bit\" 12 lines=3 NIL -} {\"A\"/\"B\" () NIL NIL \"7bit\" 17 NIL -} "
        + "\"MIXED\" () -}"),
    structure(
      "a disposition without a word", basic("1 NIL (NIL (\"filename\" \"x\"))"),
      "{\"A\"/\"B\" () NIL NIL \"7BIT\" 1 NIL \"attachment\"(\"filename\"=\"x\") [] NIL}"),
    structure(
      "a message without a body",
      "((\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 9 \(envelope))(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 9 \(envelope) NIL 3)"
        + "(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 9 \(envelope) 3 NIL NIL) \"MIXED\")",
      "{{\"MESSAGE\"/\"RFC822\" () NIL NIL \"7BIT\" 9 message(NIL \"s\" [] [] [] [] [] [] NIL NIL { \"\" () -} lines=0) NIL -} "
        + "{\"MESSAGE\"/\"RFC822\" () NIL NIL \"7BIT\" 9 message(NIL \"s\" [] [] [] [] [] [] NIL NIL { \"\" () -} lines=3) NIL -} "
        + "{\"MESSAGE\"/\"RFC822\" () NIL NIL \"7BIT\" 9 message(NIL \"s\" [] [] [] [] [] [] NIL NIL { \"\" () -} lines=3) NIL NIL [] NIL} "
        + "\"MIXED\" () -}"),
  ]

  static let structureDamage: [Fixture] = [
    structure(
      "octets and lines that are words", "(\"text\" \"plain\" NIL NIL NIL \"7bit\" x y)",
      "{\"text\"/\"plain\" () NIL NIL \"7bit\" 0 lines=0 NIL - \(invalid("OCTETS", "x")) \(invalid("LINES", "y"))}"),
    structure(
      "octets that are a list", basic("(1)"),
      "{\"A\"/\"B\" () NIL NIL \"7BIT\" 0 NIL - \(invalid("OCTETS", "(1)"))}"),
    structure(
      "parameters that are none",
      "((\"A\" \"B\" \"charset\" NIL NIL \"7BIT\" 1)(\"A\" \"B\" (\"a\" (\"b\") \"c\" \"d\") NIL NIL \"7BIT\" 1)"
        + "(\"A\" \"B\" (\"a\" \"b\" \"c\") NIL NIL \"7BIT\" 1)(\"A\" \"B\" ((\"a\" \"b\")) NIL NIL \"7BIT\" 1)"
        + "(\"A\" \"B\" (\"a\" NIL \"b\" ()) NIL NIL \"7BIT\" 1)(\"A\" \"B\" ( ) NIL NIL \"7BIT\" 1) \"MIXED\" \"x\" NIL)",
      "{{\"A\"/\"B\" () NIL NIL \"7BIT\" 1 NIL - \(invalid("PARAMETERS", "'charset'"))} "
        + "{\"A\"/\"B\" (\"c\"=\"d\") NIL NIL \"7BIT\" 1 NIL - \(invalid("PARAMETERS", "('a' ('b') 'c' 'd')"))} "
        + "{\"A\"/\"B\" (\"a\"=\"b\") NIL NIL \"7BIT\" 1 NIL - \(invalid("PARAMETERS", "('a' 'b' 'c')"))} "
        + "{\"A\"/\"B\" () NIL NIL \"7BIT\" 1 NIL - \(invalid("PARAMETERS", "(('a' 'b'))"))} "
        + "{\"A\"/\"B\" (\"a\"=\"\" \"b\"=\"\") NIL NIL \"7BIT\" 1 NIL -} {\"A\"/\"B\" () NIL NIL \"7BIT\" 1 NIL -} "
        + "\"MIXED\" () NIL [] NIL \(invalid("PARAMETERS", "'x'"))}"),
    structure(
      "lists in the places of strings",
      "(\"A\" (\"B\") NIL (\"id\") (\"d\") (\"7bit\") 1 NIL NIL NIL (\"l\"))",
      "{\"A\"/\"OCTET-STREAM\" () NIL NIL \"7BIT\" 1 NIL NIL [] NIL \(invalid("SUBTYPE", "('B')")) "
        + "\(invalid("ID", "('id')")) \(invalid("DESCRIPTION", "('d')")) \(invalid("ENCODING", "('7bit')")) "
        + "\(invalid("LOCATION", "('l')"))}"),
    structure(
      "empty lists in the places of strings", "(\"A\" \"B\" NIL () ( ) () () () () () ())",
      "{\"A\"/\"B\" () NIL NIL \"7BIT\" 0 NIL NIL [] NIL}"),
    structure(
      "languages",
      "(\(basic("1 NIL NIL ((\"en\") \"de\") \"l\""))\(basic("1 NIL NIL 5"))\(basic("1 NIL NIL (NIL \"de\" ())")) \"MIXED\")",
      "{{\"A\"/\"B\" () NIL NIL \"7BIT\" 1 NIL NIL [\"\\\"de\\\"\"] \"l\" \(invalid("LANGUAGE", "(('en') 'de')"))} "
        + "{\"A\"/\"B\" () NIL NIL \"7BIT\" 1 NIL NIL [] NIL \(invalid("LANGUAGE", "5"))} "
        + "{\"A\"/\"B\" () NIL NIL \"7BIT\" 1 NIL NIL [\"\\\"de\\\"\"] NIL} \"MIXED\" () -}"),
    structure(
      "dispositions",
      "(\(basic("1 NIL ((\"inline\" NIL)) \"en\""))\(basic("1 NIL (\"inline\" (\"a\" \"b\")(\"c\" \"d\"))"))"
        + "\(basic("1 NIL (\"inline\" \"a\" \"b\")"))\(basic("1 NIL 5"))\(basic("1 NIL (\"inline\" (\"a\" (\"b\")))")) \"MIXED\")",
      "{{\"A\"/\"B\" () NIL NIL \"7BIT\" 1 NIL NIL [\"\\\"en\\\"\"] NIL \(invalid("DISPOSITION", "(('inline' NIL))"))} "
        + "{\"A\"/\"B\" () NIL NIL \"7BIT\" 1 NIL \"inline\"(\"a\"=\"b\") [] NIL "
        + "\(invalid("DISPOSITION", "('inline' ('a' 'b')('c' 'd'))"))} "
        + "{\"A\"/\"B\" () NIL NIL \"7BIT\" 1 NIL \"inline\"() [] NIL \(invalid("DISPOSITION", "('inline' 'a' 'b')"))} "
        + "{\"A\"/\"B\" () NIL NIL \"7BIT\" 1 NIL NIL [] NIL \(invalid("DISPOSITION", "5"))} "
        + "{\"A\"/\"B\" () NIL NIL \"7BIT\" 1 NIL \"inline\"() [] NIL \(invalid("DISPOSITION", "('inline' ('a' ('b')))"))} "
        + "\"MIXED\" () -}"),
    structure(
      "a message whose body is none", "(\"MESSAGE\" \"RFC822\" (\"charset\") NIL NIL \"7BIT\" 9 \(envelope) 5 5)",
      "{\"MESSAGE\"/\"RFC822\" () NIL NIL \"7BIT\" 9 message(NIL \"s\" [] [] [] [] [] [] NIL NIL { \"\" () -} lines=5) NIL - "
        + "\(invalid("PARAMETERS", "('charset')")) \(invalid("BODY", "5"))}"),
    structure(
      "a message whose envelope is none",
      "(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 9 (1 2 3 4 5 6 7 8 9 10 11) \(text) x NIL)",
      "{\"MESSAGE\"/\"RFC822\" () NIL NIL \"7BIT\" 9 message(NIL NIL [] [] [] [] [] [] NIL NIL \(textLog) lines=0) NIL - "
        + "\(invalid("ENVELOPE", "(1 2 3 4 5 6 7 8 9 10 11)")) \(invalid("LINES", "x"))}"),
    structure(
      "damage inside an envelope inside",
      "(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 9 (NIL (\"s\") NIL NIL NIL NIL NIL NIL NIL NIL) (\"TEXT\" \"PLAIN\" NIL (\"i\") NIL \"7BIT\" 1 2) 3)",
      "{\"MESSAGE\"/\"RFC822\" () NIL NIL \"7BIT\" 9 message(NIL NIL [] [] [] [] [] [] NIL NIL \(invalid("SUBJECT", "('s')")) "
        + "{\"TEXT\"/\"PLAIN\" () NIL NIL \"7BIT\" 1 lines=2 NIL - \(invalid("ID", "('i')"))} lines=3) NIL -}"),
    structure(
      "numbers among parts and in place of a subtype",
      "((\(text) 5 6 \"mixed\")(\(text) 5 (\"boundary\" \"x\"))(1 2) 7 \"MIXED\")",
      "{{\(textLog) \"mixed\" () - \(invalid("PARTS", "5 6"))} {\(textLog) \"\" (\"boundary\"=\"x\") - \(invalid("SUBTYPE", "5"))} "
        + "{ \"\" () - \(invalid("SUBTYPE", "1 2"))} \"MIXED\" () - \(invalid("PARTS", "7"))}"),
  ]

  /// Messages whose subtype is missing are read once, not at each level again; what is in the innermost body's place needs no
  /// level of its own. Borrowed and owned values have the same damage.
  @Test func damageIsToldAtAnyDepth() throws {
    // What is in the innermost has parentheses, too.
    let depth = ParserLimits().nesting - 2
    let begin = "(\"MESSAGE\" (\"a\" \"b\" \"c\") NIL NIL 5 \(Self.envelope) "
    let text =
      "* 1 FETCH (BODYSTRUCTURE " + String(repeating: begin, count: depth) + "y 7"
      + String(repeating: " x)", count: depth) + ")\r\n"
    var parser = ResponseParser()
    var input = ReceiveBuffer()
    input.append(Array(text.utf8).span)
    _ = try parser.next(&input)
    guard case .fetchAttribute(.bodyStructure(let body)) = try parser.next(&input) else {
      Issue.record("no structure")
      return
    }
    var borrowed: [[BodyStructure.Field]] = []
    var walk = body.walk
    while let step = walk.next() {
      guard case .messageEnd(let fields) = step else { continue }
      var found: [BodyStructure.Field] = []
      var damage = fields.invalid
      while let item = damage.next() { found.append(item.field) }
      borrowed.append(found)
    }
    var owned: [[String]] = []
    var level = body.copy()
    while case .single(let part) = level, case .message(_, let inner, _) = part.content {
      owned.insert(part.invalid.map { String(decoding: $0.name, as: UTF8.self) }, at: 0)
      level = inner
    }
    let outer = [[BodyStructure.Field]](repeating: [.parameters, .lines], count: depth - 1)
    #expect(borrowed == [[.parameters, .body]] + outer)
    #expect(owned == borrowed.map { $0.map(\.description) })
  }
}
