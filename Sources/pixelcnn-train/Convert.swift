// `pixelcnn-train convert`: any form of model file to safetensors, the form that starts fastest and executes nothing in
// anyone's hands.

import ArgumentParser
import PixelCNNModel

struct Convert: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a model as safetensors.",
        discussion: """
            The output has float32 parameters, the masks that PyTorch's strict load_state_dict needs, and the \
            network's size in its metadata. An existing output is replaced, at once and as a whole.

            Examples:
              pixelcnn-train convert pixelcnn.pt pixelcnn.safetensors
              pixelcnn-train convert state.pt pixelcnn.safetensors --height 64 --width 64
              pixelcnn-train convert checkpoint.pt average.safetensors --weights ema
            """)

    @Argument(help: "Model file to read.", completion: .file(extensions: ["pt", "pth", "safetensors"]))
    var input: String

    @Argument(help: "File to write; its name ends in .safetensors.", completion: .file(extensions: ["safetensors"]))
    var output: String

    @OptionGroup var weights: WeightsOptions

    @OptionGroup var size: ImageSizeOptions

    mutating func validate() throws {
        guard output.hasSuffix(".safetensors") else {
            throw ValidationError(
                "the output is \(output); its name must end in .safetensors, the form that is written")
        }
    }

    func run() throws {
        try Console.reporting {
            let model = try weights.load(input, height: size.height, width: size.width)
            try model.writeSafetensors(to: output)
            let written = try Model.load(path: output)
            let network = written.hyperparameters
            print(
                "\(output): \(Console.grouped(written.description.parameterCount)) parameters, images "
                    + "\(network.channels) × \(network.height) × \(network.width), "
                    + "\(Console.grouped(written.source.byteCount)) bytes, "
                    + "sha256 \(written.source.sha256)")
        }
    }
}
