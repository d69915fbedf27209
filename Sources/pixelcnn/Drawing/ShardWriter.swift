// Writes one shard as its images come; it appears when all of them have. Dropped before, it leaves no trace.

import AtomicFiles
import ImageFormats
import PixelCNNAPI

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
        (self.shard, self.shape, self.origin) = (shard, shape, origin)
        do {
            switch shard.format {
            case .npy:
                self.file = try AtomicFile(path: shard.path)
                try self.file?.write(SampledImages.npyHeader(count: shard.count, shape: shape))
            case .png: self.folder = try AtomicFolder(path: shard.path)
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
