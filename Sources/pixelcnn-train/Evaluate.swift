// `pixelcnn-train evaluate`: how well a model predicts images, in bits and nats per value, with the standard error that
// the number of images leaves.

import ArgumentParser
import Foundation
import PixelCNNModel
import PixelCNNTraining

struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Score images: bits and nats per value, for each colour channel, with standard errors.",
        discussion: """
            If a data set has test images, only those are scored. A model that is conditional on classes scores each \
            image as one of its class, and one line per class is printed.

            Examples:
              pixelcnn-train evaluate pixelcnn.pt datasets/cifar-10-batches-bin
              pixelcnn-train evaluate pixelcnn.safetensors images.npy
              pixelcnn-train evaluate pixelcnn.safetensors face.png
            """)

    @Argument(help: "Model file.", completion: .file(extensions: ["pt", "pth", "safetensors"]))
    var model: String

    @Argument(
        help: """
            Images: an array (.npy, .npz), an IDX file, a picture, or a folder of CIFAR-10's or MNIST's files or of \
            pictures.
            """,
        completion: .file())
    var data: String

    @Flag(help: "Score the training images of a data set that has test images, too.")
    var train = false

    @Option(
        parsing: .unconditional,
        help: "Resize all images to this size, such as 32 or 24x32 (rows x columns), as train does.")
    var size: ImageSize?

    @OptionGroup var pictures: PictureOptions

    @OptionGroup var weights: WeightsOptions

    @OptionGroup var labels: LabelOptions

    @OptionGroup var threads: ThreadOptions

    func run() throws {
        try Console.reporting {
            try threads.check()
            var sets = try ImageSet.read(data, size: size, background: pictures.background)
            var images = train ? sets.train : sets.test ?? sets.train
            let loaded = try weights.load(model, height: images.height, width: images.width)
            try loaded.checkIsTrainedHere("serve it and use pixelcnn score for log-probabilities")
            let size = loaded.hyperparameters
            if size.channels == 3 { images = images.inColor() }
            guard size.channels == images.channels else {
                throw TrainingError.otherImages(
                    found: images.shape, expected: "images of \(size.channels) channels")
            }
            guard self.size == nil || size.colors <= 256 else { throw DataError(data, .codesNotResizable) }
            if size.labels == 1, labels.labels == nil {
                try images.labelAsOneClass()
            } else if size.isConditional {
                try ImageSet.readLabels(of: data, labels.files, into: &sets)
                images.labels = (train ? sets.train : sets.test ?? sets.train).labels
                try images.number(as: loaded)
            }
            Console.warnOfLeftOut(images)
            let areCodes = size.network == .vqvaePrior
            if !areCodes { Console.warnOfValues(images, colors: size.colors, in: data) }
            let evaluator = Evaluator(model: loaded, threads: threads.count)
            show(
                try evaluator.evaluate(images.quantised(to: size.colors, areCodes: areCodes, data)), of: images,
                classes: loaded.labelNames)
        }
    }

    private func show(_ evaluation: Evaluation, of images: ImageSet, classes: [String]) {
        let width = ([10] + classes.map(\.count)).max() ?? 10
        func line(_ name: String, _ mean: Evaluation.Mean) -> String {
            let name = name.padding(toLength: width, withPad: " ", startingAt: 0)
            // One image has none.
            func error(_ value: Double) -> String { value.isFinite ? String(format: "%.4f", value) : "?" }
            return String(
                format: "%@  %.4f ± %@ bits/dim   %.4f ± %@ nats", name, bits(mean.nats),
                error(bits(mean.standardError)), mean.nats, error(mean.standardError))
        }
        print(
            "images".padding(toLength: width + 2, withPad: " ", startingAt: 0)
                + "\(Console.grouped(evaluation.images)) of \(images.shape)")
        print(line("mean", evaluation.mean))
        let names = images.channels == 3 ? ["red", "green", "blue"] : ["gray"]
        for (name, mean) in zip(names, evaluation.channels) where images.channels > 1 { print(line(name, mean)) }
        for (label, count, mean) in evaluation.classes {
            let name = classes.isEmpty ? "class \(label)" : classes[label]
            print(line(name, mean) + "   \(Console.grouped(count)) images")
        }
    }
}
