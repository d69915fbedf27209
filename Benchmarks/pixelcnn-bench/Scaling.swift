// How time grows with the image and the network: one size changes at a time, the others are the published ones.

import PixelCNNEngine
import PixelCNNModel

/// One network and image size.
struct ScalingResult: Encodable {
    let varied: String
    let size: Int
    let filters: Int
    let blocks: Int
    let flopPerImage: Double
    let oneImage: SampleRunResult
    let manyImages: SampleRunResult
}

func measureScaling(_ plan: Plan, cores: Int) throws -> [ScalingResult] {
    func measure(_ varied: String, size: Int = 32, filters: Int = 120, blocks: Int = 15) throws -> ScalingResult {
        report("\(size) x \(size), \(filters) filters, \(blocks) blocks")
        let network = try Hyperparameters(height: size, width: size, blocks: blocks, filters: filters)
        let engine = Engine(model: Model.random(network, seed: 1))
        func time(_ images: Int, _ threads: Int) -> SampleRunResult {
            SampleRunResult(
                images, threads,
                .median(runs: 3, limit: plan.limit / 2) { draw(engine, images: images, threads: threads, size: size) })
        }
        return ScalingResult(
            varied: varied, size: size, filters: filters, blocks: blocks, flopPerImage: network.flopPerImage,
            oneImage: time(1, 1), manyImages: time(plan.scalingImages, cores))
    }
    return try plan.sizes.map { try measure("size", size: $0) }
        + plan.filters.map { try measure("filters", filters: $0) }
        + plan.blocks.map { try measure("blocks", blocks: $0) }
}
