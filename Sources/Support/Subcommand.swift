// A program's first word, where it is a subcommand's name with a letter wrong.

package enum Subcommand {
    /// Refuses a word that is no subcommand, and says which one is like it. Words that begin with `-` are options.
    ///
    /// - Throws: ``Failure`` (64).
    package static func check(_ word: String?, of names: [String]) throws(Failure) {
        guard let word, !word.hasPrefix("-"), !(names + ["help"]).contains(word) else { return }
        let distances = names.map { (name: $0, distance: word.lowercased().editDistance(to: $0)) }
        let nearest = distances.min { $0.distance < $1.distance }
        let advice =
            nearest.flatMap { $0.distance <= max(1, word.count / 2) ? "did you mean \($0.name)?" : nil }
            ?? "there are \(names.joined(separator: ", "))"
        throw Failure(.usage, "no subcommand \"\(word)\"; \(advice)")
    }
}

extension String {
    /// How many letters to insert, remove or change, or neighbours to swap, until one word is the other.
    fileprivate func editDistance(to other: String) -> Int {
        let (a, b) = (Array(self), Array(other))
        var rows = [Array(0...b.count)]
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var least = Swift.min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = Swift.min(least, rows[i - 1][j - 1] + 1) }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
