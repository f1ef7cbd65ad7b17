import Foundation

// Run by Scripts/docs: `check-docs.swift FOLDER`, where FOLDER has a folder of symbol graphs for each module.

struct Graph: Decodable {
  struct Symbol: Decodable {
    struct Comment: Decodable { var lines: [Line] }
    struct Line: Decodable { var text: String }
    struct Identifier: Decodable { var precise: String }
    struct Location: Decodable { var uri: String }

    var identifier: Identifier
    var pathComponents: [String]
    var docComment: Comment?
    /// Only what somebody wrote has one.
    var location: Location?
  }

  var symbols: [Symbol]
}

let folder = URL(fileURLWithPath: CommandLine.arguments[1])
var problems: [String] = []
var count = 0
for module in try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() {
  let page = try String(contentsOfFile: "Sources/\(module)/\(module).docc/\(module).md", encoding: .utf8)
  let graphs = try FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent(module).path)
  for name in graphs.sorted() where name.hasSuffix(".json") {
    let data = try Data(contentsOf: folder.appendingPathComponent(module).appendingPathComponent(name))
    for symbol in try JSONDecoder().decode(Graph.self, from: data).symbols {
      let path = symbol.pathComponents.joined(separator: ".")
      // What the compiler made, or another module has.
      if symbol.location == nil || symbol.identifier.precise.contains("::SYNTHESIZED::") { continue }
      count += 1
      if symbol.docComment?.lines.allSatisfy({ $0.text.isEmpty }) ?? true {
        problems.append("\(module): \(path) has no comment")
      }
      let isOfModule = name == "\(module).symbols.json"
      if isOfModule, symbol.pathComponents.count == 1, !page.contains("``\(path)``"), !page.contains("/\(path)``") {
        problems.append("\(module): \(path) is in no group of \(module).md")
      }
    }
  }
}
for problem in problems { print("error: \(problem)") }
print("\(count) public symbols, \(problems.count) problems")
if count < 2000 || !problems.isEmpty { exit(1) }
