// Five training steps of PyTorch's; Tests/Fixtures/make_training.py says how they were made.

import Foundation
import ImageFormats
import PixelCNNModel
import TestSupport

/// A model before and after PyTorch's steps, and what PyTorch found on the way.
struct TrainingFixture {
    let start, gradient, end: Model
    let batches: [[UInt16]]
    let labels: [[Int]]  // of each batch's images; empty where the model is unconditional
    let losses: [Double]
    let norms: [Double]

    /// Learning rate of the steps; the gradient's norm is clipped at 1.
    static let rate = 3e-4

    init(_ name: String, in folder: URL = Fixture.folder) throws {
        func model(_ kind: String) throws -> Model {
            try Model.load(path: folder.appending(path: "\(name)-\(kind).safetensors").path)
        }
        func array(_ kind: String) throws -> NPYArray {
            try NPYArray(parsing: Array(Data(contentsOf: folder.appending(path: "\(name)-\(kind).npy"))))
        }
        (start, gradient, end) = (try model("start"), try model("gradient"), try model("end"))
        let (batches, losses) = (try array("batches"), try array("losses").floats())
        let (values, count) = (try batches.integers(as: UInt16.self, in: 0...65535), batches.shape[0])
        self.batches = (0..<count).map { step in
            Array(values[step * values.count / count..<(step + 1) * values.count / count])
        }
        let classes = start.hyperparameters.isConditional ? try array("labels").integers() : []
        labels = (0..<count).map { step in
            Array(classes[step * classes.count / count..<(step + 1) * classes.count / count])
        }
        self.losses = (0..<count).map { Double(losses[2 * $0]) }
        norms = (0..<count).map { Double(losses[2 * $0 + 1]) }
    }
}
