// The form torch.save wrote before PyTorch 1.6, and still writes on request: no ZIP, but five pickles one after another
// (a magic number, a version, the machine, the object, the storages' keys), then each storage as a count and its
// numbers.
//
// Only a storage's class says how wide its elements are, so the object's pickle is what finds them. A storage that the
// file is too short for gets what is left, and the tensor that needs it is then refused by name.

import Support

enum LegacyPyTorchFile {
    /// 0x1950a86a20f9469cfc6c, as pickled.
    private static let magic: [UInt8] = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]
    /// The same in protocol 1.
    private static let magicText = Array("L119547037146038801333356L\n.".utf8)
    private static let version = 1001
    /// Stands before a storage's key, in messages too.
    private static let prefix = "storage "

    /// Whether a file begins as this form does: protocol, from 4 on perhaps a frame, then the magic number.
    static func starts(_ bytes: UnsafeRawBufferPointer) -> Bool {
        if bytes.starts(with: magicText) { return true }
        guard bytes.count > 2, bytes[0] == 0x80 else { return false }
        let start = bytes[2] == 0x95 ? 11 : 2
        return bytes.dropFirst(start).starts(with: magic)
    }

    /// What the file holds, under plain names.
    static func read(_ file: ModelFile, weights: String?) throws(ModelFileError.Problem) -> ModelContents {
        var position = 0
        _ = try pickle(file, at: &position)  // the magic number, known by its bytes
        let version = try pickle(file, at: &position)
        guard version.root == .int(Self.version) else {
            throw malformed("version", version.summary(version.root), expected: "\(Self.version)")
        }
        // What machine it was: its numbers are little-endian on every machine.
        _ = try pickle(file, at: &position)
        let object = try pickle(file, at: &position)
        let keys = try pickle(file, at: &position)
        let ranges = try ranges(keys, widths: widths(object), in: file.bytes, from: position)
        return try PyTorchFile.read(
            object, StorageTable(file: file, prefix: prefix, ranges: ranges), weights: weights)
    }

    /// Reads one of the file's pickles and steps past it.
    private static func pickle(
        _ file: ModelFile, at position: inout Int
    ) throws(ModelFileError.Problem) -> PickleGraph {
        let rest = UnsafeRawBufferPointer(rebasing: file.bytes[position...])
        do throws(PickleError) {
            let (graph, length) = try Unpickler.readFirst(rest, fileBytes: file.bytes.count)
            position += length
            return graph
        } catch { throw .pickle(error) }
    }

    /// Bytes an element takes, by storage key.
    private static func widths(_ graph: PickleGraph) -> [String: Int] {
        var widths: [String: Int] = [:]
        for node in graph.nodes {
            guard case .persistent(let identifier) = node, let items = graph.tuple(identifier), items.count > 2,
                case .global(let global)? = graph.node(items[1]), let width = global.storageWidth,
                case .string(let key) = items[2], widths[key] == nil
            else { continue }
            widths[key] = width
        }
        return widths
    }

    /// The storages follow in the order of their keys.
    private static func ranges(
        _ keys: PickleGraph, widths: [String: Int], in bytes: UnsafeRawBufferPointer, from start: Int
    ) throws(ModelFileError.Problem) -> [String: Range<Int>] {
        let part = "list of storages"
        guard case .list(let items)? = keys.node(keys.root) else {
            throw malformed(part, keys.summary(keys.root), expected: "a list")
        }
        var ranges: [String: Range<Int>] = [:]
        var position = start
        for item in items {
            guard case .string(let key) = item, let width = widths[key] else {
                throw malformed(part, "one with \(keys.summary(item))", expected: "keys that a tensor refers to")
            }
            guard ranges[prefix + key] == nil else {
                throw malformed(part, "one with \(quoted(key)) twice", expected: "each key once")
            }
            guard let count = bytes.littleEndian(at: position, as: Int64.self) else { break }
            position += 8
            let (size, overflow) = Int(max(count, 0)).multipliedReportingOverflow(by: width)
            let end = overflow || size > bytes.count - position ? bytes.count : position + size
            ranges[prefix + key] = position..<end
            position = end
        }
        return ranges
    }

    private static func malformed(_ part: String, _ found: String, expected: String) -> ModelFileError.Problem {
        .pyTorch(.malformedLegacyFile(part: part, found: found, expected: expected))
    }
}
