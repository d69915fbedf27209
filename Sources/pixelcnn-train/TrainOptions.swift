// The options of `train`, by what they are about. Names and defaults are the original's where it has them.

import ArgumentParser
import Foundation
import PixelCNNModel
import PixelCNNTraining

extension TrainingSettings.Schedule: ExpressibleByArgument {}

/// How to learn: ``TrainingSettings`` as options, with its defaults and limits.
struct LearningOptions: ParsableArguments {
    private static let defaults = TrainingSettings()

    @Option(parsing: .unconditional, help: "Seed of the initial weights, the order of images and mirroring.")
    var seed = defaults.seed

    @Option(parsing: .unconditional, help: "Learning rate of Adam.")
    var lr = defaults.rate

    @Option(parsing: .unconditional, help: "Passes over the training images.")
    var epochs = defaults.epochs

    @Option(parsing: .unconditional, help: "Images per step.")
    var batchSize = defaults.batchSize

    @Option(parsing: .unconditional, help: "Largest norm of a gradient.")
    var clipGrad = defaults.clip

    @Option(parsing: .unconditional, help: "Steps in which the learning rate rises from 0.")
    var warmup = defaults.warmup

    @Option(parsing: .unconditional, help: "Course of the learning rate: constant, or cosine, which falls to 2 %.")
    var schedule = defaults.schedule

    @Option(
        parsing: .unconditional,
        help: "Write a running average of the weights with this decay per step, such as 0.999.")
    var ema = defaults.averageDecay

    @Flag(help: "Mirror half of the images left to right.")
    var flip = false

    @Option(
        parsing: .unconditional,
        help: "How evenly classes are drawn, from 0 (as often as they occur, the default) to 1 (all equally often).")
    var balance = defaults.balance

    var settings: TrainingSettings {
        var settings = TrainingSettings()
        settings.seed = seed
        settings.rate = lr
        settings.epochs = epochs
        settings.batchSize = batchSize
        settings.clip = clipGrad
        settings.warmup = warmup
        settings.schedule = schedule
        settings.averageDecay = ema
        settings.flips = flip
        settings.balance = balance
        return settings
    }

    mutating func validate() throws {
        if let violation = settings.violation { throw ValidationError("--\(violation)") }
    }
}

/// What learns.
struct NetworkOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: "Gated blocks (default: 15).")
    var blocks: Int?

    @Option(parsing: .unconditional, help: "Feature channels, divisible by the image channels (default: 120).")
    var filters: Int?

    @Option(parsing: .unconditional, help: "Kernel size of the blocks, odd (default: 3).")
    var kernelSize: Int?

    @Option(
        name: .customLong("init"), help: "Start with this model's network and weights.",
        completion: .file(extensions: ["pt", "pth", "safetensors"]))
    var start: String?

    @OptionGroup var weights: WeightsOptions

    mutating func validate() throws {
        guard start != nil || weights.weights == nil else {
            throw ValidationError("--weights is for the model of --init")
        }
        guard start == nil || (blocks, filters, kernelSize) == (nil, nil, nil) else {
            throw ValidationError("--init brings its own network: leave out --blocks, --filters and --kernel-size")
        }
    }

    /// A network for images of this size, and conditional on their classes where it is to be: from a file, or with
    /// first weights.
    func model(for images: ImageSet, seed: UInt64, size colors: Int?, isConditional: Bool) throws -> Model {
        if let start {
            let model = try weights.load(start, height: images.height, width: images.width)
            try model.checkIsTrainedHere("train it with the code that made it")
            guard colors == nil || colors == model.hyperparameters.colors else {
                throw ValidationError("--colors is \(colors ?? 0); \(start) is for \(model.hyperparameters.colors)")
            }
            guard model.hyperparameters.isConditional == isConditional else {
                throw ValidationError(
                    isConditional
                        ? "--conditional: \(start) is not conditional on classes"
                        : "\(start) is conditional on classes: add --conditional")
            }
            return model
        }
        let hyperparameters = try Hyperparameters(
            channels: images.channels, height: images.height, width: images.width, colors: colors ?? 256,
            blocks: blocks ?? 15, filters: filters ?? 120, kernelSize: kernelSize ?? 3,
            labels: isConditional ? images.labels?.classes ?? 0 : 0)
        return try .initial(
            hyperparameters, seed: seed, labelNames: isConditional ? images.labels?.names ?? [] : [])
    }
}

/// What to learn from.
struct DataOptions: ParsableArguments {
    @Option(
        help:
            "Images: an array (.npy, .npz), an IDX file, or a folder of CIFAR-10's or MNIST's files or of pictures.",
        completion: .file())
    var data: String?

    @Option(
        help: "Images for the test loss, in any of the forms of --data, if the data has no test images of its own.",
        completion: .file())
    var testData: String?

    @Flag(help: "Train a conditional model, which samples and scores images of a given class.")
    var conditional = false

    @OptionGroup var labels: LabelOptions

    @Option(
        help: "Classes of the images of --test-data, as --labels is for --data.", completion: .file(extensions: ["npy"])
    )
    var testLabels: String?

    @Option(
        parsing: .unconditional,
        help: """
            Values per channel, to which levels 0 to 255 are quantised (default: 256). With more than 256 the data are \
            values themselves, such as the codes of a VQ-VAE.
            """)
    var colors: Int?

    @Option(
        parsing: .unconditional,
        help: "Resize all images to this size, such as 32 or 24x32 (rows x columns), keeping their middle.")
    var size: ImageSize?

    @OptionGroup var pictures: PictureOptions

    @Option(help: "Where to download CIFAR-10 from.")
    var cifarURL = CIFAR10.url

    @Option(help: "MD5 of the file there.")
    var cifarMD5 = CIFAR10.md5

    mutating func validate() throws {
        if let colors, !(2...65536).contains(colors) {
            throw ValidationError("--colors is \(colors); it must be 2 to 65536")
        }
        if colors ?? 0 > 256, size != nil {
            throw ValidationError("--colors is \(colors ?? 0): such values have no mean, so leave out --size")
        }
    }

    /// What the data is called in a plot.
    var name: String { data.map { ($0 as NSString).lastPathComponent } ?? "CIFAR-10" }

    /// Reads the images, CIFAR-10's where no other are named; with their classes where they are needed. Those of
    /// test images matter to conditional networks only.
    func load(labelled: Bool, showsProgress: Bool) throws -> (train: ImageSet, test: ImageSet?) {
        let path =
            try data ?? CIFAR10.fetch(into: "datasets", url: cifarURL, md5: cifarMD5, showsProgress: showsProgress)
        var sets = try ImageSet.read(path, size: size, background: pictures.background)
        if labelled { try ImageSet.readLabels(of: path, labels.files, into: &sets) }
        guard let testData else { return sets }
        let images = try ImageSet.readTest(
            testData, like: sets.train, size: size, background: pictures.background)
        var test: (train: ImageSet, test: ImageSet?) = (images, nil)
        if conditional {
            try ImageSet.readLabels(of: testData, LabelFiles(labels: testLabels), into: &test)
        }
        return (sets.train, test.train)
    }
}
