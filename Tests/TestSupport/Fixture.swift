// A model file and what PyTorch computes for it; Tests/Fixtures/make_fixtures.py says how each was made.

import Foundation
import ImageFormats
import PixelCNNModel

/// One of the models of `Tests/Fixtures`, with images and PyTorch's logits and log-probabilities for them.
package struct Fixture: Sendable, CustomStringConvertible {
    /// The name in `make_fixtures.py`.
    package let name: String
    /// The loaded model.
    package let model: Model
    /// Values 0 … d − 1 of each image, (C, H, W).
    package let images: [[UInt16]]
    /// The class of each image; nil where the model is unconditional.
    package let labels: [Int?]
    /// PyTorch's logits for each image, (d, C, H, W).
    package let logits: [[Float]]
    /// PyTorch's log-probabilities for each image in nats, (C, H, W).
    package let logProbabilities: [[Float]]
    /// Rows of the images.
    package let height: Int
    /// Columns of the images.
    package let width: Int

    /// The folder of committed fixtures.
    package static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures")

    /// The committed fixtures: each with the file that holds its model.
    package static let committed = [
        "tiny": "tiny.pt", "wide-kernel": "wide-kernel-state.pt", "gray": "gray.safetensors",
        "conditional": "conditional.pt",
    ]

    /// Those of the other published networks, in `published`; Tests/Fixtures/make_published.py made them.
    package static let published = [
        "vqvae-prior": "vqvae-prior.pt", "anordertoreclaim": "anordertoreclaim.pth",
        "pytorch-generative": "pytorch-generative.ckpt",
        "pytorch-generative-colour": "pytorch-generative-colour.pt", "uva-tutorial": "uva-tutorial.ckpt",
        "uva-tutorial-colour": "uva-tutorial-colour.pt", "pixel_models": "pixel_models.pt",
        "pixel_models-uneven": "pixel_models-uneven.pt", "pixel_models-plain": "pixel_models-plain.pt",
    ]

    /// Names of all committed fixtures.
    package static let all = committed.keys.sorted() + published.keys.sorted()

    /// Loads a committed fixture.
    package init(_ name: String) throws {
        if let file = Fixture.published[name] {
            try self.init(name, file: file, folder: Fixture.folder.appending(path: "published"))
        } else {
            try self.init(name, file: Fixture.committed[name] ?? name, folder: Fixture.folder)
        }
    }

    /// Loads `folder/file` and the values expected of `name`.
    package init(_ name: String, file: String, folder: URL) throws {
        self.name = name
        let images = try Fixture.array("\(name)-images.npy", in: folder)
        (height, width) = (images.shape[2], images.shape[3])
        model = try Model.load(path: folder.appending(path: file).path, height: height, width: width)
        self.images = try Fixture.split(images.integers(as: UInt16.self, in: 0...65535), images.shape[0])
        labels =
            model.hyperparameters.isConditional
            ? try Fixture.array("\(name)-labels.npy", in: folder).integers(as: Int.self, in: 0...255)
            : Array(repeating: nil, count: images.shape[0])
        logits = Fixture.split(try Fixture.array("\(name)-logits.npy", in: folder).floats(), images.shape[0])
        logProbabilities = Fixture.split(
            try Fixture.array("\(name)-log-prob.npy", in: folder).floats(), images.shape[0])
    }

    /// The name alone.
    package var description: String { name }

    private static func array(_ name: String, in folder: URL) throws -> NPYArray {
        try NPYArray(parsing: Array(Data(contentsOf: folder.appending(path: name))))
    }

    private static func split<T>(_ values: [T], _ count: Int) -> [[T]] {
        let size = values.count / count
        return (0..<count).map { Array(values[$0 * size..<($0 + 1) * size]) }
    }
}

/// The largest absolute difference of two lists of equal length.
package func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
    precondition(a.count == b.count)
    return zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) }
}

/// The exactness contract's bound on logits: 1e-4 × max(1, σ of the logits).
package func logitTolerance(_ logits: [Float]) -> Float {
    let mean = logits.reduce(0.0) { $0 + Double($1) } / Double(logits.count)
    let variance = logits.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(logits.count)
    return 1e-4 * Float(max(1, variance.squareRoot()))
}
