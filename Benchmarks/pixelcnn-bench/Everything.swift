// `pixelcnn-bench everything`: all measurements of docs/PERFORMANCE.md which need no PyTorch, as one JSON document.
// Memory comes first, while the process has allocated only the model.

import ArgumentParser
import Foundation
import PixelCNNEngine
import PixelCNNKernels
import PixelCNNModel
import Support

struct Everything: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Measure everything; prints one JSON document.")

    @Flag(help: "Take one minute instead of several: fewer cases, most with one run.") var quick = false

    func run() throws {
        let published = try Hyperparameters()
        let model = Model.random(published, seed: 1)
        let engine = Engine(model: model)  // f32
        let plan = Plan(quick: quick)
        let cores = MachineLimits.current.processors

        let memory = measureMemory(engine)
        let machine = measureMachine(threads: cores)
        let drawing = measureSampleRuns(
            Precision.allCases.map { Engine(model: model, precision: $0) }, plan, cores: cores)
        let positions = measurePositions(engine, plan, cores: cores)
        let phases = measurePhases(engine)
        let scaling = try measureScaling(plan, cores: cores)

        let document = Document(
            instructionSet: engine.instructionSet, multiplyAddsAPixel: published.multiplyAddsAPixel,
            flopPerImage: published.flopPerImage, quick: quick, memory: memory, machine: machine, drawing: drawing,
            positions: positions, phases: phases, scaling: scaling)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        print(String(decoding: try encoder.encode(document), as: UTF8.self))
    }
}

/// How much is measured.
struct Plan {
    let images: [Int]
    let runs: Int
    /// A case is run again only while it has taken less than this.
    let limit: Duration
    let sizes: [Int]
    let filters: [Int]
    let blocks: [Int]
    let scalingImages: Int

    init(quick: Bool) {
        images = quick ? [1, 8, 64] : [1, 2, 4, 8, 16, 32, 64, 128, 256]
        runs = quick ? 3 : 7
        limit = quick ? .milliseconds(500) : .seconds(8)
        sizes = quick ? [16, 32] : [16, 32, 64, 128]
        filters = quick ? [60, 120] : [60, 120, 180]
        blocks = quick ? [5, 15] : [5, 15, 30]
        scalingImages = quick ? 8 : 64
    }
}

/// What is printed. Seconds are medians.
struct Document: Encodable {
    let instructionSet: String
    let multiplyAddsAPixel: Int
    let flopPerImage: Double
    let quick: Bool
    let memory: MemoryResult
    let machine: [MachineResult]
    let drawing: [SampleRunResult]
    let positions: [PositionsResult]
    let phases: [PhasesResult]
    let scaling: [ScalingResult]
}
