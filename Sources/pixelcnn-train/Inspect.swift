// `pixelcnn-train inspect`: what a model file holds; for a file that does not load, what it holds and why not.

import ArgumentParser
import PixelCNNModel
import Support

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what a model file holds.",
        discussion: """
            Prints the network's size, the file's form and hash, and every tensor. If a file is not a gated PixelCNN, \
            its tensors are printed, then the reason, and the exit code is 65.

            Examples:
              pixelcnn-train inspect pixelcnn.pt
              pixelcnn-train inspect checkpoint.pt --height 64 --width 64
            """)

    @Argument(help: "Model file.", completion: .file(extensions: ["pt", "pth", "safetensors"]))
    var file: String

    @OptionGroup var weights: WeightsOptions

    @OptionGroup var size: ImageSizeOptions

    func run() throws {
        try Console.reporting {
            let contents = try ModelContents.read(path: file, weights: weights.weights)
            do throws(ModelFileError) {
                printModel(try Model(contents, height: size.height, width: size.width))
                printTensors(contents)
            } catch {
                printFile(contents.path, contents.format, contents.byteCount, contents.sha256())
                printTensors(contents)
                throw error
            }
        }
    }

    private func printModel(_ model: Model) {
        let source = model.source
        let network = model.hyperparameters
        printFile(source.path, source.format, source.byteCount, source.sha256)
        print(
            "image       \(network.channels) × \(network.height) × \(network.width), "
                + "\(network.colors) values per channel"
        )
        print(
            "network     " + (network.network == .original ? "" : "\(network.network.title): ")
                + "\(network.blocks) blocks, \(network.filters) filters, kernel \(network.kernelSize), "
                + "hidden \(network.hidden)")
        if network.isConditional {
            let names =
                model.labelNames.isEmpty
                ? "without names" : model.labelNames.enumerated().map { "\($0) \($1)" }.joined(separator: ", ")
            print("classes     \(network.labels): \(names)")
        }
        print("parameters  \(Console.grouped(model.description.parameterCount))")
        for warning in source.warnings { print("warning     \(warning.advised)") }
    }

    private func printFile(_ path: String, _ format: ModelFormat, _ byteCount: Int, _ sha256: String) {
        print("file        \(path)")
        print("format      \(format.rawValue), \(Console.grouped(byteCount)) bytes")
        print("sha256      \(sha256)")
    }

    private func printTensors(_ contents: ModelContents) {
        func shown(_ name: String) -> String { name.printable.shortened(to: 100) }
        let names = contents.tensors.map { shown($0.name) }
        let width = (names.map(\.count) + contents.unread.map { shown($0.name).count }).max() ?? 0
        print("tensors     \(contents.tensors.count + contents.unread.count)")
        for (name, tensor) in zip(names, contents.tensors) {
            let type = tensor.elementType.rawValue
            let shape = tensor.shape.map(String.init).joined(separator: " × ")
            print(
                "  \(name)\(String(repeating: " ", count: width - name.count))  "
                    + "\(type)\(String(repeating: " ", count: 4 - type.count))  \(shape.isEmpty ? "scalar" : shape)")
        }
        for tensor in contents.unread {
            let name = shown(tensor.name)
            print("  \(name)\(String(repeating: " ", count: width - name.count))  not read: \(shown(tensor.type))")
        }
    }
}
