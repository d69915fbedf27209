// `pixelcnn-bench train`: the seconds of a training step in the published size, including Adam and packing, and its
// peak memory. Benchmarks/training.py compares it with PyTorch's step.

import ArgumentParser
import Foundation
import PixelCNNModel
import PixelCNNTraining
import Support

struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Time training steps of the published network.")

    @Option(help: "Images per step.")
    var images = 16

    @Option(help: "Threads.")
    var threads = MachineLimits.current.processors

    @Option(help: "Steps timed, after one that does not count; the median counts.")
    var runs = 5

    private struct Result: Encodable {
        let images, threads, runs: Int
        let seconds, imagesPerSecond: Double
        let peakBytes: Int
        let loss: Double
    }

    func run() throws {
        let trainer = try Trainer(model: .random(Hyperparameters(), seed: 0), threads: threads)
        var values = SystemRandomNumberGenerator()
        let batch = (0..<images * 3 * 32 * 32).map { _ in UInt16.random(in: 0...255, using: &values) }
        var loss = trainer.step(batch, OptimizerStep(rate: 3e-4)).loss
        let timing = Timing.median(runs: runs, limit: .seconds(120)) {
            seconds { loss = trainer.step(batch, OptimizerStep(rate: 3e-4)).loss }
        }
        let result = Result(
            images: images, threads: trainer.threads, runs: timing.runs, seconds: timing.seconds,
            imagesPerSecond: Double(images) / timing.seconds, peakBytes: peakBytes(), loss: loss)
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        print(String(decoding: try encoder.encode(result), as: UTF8.self))
    }
}
