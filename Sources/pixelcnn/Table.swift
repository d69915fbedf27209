// Two aligned columns, for people, whatever the values are.

import Support

enum Table {
    static func format(_ rows: [(String, String)]) -> String {
        let rows = rows.map { ($0.printable, $1.printable) }
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { name, value in
            name + String(repeating: " ", count: width - name.count + 2) + value
        }.joined(separator: "\n")
    }
}
