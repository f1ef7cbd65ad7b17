import IMAPStateMachine
import Testing

@testable import IMAPTestServer

@Suite struct AddressTests {
  @Test(arguments: [
    ("ada@example.org", #"((NIL NIL "ada" "example.org"))"#),
    ("Ada Lovelace <ada@example.org>", #"(("Ada Lovelace" NIL "ada" "example.org"))"#),
    (#""Lovelace, Ada" <ada@example.org>"#, #"(("Lovelace, Ada" NIL "ada" "example.org"))"#),
    (#""A \"B\" \\C" <a@b>"#, #"(("A "B" \C" NIL "a" "b"))"#),
    ("a@b, c@d,e@f", #"((NIL NIL "a" "b")(NIL NIL "c" "d")(NIL NIL "e" "f"))"#),
    ("ada@example.org (Ada (the first) Lovelace)", #"(("Ada (the first) Lovelace" NIL "ada" "example.org"))"#),
    ("Joe Q. Public <john.q.public@example.com>", #"(("Joe Q. Public" NIL "john.q.public" "example.com"))"#),
    (#"Joe "the" Public<a@b>"#, #"(("Joe the Public" NIL "a" "b"))"#),
    (#""john doe"@example.com"#, #"((NIL NIL "john doe" "example.com"))"#),
    ("john . doe @ example . com", #"((NIL NIL "john.doe" "example.com"))"#),
    ("<@relay1,@relay2:user@host>", #"((NIL "@relay1,@relay2" "user" "host"))"#),
    ("a@[192.0.2.1]", #"((NIL NIL "a" "[192.0.2.1]"))"#),
    ("Team: a@b, Ada <c@d>;", #"((NIL NIL "Team" NIL)(NIL NIL "a" "b")("Ada" NIL "c" "d")(NIL NIL NIL NIL))"#),
    ("Undisclosed recipients:;", #"((NIL NIL "Undisclosed recipients" NIL)(NIL NIL NIL NIL))"#),
    ("A: a@b; c@d", #"((NIL NIL "A" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL)(NIL NIL "c" "d"))"#),
    ("A: a@b", #"((NIL NIL "A" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL))"#),
    ("A: b: c@d;", #"((NIL NIL "A" NIL)(NIL NIL NIL NIL)(NIL NIL "b" NIL)(NIL NIL "c" "d")(NIL NIL NIL NIL))"#),
    ("root", #"((NIL NIL "root" ""))"#),
    ("MAILER-DAEMON (Mail System)", #"(("Mail System" NIL "MAILER-DAEMON" ""))"#),
    ("<>", #"((NIL NIL "" ""))"#),
    ("=?UTF-8?Q?J=C3=BCrgen?= <j@x>", #"(("=?UTF-8?Q?J=C3=BCrgen?=" NIL "j" "x"))"#),
    ("Jürgen <j@x>", #"(("Jürgen" NIL "j" "x"))"#),
    ("", "NIL"), ("  ,, ,", "NIL"), (";", "NIL"), (">", "NIL"),
    ("a@b>, c@d", #"((NIL NIL "a" "b")(NIL NIL "c" "d"))"#),
    ("(no end", "NIL"), (#""no end"#, #"((NIL NIL "no end" ""))"#), ("x <a@b", #"(("x" NIL "a" "b"))"#),
    ("a@b c@d", #"((NIL NIL "a" "b"))"#),
    ("@", #"((NIL NIL "" ""))"#), ("a@", #"((NIL NIL "a" ""))"#), ("<<a@b>", #"((NIL NIL "" ""))"#),
    ("(c1) Ada (c2) <(c3) ada (c4) @ (c5) b (c6)> (c7)", #"(("Ada" NIL "ada" "b"))"#),
  ])
  func list(text: String, expected: String) {
    #expect(WireText.addresses(AddressParser.addresses(Array(text.utf8))) == expected)
  }

  @Test func listIsBounded() {
    let many = [UInt8](repeating: UInt8(ascii: ":"), count: 100_000)
    #expect(AddressParser.addresses(many, limit: 50).count <= 52)
    let commas = Array(String(repeating: "a@b,", count: 20_000).utf8)
    #expect(AddressParser.addresses(commas).count == MessageLimits.addresses)
  }

  @Test func deepCommentsDoNotRecurse() {
    let deep = Array((String(repeating: "(", count: 500_000) + "a@b").utf8)
    #expect(AddressParser.addresses(deep).isEmpty)
    let closed = String(repeating: "(", count: 100_000) + String(repeating: ")", count: 100_000) + "a@b"
    #expect(AddressParser.addresses(Array(closed.utf8)).count == 1)
  }

  /// Whatever the bytes, the parser ends and its results hold no more than the input does.
  @Test func anyBytesGiveAnEnd() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(seed)
    let alphabet = Array(#"ab.@<>,;:()"\[] "#.utf8) + [0xc3, 0xa4]
    for _ in 0..<3000 {
      let bytes = (0..<random.next(below: 40)).map { _ in alphabet[random.next(below: alphabet.count)] }
      let list = AddressParser.addresses(bytes)
      let kept = list.reduce(0) { sum, address in
        sum + (address.name?.count ?? 0) + (address.mailbox?.count ?? 0) + (address.host?.count ?? 0)
      }
      // A phrase may repeat as name and as nothing else, and joining adds at most a space a word.
      #expect(kept <= bytes.count * 2, "seed \(seed): \(bytes)")
    }
  }
}

/// A small generator with a seed, so that a failure can be repeated.
struct SplitMix {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func next(below bound: Int) -> Int { bound > 0 ? Int(next() % UInt64(bound)) : 0 }
}
