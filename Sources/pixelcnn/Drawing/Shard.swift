// A part of the images of a seed in a file or folder of its own, named by the index of its first image: whoever draws
// it, in whatever part of a job, draws the same bytes under the same name.

import Foundation
import ImageFormats
import PixelCNNAPI

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
