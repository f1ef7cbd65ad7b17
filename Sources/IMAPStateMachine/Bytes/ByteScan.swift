/// What each byte may be part of. One static table, indexed by a byte, so that no look-up needs a bounds check or a lock.
struct ByteClass: OptionSet {
  let rawValue: UInt8

  /// ATOM-CHAR (RFC 3501, section 9).
  static let atom = ByteClass(rawValue: 1)
  /// What a server's unquoted token may hold. Wider than ATOM-CHAR: servers put `[ ] < ' ~ + \\` and 8-bit bytes there.
  static let token = ByteClass(rawValue: 2)
  static let digit = ByteClass(rawValue: 4)
  /// What a quoted string holds without a backslash (RFC 3501: TEXT-CHAR without quoted-specials).
  static let quoted = ByteClass(rawValue: 8)
  /// ASTRING-CHAR (RFC 3501, section 9).
  static let astring = ByteClass(rawValue: 16)
  /// What may follow a closing quote. Servers leave quotes inside strings unescaped; only these make one the last.
  static let afterQuote = ByteClass(rawValue: 32)

  init(rawValue: UInt8) { self.rawValue = rawValue }

  init(of byte: UInt8) { self.rawValue = byteClasses[Int(byte)] }
}

/// Scans over bytes, sixteen at a time where that many are left.
extension Span where Element == UInt8 {
  /// The index of the first LF at or after `start`; `count` where there is none. Complexity: O(n).
  @inline(__always)
  func firstLF(from start: Int) -> Int {
    var index = start
    // Lines are long: four vectors are tested as one.
    while index &+ 64 <= count {
      let hits =
        (vector(at: index) .== lanes(0x0a)) .| (vector(at: index &+ 16) .== lanes(0x0a))
        .| (vector(at: index &+ 32) .== lanes(0x0a))
        .| (vector(at: index &+ 48) .== lanes(0x0a))
      if hits.isAnySet { break }
      index &+= 64
    }
    return first(from: index, { $0 .== lanes(0x0a) }, orByte: { $0 == 0x0a })
  }

  /// How many bytes are `byte`.
  func count(of byte: UInt8) -> Int {
    var total = 0
    var index = 0
    while index &+ 8 <= count {
      // A byte of the difference is 0 where there is a match. Its lowest bits are gathered into the highest, which then
      // says whether any is set.
      let difference = paddedWord(at: index) ^ UInt64(byte) &* 0x0101_0101_0101_0101
      let low = (difference & 0x7f7f_7f7f_7f7f_7f7f) &+ 0x7f7f_7f7f_7f7f_7f7f
      total &+= 8 &- ((low | difference) & 0x8080_8080_8080_8080).nonzeroBitCount
      index &+= 8
    }
    while index < count {
      if self[index] == byte { total &+= 1 }
      index &+= 1
    }
    return total
  }

  /// The index of the first quote, backslash or LF at or after `start`; `count` where there is none.
  @inline(__always)
  func firstQuotedSpecial(from start: Int) -> Int {
    first(from: start) {
      ($0 .== lanes(0x22)) .| ($0 .== lanes(0x5c)) .| ($0 .== lanes(0x0a))
    } orByte: {
      $0 == 0x22 || $0 == 0x5c || $0 == 0x0a
    }
  }

  /// The index of the first quote or backslash at or after `start` and before `end`; `end` where there is none. `end` must
  /// not be above `count`.
  @inline(__always)
  func firstQuoteOrBackslash(from start: Int, to end: Int) -> Int {
    var index = start
    while index < end, index &+ 16 <= count {
      let vector = vector(at: index)
      let hit = ((vector .== lanes(0x22)) .| (vector .== lanes(0x5c))).first
      if hit < 16 { return min(index &+ hit, end) }
      index &+= 16
    }
    while index < end, self[index] != 0x22, self[index] != 0x5c { index &+= 1 }
    return index
  }

  /// Whether there is a backslash at or after `start` and before `end`, which must not be above `count`.
  @inline(__always)
  func hasBackslash(from start: Int, to end: Int) -> Bool {
    var index = start
    // What is behind `end` may be looked at, and does not count.
    while index < end, index &+ 16 <= count {
      let hit = (vector(at: index) .== lanes(0x5c)).first
      if hit < 16 { return index &+ hit < end }
      index &+= 16
    }
    while index < end {
      if self[index] == 0x5c { return true }
      index &+= 1
    }
    return false
  }

  /// The first quote at or after `start`, which must be above 0, and the four bytes from the one before it on, the first
  /// one lowest; nil where there is none before `end`, and where those are not all here.
  @inline(__always)
  func firstQuoteAndAround(from start: Int, to end: Int) -> (index: Int, around: UInt32)? {
    let index = firstQuote(from: start, to: end)
    if index >= min(end, count &- 2) { return nil }
    // Safe: `0 <= start - 1 <= index - 1`, and `index + 3 <= count`.
    return (
      index,
      unsafe UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index &- 1, as: UInt32.self))
    )
  }

  /// The index of the first quote at or after `start`; `end` or more where there is none before it.
  @inline(__always)
  private func firstQuote(from start: Int, to end: Int) -> Int {
    var index = start
    while index &+ 32 <= count {
      // Where the next string starts hangs on this: no branch tells the halves apart, as none could be predicted.
      let lows = (vector(at: index) .== lanes(0x22)).nibbles
      let highs = (vector(at: index &+ 16) .== lanes(0x22)).nibbles
      let isLow = lows != 0
      let hits = isLow ? lows : highs
      if hits != 0 { return index &+ (isLow ? 0 : 16) &+ hits.trailingZeroBitCount &>> 2 }
      index &+= 32
      if index >= end { return max(start, end) }
    }
    while index < min(end, count), self[index] != 0x22 { index &+= 1 }
    return index
  }

  /// Whether the bytes of `range`, 16 or more, come again at `index`, behind it. Says no for fewer.
  @inline(__always)
  func repeats(_ range: Range<Int>, at index: Int) -> Bool {
    let (start, end) = (range.lowerBound, range.upperBound)
    let distance = index &- start
    guard start >= 0, distance >= 0, end &- start >= 16, end &+ distance <= count else { return false }
    let last = end &- 16
    var place = start
    while place < last {
      if (vector(at: place) .!= vector(at: place &+ distance)).isAnySet { return false }
      place &+= 16
    }
    return !(vector(at: last) .!= vector(at: last &+ distance)).isAnySet
  }

  /// The index of the first byte at or after `start` that ends a token (``ByteClass/token``): a control character, a
  /// space, a quote, a parenthesis or DEL; `count` where there is none.
  @inline(__always)
  func firstNotToken(from start: Int) -> Int {
    first(from: start) {
      ($0 .< lanes(0x21)) .| ($0 .== lanes(0x22)) .| (($0 | lanes(0x01)) .== lanes(0x29)) .| ($0 .== lanes(0x7f))
    } orByte: {
      !ByteClass(of: $0).contains(.token)
    }
  }

  /// The index of the first space or closing parenthesis at or after `start`; `count` where there is none.
  @inline(__always)
  func firstSpaceOrParenthesis(from start: Int) -> Int {
    var index = start
    while index &+ 16 <= count {
      let vector = vector(at: index)
      let hit = ((vector .== lanes(0x20)) .| (vector .== lanes(0x29))).first
      if hit < 16 { return index &+ hit }
      index &+= 16
    }
    while index < count {
      let word = paddedWord(at: index)
      let hit = zeroBytes(word ^ 0x2020_2020_2020_2020) | zeroBytes(word ^ 0x2929_2929_2929_2929)
      if hit != 0 { return index &+ hit.trailingZeroBitCount / 8 }
      index &+= 8
    }
    return count
  }

  /// The index of the first byte at or after `start` that is no part of a list of flags: anything but the bytes of tokens
  /// and spaces. `count` where there is none.
  @inline(__always)
  func firstNotFlag(from start: Int) -> Int {
    first(from: start) {
      ($0 .< lanes(0x20)) .| ($0 .== lanes(0x22)) .| (($0 | lanes(0x01)) .== lanes(0x29)) .| ($0 .== lanes(0x7b))
        .| ($0 .== lanes(0x7f))
    } orByte: {
      $0 != 0x20 && ($0 == 0x7b || !ByteClass(of: $0).contains(.token))
    }
  }

  /// The index of the first opening parenthesis at or after `start`; `count` where there is none.
  func firstParenthesis(from start: Int) -> Int {
    first(from: start) {
      $0 .== lanes(0x28)
    } orByte: {
      $0 == 0x28
    }
  }

  /// The index of the first closing bracket, quote, opening brace or LF at or after `start`; `count` where there is none.
  @inline(__always)
  func firstSectionSpecial(from start: Int) -> Int {
    first(from: start) {
      ($0 .== lanes(0x5d)) .| ($0 .== lanes(0x22)) .| ($0 .== lanes(0x7b)) .| ($0 .== lanes(0x0a))
        .| ($0 .== lanes(0x0d))
    } orByte: {
      $0 == 0x5d || $0 == 0x22 || $0 == 0x7b || $0 == 0x0a || $0 == 0x0d
    }
  }

  /// The index of the first bracket or quote at or after `start`; `count` where there is none.
  func firstCodeSpecial(from start: Int) -> Int {
    first(from: start) {
      ($0 .== lanes(0x5d)) .| ($0 .== lanes(0x5b)) .| ($0 .== lanes(0x22))
    } orByte: {
      $0 == 0x5d || $0 == 0x5b || $0 == 0x22
    }
  }

  /// The index of the first byte at or after `start` that is not of `accepted`; `count` where all are.
  @inline(__always)
  func firstNot(_ accepted: ByteClass, from start: Int) -> Int {
    var index = start
    while index < count, byteClasses[Int(self[index])] & accepted.rawValue != 0 { index &+= 1 }
    return index
  }

  /// The eight bytes at `index`, the first one lowest; zeros stand for what lies behind the end. `index` must not be
  /// negative.
  @inline(__always)
  func paddedWord(at index: Int) -> UInt64 {
    if index &+ 8 <= count { return word(at: index) }
    if count < 8 || index >= count { return lastWord(at: index) }
    // The last eight bytes are all there: those before `index` are shifted out.
    return word(at: count &- 8) &>> UInt64((index &+ 8 &- count) &* 8)
  }

  @inline(never)
  private func lastWord(at index: Int) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    var index = index
    while index < count {
      value |= UInt64(self[index]) &<< shift
      shift &+= 8
      index &+= 1
    }
    return value
  }

  /// A number of 32 bits that has eight digits or more; of no digits where there is none. `index` must not be negative.
  @inline(never)
  func longNumber(at index: Int) -> (value: UInt32, count: Int) {
    let (high, first) = leadingDigits(paddedWord(at: index))
    let (low, count) = leadingDigits(paddedWord(at: index &+ first))
    if first < 8 || count > 2 { return (0, 0) }
    let value = UInt64(high) &* (count == 0 ? 1 : count == 1 ? 10 : 100) &+ UInt64(low)
    return value > UInt64(UInt32.max) ? (0, 0) : (UInt32(truncatingIfNeeded: value), first &+ count)
  }

  /// The byte at `index`; 0 where there is none.
  @inline(__always)
  func byte(at index: Int) -> UInt8 {
    if UInt(bitPattern: index) >= UInt(bitPattern: count) { return 0 }
    // Safe: `0 <= index < count`.
    return unsafe bytes.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
  }

  /// The four bytes at `index`, the first one lowest; 0 where they are not all here. `index` must not be negative.
  @inline(__always)
  func quad(at index: Int) -> UInt32 {
    if index &+ 4 > count { return 0 }
    // Safe: `index + 4 <= count`, and `index` never is negative.
    return unsafe UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt32.self))
  }

  /// Up to eight bytes of `range` folded to upper case and packed, the first byte lowest; 0 where it is longer or empty.
  ///
  /// Two keywords of equal length are the same, ASCII case ignored, exactly if their words are.
  @inline(__always)
  func foldedWord(_ range: Range<Int>) -> UInt64 {
    let length = range.count
    if length == 0 || length > 8 { return 0 }
    var value: UInt64 = 0
    if range.lowerBound &+ 8 <= count {
      value = word(at: range.lowerBound) & (~0 &>> UInt64(64 &- length &* 8))
    } else {
      var shift: UInt64 = 0
      for index in range {
        value |= UInt64(self[index]) &<< shift
        shift &+= 8
      }
    }
    return uppercased(value)
  }

  /// The index of the first byte at or after `start` for which `isHit` holds; `count` where there is none. `hits` says the
  /// same of sixteen bytes at a time.
  @inline(__always)
  private func first(
    from start: Int, _ hits: (SIMD16<UInt8>) -> SIMDMask<SIMD16<Int8>>, orByte isHit: (UInt8) -> Bool
  ) -> Int {
    var index = start
    while index &+ 16 <= count {
      let lane = hits(vector(at: index)).first
      if lane < 16 { return index &+ lane }
      index &+= 16
    }
    while index < count, !isHit(self[index]) { index &+= 1 }
    return index
  }

  /// The sixteen bytes at `index`.
  @inline(__always)
  private func vector(at index: Int) -> SIMD16<UInt8> {
    // Safe: every caller checked `index + 16 <= count`, and `index` never is negative.
    unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: SIMD16<UInt8>.self)
  }

  /// The eight bytes at `index`, the first one lowest.
  @inline(__always)
  private func word(at index: Int) -> UInt64 {
    // Safe: every caller checked `index + 8 <= count`, and `index` never is negative.
    unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self))
  }
}

/// Sixteen times `byte`. The operators that take a number are not specialised.
@inline(__always)
private func lanes(_ byte: UInt8) -> SIMD16<UInt8> { SIMD16(repeating: byte) }

extension SIMDMask<SIMD16<Int8>> {
  /// The index of the first lane that is set; 16 where none is.
  @inline(__always)
  fileprivate var first: Int { nibbles.trailingZeroBitCount / 4 }

  /// Four bits for each lane.
  @inline(__always)
  fileprivate var nibbles: UInt64 {
    // All of Swift's platforms are little-endian.
    // Safe: both are sixteen bytes.
    let pairs = unsafe unsafeBitCast(self, to: SIMD8<UInt16>.self)
    let lanes = SIMD8<UInt8>(truncatingIfNeeded: pairs &>> SIMD8(repeating: 4))
    // Safe: both are eight bytes.
    return unsafe unsafeBitCast(lanes, to: UInt64.self)
  }

  /// Whether any lane is set.
  @inline(__always)
  fileprivate var isAnySet: Bool {
    // Safe: both are sixteen bytes.
    let halves = unsafe unsafeBitCast(self, to: SIMD2<UInt64>.self)
    return halves[0] | halves[1] != 0
  }
}

/// A word with the high bit set in each byte of `word` that is zero. Bits above the lowest one may be false, so only the
/// lowest counts.
@inline(__always)
func zeroBytes(_ word: UInt64) -> UInt64 {
  (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
}

/// The number that the digits at the start of `word` make, and how many they are: 0 where it starts with none, at most 8.
@inline(__always)
func leadingDigits(_ word: UInt64) -> (value: UInt32, count: Int) {
  let flipped = word ^ 0x3030_3030_3030_3030
  // Digits are 0 to 9 now; 0x76 lifts what is above into the high bit.
  let others = ((flipped & 0x7f7f_7f7f_7f7f_7f7f) &+ 0x7676_7676_7676_7676 | flipped) & 0x8080_8080_8080_8080
  let count = others.trailingZeroBitCount / 8
  if count == 0 { return (0, 0) }
  // The last digit comes to the highest byte; zeros fill in before the first.
  var digits = flipped &<< UInt64(64 &- count &* 8)
  digits = digits &* 10 &+ digits &>> 8
  let pairs =
    (digits & 0x0000_00ff_0000_00ff) &* 0x000f_4240_0000_0064
    &+ (digits &>> 16 & 0x0000_00ff_0000_00ff) &* 0x0000_2710_0000_0001
  return (UInt32(truncatingIfNeeded: pairs &>> 32), count)
}

/// `word` with its bytes a to z made A to Z. Bytes of 0x80 and above stay.
@inline(__always)
func uppercased(_ word: UInt64) -> UInt64 {
  let ascii = word & 0x7f7f_7f7f_7f7f_7f7f
  let fromA = ascii &+ 0x1f1f_1f1f_1f1f_1f1f
  let aboveZ = ascii &+ 0x0505_0505_0505_0505
  let lower = fromA & ~aboveZ & ~word & 0x8080_8080_8080_8080
  return word &- lower &>> 2
}

/// `text` packed as ``Span/foldedWord(_:)`` packs it. For literals of at most eight ASCII bytes; a longer one gives 0.
@inline(__always)
func keyword(_ text: StaticString) -> UInt64 {
  let length = text.utf8CodeUnitCount
  if length > 8 { return 0 }
  var value: UInt64 = 0
  for index in 0..<length {
    // Safe: `index` is below the length of a static string, whose bytes never go away.
    value |= unsafe UInt64(text.utf8Start[index]) << UInt64(index &* 8)
  }
  return uppercased(value)
}

/// The ``ByteClass`` of each byte value.
private let byteClasses: InlineArray<256, UInt8> = [
  0, 8, 8, 8, 8, 8, 8, 8, 8, 8, 32, 8, 8, 32, 8, 8,
  8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
  40, 27, 0, 27, 27, 10, 27, 27, 8, 40, 10, 27, 27, 27, 27, 27,
  31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 27, 27, 27, 27, 27, 27,
  27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27,
  27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 2, 58, 27, 27,
  27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27,
  27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 10, 27, 27, 27, 8,
  2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
  2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
  2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
  2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
  2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
  2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
  2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
  2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
]
