// The classes of a set's images: a number each, and what the classes are called where the data says so. Numbers are a
// set's own; a model's classes are in the order it was trained on, and names bring the two together.

import PixelCNNModel
import Support

/// The class of each image of a set.
package struct Labels: Sendable, Equatable {
    /// The class of each image, from 0: (N).
    package private(set) var values: [Int]
    /// What the classes are called; empty where nothing says.
    package private(set) var names: [String]
    /// The file or folder that they come from.
    let source: String

    /// Number of classes: as many as have names, else up to the largest that an image has.
    package var classes: Int { names.isEmpty ? (values.max() ?? -1) + 1 : names.count }

    /// Labels as given.
    /// - Throws: ``DataError`` where one is out of range.
    init(_ values: [Int], names: [String], source: String) throws(DataError) {
        let limit = names.isEmpty ? Self.limit : names.count
        if let record = values.firstIndex(where: { !(0..<limit).contains($0) }) {
            throw DataError(source, .labelOutOfRange(record: record, label: values[record], limit: limit - 1))
        }
        (self.values, self.names, self.source) = (values, names, source)
    }

    /// Most classes, so that a file of something else is refused before a network is made for it.
    private static let limit = 1 << 16

    /// These labels by the numbers that a model, or the data it learns from, has for the classes: by name where both
    /// have names, else as they are.
    ///
    /// - Throws: ``DataError`` where a class of an image is none of those.
    package func numbered(as other: [String], classes: Int) throws(DataError) -> Labels {
        var result = self
        result.names = other
        if !names.isEmpty, !other.isEmpty {
            let numbers = names.map { other.firstIndex(of: $0) }
            if let unknown = values.first(where: { numbers[$0] == nil }) {
                throw DataError(source, .unknownClass(names[unknown], known: other))
            }
            result.values = values.map { numbers[$0] ?? 0 }
        }
        if let record = result.values.firstIndex(where: { $0 >= classes }) {
            throw DataError(
                source, .labelOutOfRange(record: record, label: result.values[record], limit: classes - 1))
        }
        return result
    }

    /// SHA-256 of numbers and names: which classes a run learns.
    func sha256() -> String {
        let text = values.map(String.init).joined(separator: " ") + "\n" + names.joined(separator: "\n")
        return Array(text.utf8).withUnsafeBytes { SHA256.hexadecimal(of: $0) }
    }
}
