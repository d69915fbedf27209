// What the model has learnt, to look at: a few images that the engine draws at the end of every epoch, in one session.
// The seed stays, so the grids of two epochs differ by what was learnt between them. Costs what the daemon would take
// for as many images on one thread, and packs the weights once more.

import ImageFormats
import PixelCNNEngine
import PixelCNNModel

struct SampleGrid {
    /// Images; 0: no grid.
    let count: Int
    let seed: UInt64

    /// A grid of images as a PNG file; nil for none, or where `isCancelled`, asked between steps, says so.
    func png(of model: Model, isCancelled: () -> Bool) throws -> [UInt8]? {
        let size = model.hyperparameters
        guard count > 0 else { return nil }
        let session = SamplingSession(engine: Engine(model: model), capacity: count)
        for (tag, task) in tasks(size).enumerated() { session.add(task, tag: tag) }
        var images = [[UInt16]](repeating: [], count: count)
        while session.count > 0 {
            if isCancelled() { return nil }
            session.step { tag, result in
                if case .values(let values) = result { images[tag] = values }
            }
        }
        let picture = try Grid.picture(
            values: images.flatMap(\.self), count: count, channels: size.channels, height: size.height,
            width: size.width, colors: size.colors, columns: size.isConditional ? size.labels : nil)
        return try PNG.encode(
            picture, text: [(key: "PixelCNN-Seed", value: "\(seed)"), (key: "Software", value: "pixelcnn-train")])
    }

    /// One image each; where there are classes, one after the other, so that a column of the grid is a class.
    private func tasks(_ size: Hyperparameters) -> [ImageTask] {
        (0..<count).map { index in
            ImageTask(
                height: size.height, width: size.width, label: size.isConditional ? index % size.labels : nil,
                source: .sample(seed: seed, index: UInt64(index), parameters: SamplingParameters()))
        }
    }
}
