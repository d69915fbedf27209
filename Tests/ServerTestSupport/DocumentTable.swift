// Tables of documents that are made from a list in Sources. Tests compare the two; with PIXELCNN_MAKE_TABLES=1 in the
// environment (`make tables`) they write the table instead.

import Foundation

/// A Markdown table below a comment: `<!-- Sources/…/MetricTable.swift, by make tables -->`.
package struct DocumentTable {
    package static let root = URL(filePath: #filePath).appending(path: "../../..").standardized

    private let file: URL
    private let comment: String
    private let lines: [String]

    /// - Parameters:
    ///   - document: its path from the root.
    ///   - source: the path of the file that has the list.
    package init(document: String, source: String, header: [String], rows: [[String]]) {
        file = Self.root.appending(path: document)
        comment = "<!-- \(source), by make tables -->"
        let rule = "|" + String(repeating: "---|", count: header.count)
        func line(_ cells: [String]) -> String { "| \(cells.joined(separator: " | ")) |" }
        lines = [line(header), rule] + rows.map(line)
    }

    /// What the document has that the list would not make, or lacks; nothing where they agree.
    package func differences() throws -> [String] {
        let text = try String(contentsOf: file, encoding: .utf8)
        var document = text.components(separatedBy: "\n")
        guard let start = document.firstIndex(of: comment) else { return ["\(file.path) has no line \(comment)"] }
        let range = start + 1..<(document[(start + 1)...].firstIndex { !$0.hasPrefix("|") } ?? document.endIndex)
        let found = Array(document[range])
        guard found != lines else { return [] }
        if ProcessInfo.processInfo.environment["PIXELCNN_MAKE_TABLES"] != nil {
            document.replaceSubrange(range, with: lines)
            try document.joined(separator: "\n").write(to: file, atomically: true, encoding: .utf8)
            return []
        }
        let differences = found.filter { !lines.contains($0) } + lines.filter { !found.contains($0) }
        return ["\(file.path) is not what \(comment) makes"] + differences
    }
}
