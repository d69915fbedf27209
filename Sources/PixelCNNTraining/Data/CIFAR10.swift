// CIFAR-10 in its binary form: six files of 10,000 records, each a label and 3 × 32 × 32 levels, and the labels' names.

import Foundation

/// The data set that the original trains on.
package enum CIFAR10 {
    /// Where it comes from.
    package static let url = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    /// The archive's MD5, as its page says.
    package static let md5 = "c32a1d4ab5d03f1284b67883e8d87530"

    /// The folder in the archive.
    static let folder = "cifar-10-batches-bin"
    static let trainingFiles = (1...5).map { "data_batch_\($0).bin" }
    static let testFile = "test_batch.bin"
    static let namesFile = "batches.meta.txt"

    private static let (channels, side, labels) = (3, 32, 10)

    /// The images of some of the files, which must all be there.
    static func read(_ files: [String], in folder: String) throws(DataError) -> ImageSet {
        let record = 1 + channels * side * side
        var values: [UInt8] = []
        for file in files {
            let path = folder + "/" + file
            let bytes = try ImageSet.bytes(path)
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
        return ImageSet(channels: channels, height: side, width: side, values: values)
    }

    /// The classes of the images that ``read(_:in:)`` reads of these files.
    static func labels(_ files: [String], in folder: String, names: [String]) throws(DataError) -> Labels {
        let record = 1 + channels * side * side
        var values: [Int] = []
        for file in files {
            let bytes = try ImageSet.bytes(folder + "/" + file)
            values += stride(from: 0, to: bytes.count, by: record).map { Int(bytes[$0]) }
        }
        return try Labels(values, names: names, source: folder)
    }

    /// What the classes are called; nothing where a folder was unpacked without the file of names.
    static func names(in folder: String) throws(DataError) -> [String] {
        let path = folder + "/" + namesFile
        return FileManager.default.fileExists(atPath: path) ? try Labels.readNames(path) : []
    }
}
