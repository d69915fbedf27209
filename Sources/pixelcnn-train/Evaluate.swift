// `pixelcnn-train evaluate`: how well a model predicts images, in bits and nats per value, with the standard error that
// the number of images leaves.

import ArgumentParser
import Foundation
import PixelCNNModel
import PixelCNNTraining

struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Score images: bits and nats per value, nats per image, for each colour, with standard errors.",
        discussion: """
            If a data set has test images, only those are scored. A model that is conditional on classes scores each \
            image as one of its class, and one line per class is printed.

            Examples:
              pixelcnn-train evaluate pixelcnn.pt datasets/cifar-10-batches-bin
              pixelcnn-train evaluate pixelcnn.safetensors images.npy
              pixelcnn-train evaluate pixelcnn.safetensors photos/ --size 32
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

    @Flag(help: "Take levels as probabilities of white, for a model of 2 values: each pixel is drawn once, by --seed.")
    var binarize = false

    @Option(
        parsing: .unconditional, help: "With --binarize: the seed; the same one gives the same pixels (default: 0).")
    var seed: UInt64?

    @OptionGroup var pictures: PictureOptions

    @OptionGroup var weights: WeightsOptions

    @OptionGroup var labels: LabelOptions

    @OptionGroup var threads: ThreadOptions

    mutating func validate() throws {
        guard binarize || seed == nil else {
            throw ValidationError("--seed goes with --binarize: nothing else here is random")
        }
    }

    func run() throws {
        try Console.reporting {
            try threads.check()
            var sets = try ImageSet.read(data, size: pictures.size, background: pictures.background)
            var images = train ? sets.train : sets.test ?? sets.train
            let loaded = try weights.load(model, height: images.height, width: images.width)
            try loaded.checkIsTrainedHere("serve it and use pixelcnn score for log-probabilities")
            let size = loaded.hyperparameters
            if size.channels == 3 { images = images.inColor() }
            guard size.channels == images.channels else {
                throw TrainingError.otherImages(
                    found: images.shape, expected: "images of \(size.channels) channels")
            }
            guard pictures.size == nil || size.colors <= 256 else { throw DataError(data, .codesNotResizable) }
            if size.labels == 1, labels.labels == nil {
                try images.labelAsOneClass()
            } else if size.isConditional {
                try ImageSet.readLabels(of: data, labels.files, into: &sets)
                images.labels = (train ? sets.train : sets.test ?? sets.train).labels
                try images.number(as: loaded)
            }
            Console.warnOfLeftOut(images)
            Console.warnOfValues(images, for: size, in: data)
            let evaluator = Evaluator(model: loaded, threads: threads.count)
            show(try evaluator.evaluate(values(images, size)), of: images, classes: loaded.labelNames)
        }
    }

    /// The images as the model reads them.
    private func values(_ images: ImageSet, _ size: Hyperparameters) throws -> ImageSet {
        guard binarize else { return try images.quantised(for: size, data) }
        try size.checkBinarizable(model)
        return try images.binarized(seed: seed ?? 0, data)
    }

    private func show(_ evaluation: Evaluation, of images: ImageSet, classes: [String]) {
        let width = ([10] + classes.map(\.count)).max() ?? 10
        func line(_ name: String, _ mean: Evaluation.Mean, _ values: Int) -> String {
            name.padding(toLength: width, withPad: " ", startingAt: 0)
                + "  \(measured(bits(mean.nats), bits(mean.standardError), decimals: 4)) bits/dim"
                + "   \(measured(mean.nats, mean.standardError, decimals: 4)) nats"
                + "   \(mean.perImage(values))"
        }
        print(
            "images".padding(toLength: width + 2, withPad: " ", startingAt: 0)
                + "\(Console.grouped(evaluation.images)) of \(images.shape)"
                + (binarize ? ", levels drawn as pixels by seed \(seed ?? 0)" : ""))
        print(line("mean", evaluation.mean, images.imageSize))
        let names = images.channels == 3 ? ["red", "green", "blue"] : ["gray"]
        for (name, mean) in zip(names, evaluation.channels) where images.channels > 1 {
            print(line(name, mean, images.height * images.width))
        }
        for (label, count, mean) in evaluation.classes {
            let name = classes.isEmpty ? "class \(label)" : classes[label]
            print(line(name, mean, images.imageSize) + "   \(Console.grouped(count)) images")
        }
    }
}
