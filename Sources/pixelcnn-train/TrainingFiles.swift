// The files of a run, named after its output: pixelcnn.pt has pixelcnn.checkpoint.safetensors and pixelcnn.log.jsonl beside
// it.

import AtomicFiles
import Foundation
import PixelCNNModel
import PixelCNNTraining

struct TrainingFiles {
    let output: String
    var checkpoint: String { stem + ".checkpoint.safetensors" }
    var log: String { stem + ".log.jsonl" }

    private var stem: String { String(output[..<(output.lastIndex(of: ".") ?? output.endIndex)]) }

    /// Finds out before hours of work whether the model can be written.
    func checkWritable() throws(ModelFileError) {
        do throws(AtomicFileError) {
            _ = try AtomicFile(path: output)  // dropped uncommitted: leaves no trace
        } catch {
            throw ModelFileError(file: output, .cannotWrite(reason: String(cString: strerror(error.errno))))
        }
    }

    /// Writes the model in the form that the output's ending asks for.
    func write(_ model: Model) throws(ModelFileError) {
        if output.hasSuffix(".safetensors") {
            try model.writeSafetensors(to: output)
        } else {
            try model.writePyTorch(to: output)
        }
    }
}
