// CIFAR-10 in its binary form: six files of 10,000 records, each a label and 3 × 32 × 32 levels, and the labels' names;
// and in Python's, where each file is a pickle of the same.
// It is fetched once: curl downloads, and goes on where it was cut off; nothing is believed before the digest is
// checked; tar unpacks the seven files, and the folder appears whole or not at all.

import Foundation
import PixelCNNModel
import Support

/// The data set that the original trains on.
package enum CIFAR10 {
    /// Where it comes from.
    package static let url = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    /// The archive's MD5, as its page says.
    package static let md5 = "c32a1d4ab5d03f1284b67883e8d87530"

    /// The folder in the archive.
    static let folder = "cifar-10-batches-bin"

    /// What its files are, five to train on and one to test with.
    enum Form {
        /// Records of a label and the levels.
        case binary
        /// Pickles of Python.
        case python

        var trainingFiles: [String] { (1...5).map { self == .binary ? "data_batch_\($0).bin" : "data_batch_\($0)" } }
        var testFile: String { self == .binary ? "test_batch.bin" : "test_batch" }
        /// With the classes' names.
        var namesFile: String { self == .binary ? "batches.meta.txt" : "batches.meta" }
    }

    /// Which form of the data set a folder has; nil for another folder.
    static func form(of folder: String) -> Form? {
        [Form.binary, .python].first { form in
            [form.trainingFiles[0], form.testFile].contains { FileKind(path: "\(folder)/\($0)") == .file }
        }
    }

    private static let (channels, side, labels) = (3, 32, 10)
    /// Of an image, for people.
    package static let shape = "\(channels) × \(side) × \(side)"
    private static let record = 1 + channels * side * side

    /// The images of some of the files, which must all be there.
    static func read(_ files: [String], _ form: Form, in folder: String) throws(DataError) -> ImageSet {
        var values: [UInt8] = []
        for file in files {
            let path = folder + "/" + file
            let bytes = try ImageSet.bytes(path)
            if form == .python {
                values += bytes[try batch(bytes, path).data]
                continue
            }
            guard !bytes.isEmpty, bytes.count % record == 0 else {
                throw DataError(path, .wrongLength(found: bytes.count, expected: "records of \(record)"))
            }
            for start in stride(from: 0, to: bytes.count, by: record) {
                guard bytes[start] < labels else {
                    throw DataError(
                        path,
                        .labelOutOfRange(record: start / record, label: Int(bytes[start]), limit: labels - 1))
                }
                values += bytes[start + 1..<start + record]
            }
        }
        return ImageSet(channels: channels, height: side, width: side, levels: values)
    }

    /// The classes of the images that ``read(_:_:in:)`` reads of these files.
    static func labels(_ files: [String], _ form: Form, in folder: String, names: [String]) throws(DataError) -> Labels
    {
        var values: [Int] = []
        for file in files {
            let bytes = try ImageSet.bytes(folder + "/" + file)
            values +=
                form == .python
                ? try batch(bytes, folder + "/" + file).labels
                : stride(from: 0, to: bytes.count, by: record).map { Int(bytes[$0]) }
        }
        return try Labels(values, names: names, source: folder)
    }

    /// What the classes are called; nothing where a folder was unpacked without the file of names.
    static func names(_ form: Form, in folder: String) throws(DataError) -> [String] {
        let path = folder + "/" + form.namesFile
        guard FileKind(path: path) != nil else { return [] }
        guard form == .python else { return try Labels.readNames(path) }
        let file = try ImageSet.bytes(path)
        do throws(PickleError) {
            return try PythonBatch.names(file) ?? []
        } catch {
            throw DataError(path, .pickle("\(error)"))
        }
    }

    /// A batch of images of this size in Python's form.
    private static func batch(_ bytes: [UInt8], _ path: String) throws(DataError) -> PythonBatch {
        let batch: PythonBatch?
        do throws(PickleError) { batch = try PythonBatch(bytes) } catch { throw DataError(path, .pickle("\(error)")) }
        guard let batch, !batch.labels.isEmpty, batch.data.count == batch.labels.count * (record - 1) else {
            throw DataError(path, .pickle("is no batch of CIFAR-10: a dictionary of data (n, 3072) and labels (n)"))
        }
        return batch
    }

    // MARK: - Download

    /// The folder with the seven files below `folder`, downloaded and unpacked where it is not there yet.
    ///
    /// - Parameters:
    ///   - folder: made where it does not exist.
    ///   - url: the archive.
    ///   - md5: its digest, hexadecimal.
    ///   - showsProgress: whether curl may draw its bar.
    /// - Throws: ``DataError``; nothing half-written stays but the part of the archive that a further call goes on
    ///   from. An archive that is there already is believed no more than one that is downloaded, and stays.
    package static func fetch(
        into folder: String, url: String = url, md5: String = md5, showsProgress: Bool = false
    ) throws(DataError) -> String {
        let (files, unpacked) = (FileManager.default, folder + "/" + Self.folder)
        if isWhole(unpacked) { return unpacked }
        do {
            try files.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw DataError(folder, .system(reason: "cannot be made"))
        }
        let archive = folder + "/cifar-10-binary.tar.gz"
        if let found = MD5.hexadecimal(ofFileAt: archive) {
            guard found == md5.lowercased() else {
                throw DataError(archive, .wrongDigest(found: found, expected: md5))
            }
        } else {
            try download(url, to: archive, md5: md5, showsProgress: showsProgress)
        }
        try unpack(archive, into: folder)
        return unpacked
    }

    /// Whether a folder has all that is read: a copy that was cut short lacks files, or ends inside a record.
    private static func isWhole(_ folder: String) -> Bool {
        (Form.binary.trainingFiles + [Form.binary.testFile]).allSatisfy { name in
            guard let file = try? OpenFile(regular: folder + "/" + name) else { return false }
            return file.byteCount > 0 && file.byteCount % record == 0
        }
    }

    private static func download(
        _ url: String, to archive: String, md5: String, showsProgress: Bool
    ) throws(DataError) {
        let part = archive + ".part"
        let output = showsProgress ? "--progress-bar" : "--silent"
        let arguments = [
            "--fail", "--location", "--show-error", output, "--connect-timeout", "30", "--retry", "3", "--output", part,
            url,
        ]
        // Where they are equal, an earlier call ended just before it took the file over.
        if MD5.hexadecimal(ofFileAt: part) != md5.lowercased() {
            var outcome = try run("curl", ["--continue-at", "-"] + arguments, showsErrors: showsProgress, for: archive)
            if [33, 36].contains(outcome.status) {  // a server that cannot go on
                try? FileManager.default.removeItem(atPath: part)
                outcome = try run("curl", arguments, showsErrors: showsProgress, for: archive)
            }
            guard outcome.status == 0 else { throw DataError(archive, .download(url: url, reason: outcome.errors)) }
        }
        guard let found = MD5.hexadecimal(ofFileAt: part) else { throw DataError(part, .missing) }
        guard found == md5.lowercased() else {
            try? FileManager.default.removeItem(atPath: part)  // there is nothing in it to go on from
            throw DataError(archive, .wrongDigest(found: found, expected: md5))
        }
        try move(part, to: archive)
    }

    private static func unpack(_ archive: String, into folder: String) throws(DataError) {
        let temporary = folder + "/.unpack-\(UInt64.random(in: .min ... .max))"
        defer { try? FileManager.default.removeItem(atPath: temporary) }
        do {
            try FileManager.default.createDirectory(atPath: temporary, withIntermediateDirectories: false)
        } catch {
            throw DataError(folder, .system(reason: "cannot be written"))
        }
        let form = Form.binary
        let members = (form.trainingFiles + [form.testFile, form.namesFile]).map { Self.folder + "/" + $0 }
        let outcome = try run(
            "tar", ["--extract", "--gzip", "--no-same-owner", "--file", archive, "--directory", temporary] + members,
            showsErrors: false, for: archive)
        guard outcome.status == 0 else { throw DataError(archive, .archive(reason: outcome.errors)) }
        let unpacked = folder + "/" + Self.folder
        guard FileManager.default.fileExists(atPath: unpacked) else {
            return try move(temporary + "/" + Self.folder, to: unpacked)
        }
        // What lacked something gets all of it; what else lies there stays.
        for member in members { try move(temporary + "/" + member, to: folder + "/" + member) }
    }

    private static func move(_ source: String, to destination: String) throws(DataError) {
        guard rename(source, destination) == 0 else {
            throw DataError(destination, .system(reason: "cannot be made: \(String(cString: strerror(errno)))"))
        }
    }

    /// Runs one of the system's programs; its status, and the first line it complained with.
    private static func run(
        _ program: String, _ arguments: [String], showsErrors: Bool, for file: String
    ) throws(DataError) -> (status: Int32, errors: String) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [program] + arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        let errors = Pipe()
        if !showsErrors { process.standardError = errors }
        do { try process.run() } catch { throw DataError(file, .system(reason: "\(program) cannot be run")) }
        let text = showsErrors ? Data() : errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
        return (process.terminationStatus, lines.first.map(String.init) ?? "\(program) failed")
    }
}
