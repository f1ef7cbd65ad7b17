/// `text` between quotes, a backslash before each quote and backslash in it (RFC 5322, section 3.2.4; RFC 9051, section 9).
func quotedString(_ text: String) -> String {
  var quoted = "\""
  for scalar in text.unicodeScalars {
    if scalar == "\"" || scalar == "\\" { quoted.append("\\") }
    quoted.unicodeScalars.append(scalar)
  }
  return quoted + "\""
}
