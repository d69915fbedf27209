// The classes of a set's images: a number each, and what the classes are called where the data says so. Numbers are a
// set's own; a model's classes are in the order it was trained on, and names bring the two together.
//
// They are found in CIFAR-10's records, MNIST's label files, the names of subfolders, an array beside an array; and
// read only where a model is conditional on them, so data whose classes are wrong still serves the other models.

import Foundation
import ImageFormats
import ImageImport
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
        self.values = values
        self.names = names
        self.source = source
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

    /// Those of some of the images.
    func subset(_ indices: [Int]) -> Labels {
        var result = self
        result.values = indices.map { values[$0] }
        return result
    }

    /// SHA-256 of numbers and names: which classes a run learns.
    func sha256() -> String {
        let text = values.map(String.init).joined(separator: " ") + "\n" + names.joined(separator: "\n")
        return Array(text.utf8).withUnsafeBytes { SHA256.hexadecimal(of: $0) }
    }

    /// How many images there are of each class: `cats 12, dogs 30`.
    package var counts: String {
        var counts = [Int](repeating: 0, count: classes)
        for value in values { counts[value] += 1 }
        let most = 50
        let parts = counts.prefix(most).enumerated().map { label, count in
            "\(names.isEmpty ? "\(label)" : names[label]) \(count)"
        }
        return parts.joined(separator: ", ") + (counts.count > most ? " and \(counts.count - most) more" : "")
    }

    // MARK: - Reading

    /// Where the classes of a file's images are looked for; nil where its name says nothing.
    fileprivate static func file(beside path: String) -> String? {
        if path.hasSuffix(".npy") { return path.dropLast(4) + "-labels.npy" }
        for (images, labels) in [("images-idx3", "labels-idx1"), ("images.idx3", "labels.idx1")]
        where path.contains(images) {
            let file = path.replacing(images, with: labels)
            // One may be unpacked and the other not.
            let other = file.hasSuffix(".gz") ? String(file.dropLast(3)) : file + ".gz"
            return FileKind(path: file) == nil && FileKind(path: other) != nil ? other : file
        }
        return nil
    }

    /// A file of names beside a `.npy` file: `NAME-label-names.json`, which NAME-train and NAME-test may share.
    fileprivate static func namesFile(beside path: String) -> String? {
        guard path.hasSuffix(".npy") else { return nil }
        let name = String(path.dropLast(4))
        let stems = [name] + ["-train", "-test"].filter(name.hasSuffix).map { String(name.dropLast($0.count)) }
        return stems.map { $0 + "-label-names.json" }.first { FileManager.default.fileExists(atPath: $0) }
    }

    /// An array of integers (N), in `.npy` or `.npz`, or an IDX file of bytes in one dimension.
    fileprivate static func read(_ path: String, of images: String, names: [String]) throws(DataError) -> Labels {
        guard FileManager.default.fileExists(atPath: NPZFile.split(path).file) else {
            throw DataError(images, .noLabels(expected: path))
        }
        guard ImageSet.isArray(path) else { return try readIDX(ImageSet.idxBytes(path), path, names: names) }
        let array = try ImageSet.array(path)
        var values: [Int]?
        do throws(NPYError) {
            if array.shape.count == 1 { values = try array.integers() }
        } catch {
            throw DataError(path, .npy(error))
        }
        guard let values else { throw DataError(path, .notLabels) }
        return try Labels(values, names: names, source: path)
    }

    private static func readIDX(_ file: [UInt8], _ path: String, names: [String]) throws(DataError) -> Labels {
        guard file.count >= 8, file.starts(with: [0, 0, 8, 1]) else { throw DataError(path, .notLabels) }
        let count = file[4..<8].reduce(0) { $0 << 8 | Int($1) }
        guard file.count == 8 + count else {
            throw DataError(path, .wrongLength(found: file.count, expected: "\(8 + count) for \(count) labels"))
        }
        return try Labels(file[8...].map(Int.init), names: names, source: path)
    }

    /// The class of a picture is the subfolder of `folder` that it lies in, however deep.
    fileprivate static func subfolders(
        of folder: String, pictures: [String], names: [String]?
    ) throws(DataError) -> Labels {
        let classes = pictures.map { $0.split(separator: "/").dropLast().first.map(String.init) }
        if let bare = classes.firstIndex(of: nil) {
            throw DataError(folder + "/" + pictures[bare], .inNoSubfolder)
        }
        let found = classes.compactMap(\.self)
        let names = names ?? Set(found).sorted()
        if let unknown = found.first(where: { !names.contains($0) }) {
            throw DataError(folder + "/" + unknown, .unknownClass(unknown, known: names))
        }
        let numbers = Dictionary(names.enumerated().map { ($1, $0) }) { first, _ in first }
        return try Labels(found.map { numbers[$0] ?? 0 }, names: names, source: folder)
    }

    /// A JSON array of names, or one name per line.
    static func readNames(_ path: String) throws(DataError) -> [String] {
        let file = try ImageSet.bytes(path)
        let text = String(decoding: file, as: UTF8.self)
        let names =
            text.first { !$0.isWhitespace } == "["
            ? (try? JSONDecoder().decode([String].self, from: Data(file))) ?? []
            : text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
                .filter { !$0.isEmpty }
        guard !names.isEmpty, Set(names).count == names.count else { throw DataError(path, .notNames) }
        return names
    }
}

/// Files of classes, where they do not lie where data of its form has them.
package struct LabelFiles: Sendable {
    /// A `.npy` file of integers, (N), or an IDX file of labels.
    package var labels: String?
    /// A JSON array of names, or one name per line.
    package var names: String?
    package init(labels: String? = nil, names: String? = nil) {
        self.labels = labels
        self.names = names
    }
}

extension ImageSet {
    /// Puts every image into the only class that there is.
    package mutating func labelAsOneClass() throws(DataError) {
        labels = try Labels(Array(repeating: 0, count: count), names: [], source: "the only class")
    }

    /// Reads the classes of images that ``read(_:)`` has read from the same path.
    ///
    /// - Parameters:
    ///   - path: as there. Classes are CIFAR-10's, those of MNIST's label files, subfolders by name, or in
    ///     `NAME-labels.npy` beside `NAME.npy`, with names in `NAME-label-names.json`.
    ///   - files: where they are instead; labels only for a `.npy` file or an IDX file.
    ///   - sets: the images, which get them.
    /// - Throws: ``DataError``.
    package static func readLabels(
        of path: String, _ files: LabelFiles, into sets: inout (train: ImageSet, test: ImageSet?)
    ) throws(DataError) {
        var isFolder: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        if isFolder.boolValue, files.labels != nil { throw DataError(path, .ownLabels) }
        var names: [String]?
        if let file = files.names { names = try Labels.readNames(file) }
        if !isFolder.boolValue {
            if names == nil, let file = Labels.namesFile(beside: path) { names = try Labels.readNames(file) }
            guard let file = files.labels ?? Labels.file(beside: path) else {
                throw DataError(path, .noLabels(expected: nil))
            }
            sets.train.labels = try Labels.read(file, of: path, names: names ?? [])
        } else if let form = CIFAR10.form(of: path) {
            if names == nil { names = try CIFAR10.names(form, in: path) }
            let names = names ?? []
            sets.train.labels = try CIFAR10.labels(form.trainingFiles, form, in: path, names: names)
            sets.test?.labels = try CIFAR10.labels([form.testFile], form, in: path, names: names)
        } else if ImageSet.digits("train-images", "idx3", in: path) != nil {
            func labels(_ stem: String) throws(DataError) -> Labels {
                let file = ImageSet.digits(stem, "idx1", in: path) ?? "\(path)/\(stem)-idx1-ubyte"
                return try Labels.read(file, of: path, names: names ?? [])
            }
            sets.train.labels = try labels("train-labels")
            if sets.test != nil { sets.test?.labels = try labels("t10k-labels") }
        } else {
            sets.train.labels = try Labels.subfolders(
                of: path, pictures: sets.train.folder?.names ?? [], names: names)
        }
        for set in [sets.train, sets.test].compactMap(\.self) {
            if let labels = set.labels, labels.values.count != set.count {
                throw DataError(labels.source, .labelCount(found: labels.values.count, images: set.count))
            }
        }
    }
}
