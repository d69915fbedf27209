// Runs of a session that many tests need.

import PixelCNNModel

@testable import PixelCNNEngine

extension GivenPixels {
    /// The first rows of an image, (C, H, W), as what is given; nil for none.
    static func rows(_ rows: Int, of image: [UInt16], height: Int, width: Int) -> GivenPixels? {
        rows == 0 ? nil : GivenPixels(height: height, width: width, values: image, kept: .rows(rows))
    }
}

extension Engine {
    /// Results of tasks computed in one session, in order.
    func run(_ tasks: [ImageTask]) -> [ImageResult] {
        let session = SamplingSession(engine: self, capacity: tasks.count)
        for (tag, task) in tasks.enumerated() { session.add(task, tag: tag) }
        var results: [Int: ImageResult] = [:]
        while session.count > 0 { session.step { results[$0] = $1 } }
        return tasks.indices.compactMap { results[$0] }
    }

    /// Images first ..< first + count of `seed` at the model's own size, drawn in one session.
    func sample(
        _ count: Int, seed: UInt64, first: UInt64 = 0, label: Int? = nil,
        parameters: SamplingParameters = SamplingParameters()
    ) -> [[UInt16]] {
        let tasks = (0..<count).map { i in
            ImageTask(
                height: hyperparameters.height, width: hyperparameters.width, label: label,
                source: .sample(seed: seed, index: first + UInt64(i), parameters: parameters))
        }
        return run(tasks).map { result in
            guard case .values(let values) = result else { return [] }
            return values
        }
    }
}
