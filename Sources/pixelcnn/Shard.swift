// A shard is a part of the images of a seed in a file or folder of its own, named by the index of its first image:
// whoever draws it, in whatever part of a job, draws the same bytes under the same name. It is written as its images
// come, and appears when all of them have.

import Foundation
import ImageFormats
import PixelCNNAPI
import Support

struct Shard: Equatable {
    let folder: String
    let format: SampleRequest.ImageFormat
    let label: Int?
    let firstIndex: UInt64
    let count: Int

    /// Numbers of as many digits sort as text does, up to a trillion images.
    private static func name(_ index: UInt64) -> String {
        let digits = "\(index)"
        return String(repeating: "0", count: max(0, 12 - digits.count)) + digits
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
            guard let file = try? OpenFile(path),
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
                try file?.write(SampledImages.npyHeader(count: shard.count, shape: shape))
            case .png: folder = try AtomicFolder(path: shard.path)
            }
        } catch {
            throw Self.failure(error)
        }
    }

    /// Adds whole images; the last one completes the shard.
    ///
    /// - Throws: ``Failure``: 73, or 64 where a PNG cannot show such images.
    func write(_ values: [UInt16]) throws(Failure) {
        let images = values.count / shape.count
        do {
            switch shard.format {
            case .npy: try file?.write(NPYArray.bytes(of: values, type: shape.elementType))
            case .png:
                for image in 0..<images {
                    let number = count + image
                    try folder?.write(png(values, image, number), to: shard.name(ofImage: number))
                }
            }
            count += images
            guard count == shard.count else { return }
            try file.take()?.commit()
            try folder.take()?.commit()
        } catch {
            throw Self.failure(error)
        }
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
