// `pixelcnn-bench time`: a few cases, one line of JSON for each, for work on the engine.

import ArgumentParser
import Foundation
import PixelCNNEngine
import PixelCNNKernels
import PixelCNNModel

struct Time: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Time chosen cases.",
        discussion: """
            Prints one line of JSON per case: images at once, threads, the median seconds of a run, images per second.

            Examples:
              pixelcnn-bench time
              pixelcnn-bench time --images 1,64 --threads 1,2 --runs 5
              pixelcnn-bench time --images 1 --phases --positions
              PIXELCNN_ISA=avx2 pixelcnn-bench time --precision i16
            """)

    @Option(help: "Images drawn at once, separated by commas.") var images = "1,4,16,64"
    @Option(help: "Threads, separated by commas.") var threads = "1,2"
    @Option(help: "Runs of each case; the median counts.") var runs = 3
    @Option(help: "A model file instead of random weights of the published size.") var model: String?
    @Option(help: "Rows and columns of the images.") var size = 32
    @Option(help: "The arithmetic: f32 or i16.") var precision = Precision.f32
    @Flag(help: "Score images instead of drawing them.") var score = false
    @Flag(help: "Also the phases of a step, of 1 and of 64 images.") var phases = false
    @Flag(help: "Also 64 images at different positions against 64 in step.") var positions = false

    func validate() throws {
        guard runs > 0, size > 0, numbers(images) != nil, numbers(threads) != nil else {
            throw ValidationError("--images, --threads, --runs and --size take numbers above 0")
        }
    }

    func run() throws {
        let loaded =
            try model.map { try Model.load(path: $0, height: size, width: size) }
            ?? Model.random(try Hyperparameters(), seed: 1)
        let kernels = try Kernels.named(ProcessInfo.processInfo.environment["PIXELCNN_ISA"])
        let engine = Engine(model: loaded, kernels: kernels, precision: precision)
        for threads in numbers(threads) ?? [] {
            for images in numbers(images) ?? [] {
                let run = SampleRun(engine: engine, size: size, isScore: score, images: images, threads: threads)
                if run.usesAllThreads { try printLine(run.measured(runs: runs, limit: .seconds(3600))) }
            }
        }
        if phases { for result in measurePhases(engine) { try printLine(result) } }
        if positions {
            let cores = numbers(threads)?.max() ?? 1
            for result in measurePositions(engine, Plan(quick: true), cores: cores) { try printLine(result) }
        }
    }

    private func printLine(_ result: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        print(String(decoding: try encoder.encode(result), as: UTF8.self))
        fflush(nil)
    }

    private func numbers(_ list: String) -> [Int]? {
        let numbers = list.split(separator: ",").compactMap { Int($0) }.filter { $0 > 0 }
        return numbers.isEmpty ? nil : numbers
    }
}

extension Precision: ExpressibleByArgument {}
