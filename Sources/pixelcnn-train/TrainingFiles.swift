// The files of a run, named after its output: pixelcnn.pt has pixelcnn.checkpoint.safetensors, pixelcnn.log.jsonl and
// pixelcnn.samples.png beside it; the plot is called loss.png, as the original's is.

import Foundation
import PixelCNNModel
import PixelCNNTraining
import Support

struct TrainingFiles {
    let output: String
    var checkpoint: String { stem + ".checkpoint.safetensors" }
    var log: String { stem + ".log.jsonl" }
    var samples: String { stem + ".samples.png" }
    var plot: String { folder + "loss.png" }

    /// The output's name without its folder.
    var name: String { String(output.dropFirst(folder.count)) }

    private var stem: String { String(output[..<(output.lastIndex(of: ".") ?? output.endIndex)]) }
    private var folder: String { output.lastIndex(of: "/").map { String(output[...$0]) } ?? "" }

    /// Finds out before hours of work whether the model can be written.
    func checkWritable() throws(ModelFileError) {
        do throws(AtomicFileError) {
            _ = try AtomicFile(path: output)  // dropped uncommitted: leaves no trace
        } catch {
            throw ModelFileError(file: output, .cannotWrite(reason: error.reason))
        }
    }

    /// Writes a file whole or not at all.
    static func write(_ bytes: [UInt8], to path: String) throws(ModelFileError) {
        do throws(AtomicFileError) {
            try AtomicFile.write(bytes, to: path)
        } catch {
            throw ModelFileError(file: path, .cannotWrite(reason: error.reason))
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
