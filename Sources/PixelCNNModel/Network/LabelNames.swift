// What the names of classes may be: each is shown in lists and logs and typed on command lines, where a class's number
// is as good as its name.

/// The rules for the names of a conditional network's classes.
enum LabelNames {
    /// Characters of a name.
    static let lengthLimit = 64

    /// Names are for all classes or for none; printable, distinct whatever the letter case, and no other class's
    /// number.
    static func check(_ names: [String], labels: Int) throws(ModelDataError) {
        guard names.isEmpty || names.count == labels else {
            throw .labelNameCount(found: names.count, labels: labels)
        }
        var seen: Set<String> = []
        for (label, name) in names.enumerated() {
            guard !name.isEmpty, name.unicodeScalars.count <= lengthLimit,
                name.unicodeScalars.allSatisfy(\.isPrintable),
                Int(name) ?? label == label
            else { throw .unusableLabelName(name, label: label) }
            guard seen.insert(name.lowercased()).inserted else { throw .duplicateLabelName(name) }
        }
    }
}
