// What `pixelcnn-train verify` rests on: the comparison sees a single wrong weight, wherever it lies, and is content
// with every model that is served.

import PixelCNNKernels
import PixelCNNModel
import PixelCNNReference
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite struct EngineComparisonTests {
    private static let models = (SmallModels.all + SmallModels.conditional).map(\.model)

    private func difference(_ model: Model, _ engine: Engine) throws -> EngineComparison.Difference {
        let size = model.hyperparameters
        return EngineComparison(model: model, engine: engine).difference(
            SmallModels.image(for: model, seed: 3), height: size.height, width: size.width,
            label: size.isConditional ? 1 : nil)
    }

    @Test(arguments: models.indices, Precision.allCases)
    func enginesAreWithinTheBound(_ index: Int, _ precision: Precision) throws {
        let model = Self.models[index]
        for kernels in Kernels.available {
            let engine = Engine(model: model, kernels: kernels, precision: precision)
            #expect(try difference(model, engine).isWithinBound, "\(kernels.name)")
        }
    }

    /// Each packed matrix of a block, and those before and after the blocks.
    private static let faults: [(name: String, matrix: @Sendable (PackedWeights) -> PackedMatrix)] = [
        ("in_conv", { $0.input.groups[1] }), ("v_conv", { $0.blocks[1].vertical.matrices[0] }),
        ("v1toh", { $0.blocks[1].link[0].matrix }), ("v2toh", { $0.blocks[1].link[5].matrix }),
        ("left taps", { $0.blocks[0].left[1].matrix }), ("centre taps", { $0.blocks[2].centre[0].matrix }),
        ("htoh", { $0.blocks[1].projection[2] }), ("out_conv.0", { $0.head.hidden[0].matrices[1] }),
        ("out_conv.2, first groups", { $0.head.logits.earlier[2] }), ("out_conv.2", { $0.head.logits.own[2] }),
    ]

    @Test(arguments: faults.indices)
    func aPackedWeightOfTheWrongSignIsBeyondTheBound(_ fault: Int) throws {
        let model = SmallModels.colour
        let engine = Engine(model: model)
        guard case .floats(let weights) = Self.faults[fault].matrix(engine.weights).weights else {
            Issue.record("no floats")
            return
        }
        #expect(try difference(model, engine).isWithinBound)
        // One of the engine's weights at a time; its memory was written when the model was packed. Some do nothing
        // here, behind a ReLU that is zero at every position.
        let memory = UnsafeMutablePointer(mutating: weights)
        let found = try (0..<6).map { i in
            memory[i].negate()
            defer { memory[i].negate() }
            return try difference(model, engine)
        }
        let beyond = found.filter { !$0.isWithinBound }
        #expect(!beyond.isEmpty, "\(Self.faults[fault].name): \(found)")
        #expect(beyond.allSatisfy { $0.largest > $0.bound && $0.largest.isFinite })
        #expect(try difference(model, engine).isWithinBound)
    }

    @Test func whatIsNotFiniteIsBeyondTheBound() {
        for value in [Float.nan, .infinity] {
            for (a, b) in [([1, value, 3], [1, 2, 3]), ([1, 2, 3], [1, value, 3]), ([value], [value])] {
                let difference = EngineComparison.Difference(a as [Float], expected: b as [Float])
                #expect(!difference.isWithinBound && difference.largest.isNaN)
            }
        }
        let exact = EngineComparison.Difference([1, 2, 30], expected: [1, 2.5, 3])
        #expect(exact.place == 2 && exact.largest == 27 && !exact.isWithinBound)
    }
}
