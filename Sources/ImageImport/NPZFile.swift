// NumPy's container of several arrays, .npz: a ZIP archive of .npy files, stored (savez) or deflated
// (savez_compressed). An array is decompressed whole, once its header has said as many bytes as the directory does.

import CZlib
import ImageFormats
import Support

/// The arrays of a `.npz` file.
package struct NPZFile {
    private let bytes: [UInt8]
    private let entries: [ZIPDirectory.Entry]

    /// How such a file begins.
    package static let magic: [UInt8] = [0x50, 0x4b]

    /// Reads the directory of a file.
    ///
    /// - Throws: ``NPZError``.
    package init(_ bytes: [UInt8]) throws(NPZError) {
        self.bytes = bytes
        let directory: Result<ZIPDirectory, ZIPError> = bytes.withUnsafeBytes { buffer in
            Result { () throws(ZIPError) in try ZIPDirectory(buffer) }
        }
        do throws(ZIPError) {
            entries = try directory.get().entries.filter { $0.name.hasSuffix(Self.ending) }
        } catch {
            throw .archive(error)
        }
        guard !entries.isEmpty else { throw .noArrays }
    }

    /// The file and the name of the array in a path such as `mnist.npz/x_train`; no name where the path is only a
    /// file's.
    package static func split(_ path: String) -> (file: String, array: String?) {
        guard let range = path.ranges(of: ".npz/").last else { return (path, nil) }
        let name = String(path[range.upperBound...])
        return name.isEmpty ? (path, nil) : (String(path[..<range.upperBound].dropLast()), name)
    }

    /// An array as a whole `.npy` file.
    ///
    /// - Parameter name: of the array; without one it is the only array, or the only one with three or four dimensions.
    /// - Throws: ``NPZError``.
    package func array(_ name: String?) throws(NPZError) -> [UInt8] {
        if let name {
            guard let entry = entries.first(where: { $0.name == name + Self.ending }) else {
                throw .noSuchArray(name, names: names)
            }
            return try contents(entry)
        }
        if entries.count == 1 { return try contents(entries[0]) }
        var images: [ZIPDirectory.Entry] = []
        for entry in entries where (3...4).contains(try header(entry).shape.count) { images.append(entry) }
        guard images.count == 1 else { throw .severalArrays(names: names) }
        return try contents(images[0])
    }

    private static let ending = ".npy"
    private var names: [String] { entries.map { String($0.name.dropLast(Self.ending.count)) } }

    private func header(_ entry: ZIPDirectory.Entry) throws(NPZError) -> NPYLayout {
        do {
            return try NPYLayout { range in
                let start = try bytes(of: entry, most: range.upperBound)
                return Array(start.dropFirst(range.lowerBound))
            }
        } catch {
            throw error as? NPZError ?? .array(name(entry), error as? NPYError ?? .notNPY)
        }
    }

    private func name(_ entry: ZIPDirectory.Entry) -> String { String(entry.name.dropLast(Self.ending.count)) }

    private func contents(_ entry: ZIPDirectory.Entry) throws(NPZError) -> [UInt8] {
        guard let count = Int(exactly: entry.byteCount),
            entry.method == 0 || count / Inflation.largestRatio <= entry.data.count
        else {
            throw .damaged(name(entry))
        }
        let layout = try header(entry)
        do throws(NPYError) { try layout.check(fileBytes: count) } catch { throw .array(name(entry), error) }
        let contents = try bytes(of: entry, most: count)
        let checksum = contents.withUnsafeBufferPointer { crc32_z(0, $0.baseAddress, $0.count) }
        guard contents.count == count, UInt32(truncatingIfNeeded: checksum) == entry.checksum else {
            throw .damaged(name(entry))
        }
        return contents
    }

    /// The first bytes of an entry, fewer where it has no more.
    private func bytes(of entry: ZIPDirectory.Entry, most: Int) throws(NPZError) -> [UInt8] {
        switch entry.method {
        case 0: return Array(bytes[entry.data].prefix(most))
        case 8: break
        default: throw .unsupportedMethod(name(entry), entry.method)
        }
        guard let output = Inflation.bytes(bytes[entry.data], .plain, most: most) else { throw .damaged(name(entry)) }
        return output
    }
}

/// Why an array of a `.npz` file is not read.
package enum NPZError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The archive is damaged.
    case archive(ZIPError)
    /// A ZIP archive of something else.
    case noArrays
    /// There is no array of this name.
    case noSuchArray(String, names: [String])
    /// There are several arrays of images, or none.
    case severalArrays(names: [String])
    /// An array is compressed otherwise than NumPy does it.
    case unsupportedMethod(String, Int)
    /// An array's bytes are not what the archive's directory says.
    case damaged(String)
    /// An array itself is wrong.
    case array(String, NPYError)

    /// One line for a person.
    package var description: String {
        switch self {
        case .archive(let error): "\(error)"
        case .noArrays: "a ZIP archive without NumPy's arrays; a .npz file of numpy.savez has them: unpack it first"
        case .noSuchArray(let name, let names): "has no array \(quoted(name)); its arrays are \(Self.list(names))"
        case .severalArrays(let names):
            "has the arrays \(Self.list(names)): say which, such as images.npz/\(names.first ?? "arr_0")"
        case .unsupportedMethod(let name, let method):
            "array \(quoted(name)) is compressed with method \(method); save it with numpy.savez_compressed"
        case .damaged(let name): "array \(quoted(name)) is damaged; copy or download the file again"
        case .array(let name, let error): "array \(quoted(name)): \(error)"
        }
    }

    private static func list(_ names: [String]) -> String {
        names.prefix(8).map(quoted).joined(separator: ", ") + (names.count > 8 ? " and \(names.count - 8) more" : "")
    }
}
