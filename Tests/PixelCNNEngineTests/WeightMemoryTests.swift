// Packing drops masked weights and pads to whole vectors: together about the size of the parameters, never much more.

import PixelCNNKernels
import PixelCNNModel
import Testing

@testable import PixelCNNEngine

@Suite struct WeightMemoryTests {
    @Test func packedWeightsOfThePublishedNetworkTakeAtMostAFifthMoreThanTheParameters() throws {
        let hyperparameters = try Hyperparameters()
        let model = Model.random(hyperparameters, seed: 1)
        let parameterBytes = hyperparameters.parameterCount * MemoryLayout<Float>.size
        for kernels in Kernels.available {
            for precision in Precision.allCases {
                let storage = ConstantStorage()
                let packed = withExtendedLifetime(storage) {
                    PackedWeights(
                        model, shape: NetworkShape(model.description), kernels: kernels, precision: precision,
                        storage: storage
                    ).byteCount
                }
                print("\(kernels.name), \(precision): \(packed) bytes packed for \(parameterBytes) of parameters")
                #expect(packed > parameterBytes / 2 && packed * 5 <= parameterBytes * 6)
            }
        }
    }
}
