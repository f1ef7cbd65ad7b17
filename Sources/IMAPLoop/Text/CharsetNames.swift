/// What iconv calls the charsets of mail.
enum CharsetNames {
  /// The converter of the charset that mail calls `name`, in upper case; nil where mail has no such charset.
  static func converter(of name: String) -> String? {
    if let converter = converters[name] { return converter }
    // ISO-8859-2 is written in many ways, and so is CP1251.
    for (prefix, family) in families where name.hasPrefix(prefix) {
      let number = String(name.dropFirst(prefix.count))
      if family.numbers.contains(number) { return family.name + number }
    }
    return nil
  }

  private static let families: [(String, (name: String, numbers: Set<String>))] = {
    let iso = (
      name: "ISO-8859-",
      numbers: Set(["2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "13", "14", "15", "16"])
    )
    let windows = (name: "CP", numbers: Set(["1250", "1251", "1253", "1254", "1255", "1256", "1257", "1258"]))
    let dos = (
      name: "CP",
      numbers: Set([
        "437", "737", "775", "850", "852", "855", "857", "858", "860", "861", "862", "863", "864", "865", "866",
      ])
    )
    return [
      ("ISO-8859-", iso), ("ISO_8859-", iso), ("ISO8859-", iso), ("ISO8859_", iso),
      ("WINDOWS-", windows), ("CP", windows), ("CP-", windows), ("X-CP", windows), ("MS", windows),
      ("IBM", dos), ("CP", dos), ("IBM-", dos),
    ]
  }()

  private static let converters: [String: String] = [
    "LATIN2": "ISO-8859-2", "L2": "ISO-8859-2", "LATIN3": "ISO-8859-3", "LATIN4": "ISO-8859-4",
    "LATIN5": "ISO-8859-9", "LATIN6": "ISO-8859-10", "LATIN-9": "ISO-8859-15", "LATIN9": "ISO-8859-15",
    "LATIN10": "ISO-8859-16", "CYRILLIC": "ISO-8859-5", "ARABIC": "ISO-8859-6", "GREEK": "ISO-8859-7",
    "HEBREW": "ISO-8859-8", "ISO-8859-8-I": "ISO-8859-8", "ISO-8859-8-E": "ISO-8859-8",
    "KOI8-R": "KOI8-R", "KOI8R": "KOI8-R", "KOI8": "KOI8-R", "KOI8-U": "KOI8-U", "KOI8-RU": "KOI8-RU",
    "X-MAC-CYRILLIC": "MAC-CYRILLIC", "MACINTOSH": "MACINTOSH", "X-MAC-ROMAN": "MACINTOSH",
    "GB2312": "GB18030", "GB_2312-80": "GB18030", "CSGB2312": "GB18030", "EUC-CN": "GB18030", "GBK": "GB18030",
    "X-GBK": "GB18030", "CP936": "GB18030", "MS936": "GB18030", "GB18030": "GB18030",
    "BIG5": "BIG5-HKSCS", "BIG-5": "BIG5-HKSCS", "CSBIG5": "BIG5-HKSCS", "X-X-BIG5": "BIG5-HKSCS",
    "BIG5-HKSCS": "BIG5-HKSCS", "CP950": "CP950", "EUC-TW": "EUC-TW",
    "SHIFT_JIS": "CP932", "SHIFT-JIS": "CP932", "SJIS": "CP932", "X-SJIS": "CP932", "MS_KANJI": "CP932",
    "CSSHIFTJIS": "CP932", "CP932": "CP932", "MS932": "CP932", "WINDOWS-31J": "CP932",
    "EUC-JP": "EUC-JP", "EUCJP": "EUC-JP", "X-EUC-JP": "EUC-JP",
    "ISO-2022-JP": "ISO-2022-JP", "CSISO2022JP": "ISO-2022-JP", "ISO-2022-JP-1": "ISO-2022-JP-1",
    "ISO-2022-JP-2": "ISO-2022-JP-2",
    "EUC-KR": "CP949", "EUCKR": "CP949", "KS_C_5601-1987": "CP949", "KS_C_5601": "CP949", "KSC5601": "CP949",
    "KSC_5601": "CP949", "CP949": "CP949", "MS949": "CP949", "UHC": "CP949", "ISO-2022-KR": "ISO-2022-KR",
    "ISO-2022-CN": "ISO-2022-CN", "JOHAB": "JOHAB",
    "TIS-620": "TIS-620", "TIS620": "TIS-620", "WINDOWS-874": "CP874", "CP874": "CP874",
    "VISCII": "VISCII", "ARMSCII-8": "ARMSCII-8", "GEORGIAN-PS": "GEORGIAN-PS",
    "UTF-7": "UTF-7", "UNICODE-1-1-UTF-7": "UTF-7", "UTF-16BE": "UTF-16BE", "UTF-16LE": "UTF-16LE",
    "UTF-32BE": "UTF-32BE", "UTF-32LE": "UTF-32LE",
  ]
}
