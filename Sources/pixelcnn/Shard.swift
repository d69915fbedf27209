// A shard is a part of the images of a seed in a file or folder of its own, named by the index of its first image:
// whoever draws it, in whatever part of a job, draws the same bytes under the same name. It is written as its images
// come, and appears when all of them have.

import Foundation
import ImageFormats
import PixelCNNAPI
import Support

struct Shard: Equatable {
    /// A file of an array, or a folder of pictures.
    enum Format: String {
        case npy, png
    }

    let folder: String
    let format: Format
    let label: Int?
    let firstIndex: UInt64
    let count: Int

    /// Numbers of as many digits sort as text does, up to a trillion images.
    private static func name(_ index: UInt64) -> String {
        let digits = "\(index)"
        return String(repeating: "0", count: max(0, 12 - digits.count)) + digits
    }

    /// Its path in the folder of all.
    var name: String { String(path.dropFirst(folder.count + 1)) }

    /// Whether a text could be such a path.
    static func isName(_ text: String) -> Bool {
        text.wholeMatch(of: /(label-[0-9]+\/)?samples-[0-9]{12,20}(\.npy)?/) != nil
    }

    /// The index that a name in the folder of a class says; nil where it is no shard's.
    static func index(ofName name: String, format: Format) -> UInt64? {
        let pattern = format == .npy ? /samples-([0-9]{12,20})\.npy/ : /samples-([0-9]{12,20})/
        guard let digits = name.wholeMatch(of: pattern)?.1, let index = UInt64(digits), digits == Self.name(index)
        else { return nil }
        return index
    }

    /// A shard of any job in a folder; nil where there is none.
    static func any(in folder: String) -> String? {
        func names(_ folder: String) -> [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
        }
        for name in names(folder) {
            if isName(name) { return name }
            guard name.hasPrefix("label-") else { continue }
            if let shard = names("\(folder)/\(name)").first(where: { isName("\(name)/\($0)") }) {
                return "\(name)/\(shard)"
            }
        }
        return nil
    }

    /// Where the shards of a class go.
    static func folder(_ folder: String, label: Int?) -> String { label.map { "\(folder)/label-\($0)" } ?? folder }

    /// The file, or the folder of PNG files.
    var path: String {
        "\(Self.folder(folder, label: label))/samples-\(Self.name(firstIndex))"
            + (format == .npy ? ".npy" : "")
    }

    /// The name of a PNG in the folder; `image` counts from the first of the shard.
    func name(ofImage image: Int) -> String { Self.name(firstIndex + UInt64(image)) + ".png" }

    /// Whether it is there, with all its images or more. It appears whole or not at all; but a job of fewer images may
    /// have left a shorter one.
    func isThere(_ shape: SampledImages.Shape) -> Bool {
        switch format {
        case .npy:
            guard let file = try? OpenFile(regular: path),
                let layout = try? NPYLayout(read: { range in try file.bytes(range) }),
                (try? layout.check(fileBytes: file.byteCount)) != nil
            else { return false }
            return layout.elementType == shape.elementType && layout.shape.count == 4 && layout.shape[0] >= count
                && Array(layout.shape[1...]) == [shape.channels, shape.height, shape.width]
        case .png:
            guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else { return false }
            return Set(names).isSuperset(of: (0..<count).map(name(ofImage:)))
        }
    }
}

extension Shard {
    /// Refuses what is neither a shard nor nothing.
    func checkKind() throws(Failure) {
        guard let kind = FileKind(path: path), kind != (format == .npy ? .file : .folder) else { return }
        throw Failure(
            .cannotCreate,
            "\(path) is \(kind.name), where a shard goes that is \(format == .npy ? "a file" : "a folder"); "
                + "remove it, or use another folder")
    }

    /// SHA-256 of a file; of a folder that of `sha256sum`'s list of its files.
    ///
    /// - Parameter name: the shard's path in the folder.
    /// - Throws: ``Failure`` (65, 66) where it cannot be read.
    static func digest(of name: String, in folder: String) throws(Failure) -> String {
        let path = "\(folder)/\(name)"
        if name.hasSuffix(".npy") { return try fileDigest(path) }
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            throw Failure(.noInput, "cannot read the folder \(path)")
        }
        var list = ShardList()
        for name in names.sorted() { list.add(name, try fileDigest("\(path)/\(name)")) }
        return list.digest
    }

    private static func fileDigest(_ path: String) throws(Failure) -> String {
        let file = try OpenFile(regular: path)
        var hash = SHA256()
        for start in stride(from: 0, to: file.byteCount, by: 1 << 20) {
            let bytes = try file.bytes(start..<start + 1 << 20)
            bytes.withUnsafeBytes { hash.update($0) }
        }
        return hash.hexadecimal()
    }
}

/// What `sha256sum` says of the files of a folder.
private struct ShardList {
    private var text = ""

    mutating func add(_ name: String, _ digest: String) { text += "\(digest)  \(name)\n" }

    var digest: String { Array(text.utf8).withUnsafeBytes { SHA256.hexadecimal(of: $0) } }
}

/// Writes one shard. Dropped before its last image, it leaves no trace.
final class ShardWriter {
    private let shard: Shard
    private let shape: SampledImages.Shape
    private let origin: SampledImages.Origin
    /// One of them.
    private var file: AtomicFile?
    private var folder: AtomicFolder?
    /// Images so far.
    private var count = 0
    /// Of the file's bytes so far; of a folder, its files so far.
    private var hash = SHA256()
    private var list = ShardList()

    /// Begins a shard. `origin` is what PNGs say of themselves.
    ///
    /// - Throws: ``Failure`` (73).
    init(_ shard: Shard, _ shape: SampledImages.Shape, _ origin: SampledImages.Origin) throws(Failure) {
        self.shard = shard
        self.shape = shape
        self.origin = origin
        do {
            switch shard.format {
            case .npy:
                file = try AtomicFile(path: shard.path)
                try write(SampledImages.npyHeader(count: shard.count, shape: shape))
            case .png: folder = try AtomicFolder(path: shard.path)
            }
        } catch {
            throw Self.failure(error)
        }
    }

    /// Adds whole images; the last one completes the shard.
    ///
    /// - Returns: the digest of the shard, once it is complete.
    /// - Throws: ``Failure``: 73, or 64 where a PNG cannot show such images.
    func write(_ values: [UInt16]) throws(Failure) -> String? {
        let images = values.count / shape.count
        do {
            switch shard.format {
            case .npy: try write(NPYArray.bytes(of: values, type: shape.elementType))
            case .png:
                for image in 0..<images {
                    let number = count + image
                    let (name, png) = (shard.name(ofImage: number), try png(values, image, number))
                    list.add(name, png.withUnsafeBytes { SHA256.hexadecimal(of: $0) })
                    try folder?.write(png, to: name)
                }
            }
            count += images
            guard count == shard.count else { return nil }
            try file.take()?.commit()
            try folder.take()?.commit()
            return shard.format == .npy ? hash.hexadecimal() : list.digest
        } catch {
            throw Self.failure(error)
        }
    }

    private func write(_ bytes: [UInt8]) throws {
        bytes.withUnsafeBytes { hash.update($0) }
        try file?.write(bytes)
    }

    /// An image alone, as the daemon would draw it alone.
    private func png(_ values: [UInt16], _ image: Int, _ number: Int) throws -> [UInt8] {
        var origin = self.origin
        origin.firstIndex = shard.firstIndex + UInt64(number)
        let size = shape.count
        let picture = SampledImages(values: Array(values[image * size..<(image + 1) * size]), shape: shape)
        return try picture.png(origin: origin)
    }

    private static func failure(_ error: any Error) -> Failure {
        Failure(error is GridError ? .usage : .cannotCreate, "\(error)")
    }
}
