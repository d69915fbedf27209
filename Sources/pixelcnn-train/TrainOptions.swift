// The options of `train`, by what they are about. Names and defaults are the original's where it has them.

import ArgumentParser
import Foundation
import PixelCNNModel
import PixelCNNTraining

extension TrainingSettings.Schedule: ExpressibleByArgument {}

/// How to learn: ``TrainingSettings`` as options, with its defaults and limits.
struct LearningOptions: ParsableArguments {
    private static let defaults = TrainingSettings()

    @Option(
        parsing: .unconditional,
        help: "Seed of everything random: first weights, the order and changes of images, what is dropped.")
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
        help: "Move each image by up to so many pixels in each direction, anew each epoch; edges are repeated.")
    var shift = defaults.shift

    @Option(
        parsing: .unconditional,
        help: "Drop this share of the units of every block's horizontal gate in training, such as 0.3.")
    var dropout = defaults.dropout

    @Option(
        parsing: .unconditional,
        help: "With --validation: end after so many epochs that are no better than the best (default: never).")
    var patience: Int?

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
        settings.shift = shift
        settings.dropout = dropout
        settings.patience = patience
        return settings
    }

    mutating func validate() throws {
        if let violation = settings.violation { throw ValidationError("--\(violation)") }
    }
}

/// The networks that can be learnt here.
enum TrainedNetwork: String, CaseIterable, ExpressibleByArgument {
    case pixelcnn
    case vqvaePrior = "vqvae-prior"
}

/// What learns.
struct NetworkOptions: ParsableArguments {
    /// Of the published class of the VQ-VAE's prior: the first block's kernel, the others', and the head's width.
    private static let prior = (firstKernel: 7, kernel: 3, hidden: 512)

    @Option(
        help: """
            Which network: pixelcnn, the original's, or vqvae-prior, over the codes of a VQ-VAE, whose .pt loads into \
            the GatedPixelCNN of ritheshkumar95/pytorch-vqvae.
            """)
    var network = TrainedNetwork.pixelcnn

    @Option(parsing: .unconditional, help: "Gated blocks (default: 15).")
    var blocks: Int?

    @Option(
        parsing: .unconditional,
        help: "Feature channels, divisible by the image channels (default: 120; 64 of a vqvae-prior).")
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
        guard start == nil || (blocks, filters, kernelSize) == (nil, nil, nil) && network == .pixelcnn else {
            throw ValidationError(
                "--init brings its own network: leave out --network, --blocks, --filters and --kernel-size")
        }
        guard network == .pixelcnn || kernelSize == nil else {
            throw ValidationError("--kernel-size: a \(network.rawValue) has kernels of 7, then 3; leave it out")
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
            guard model.hyperparameters.isConditional == isConditional || model.hyperparameters.labels == 1 else {
                throw ValidationError(
                    isConditional
                        ? "--conditional: \(start) is not conditional on classes"
                        : "\(start) is conditional on classes: add --conditional")
            }
            return model
        }
        let names = isConditional ? images.labels?.names ?? [] : []
        if network == .vqvaePrior { return try prior(for: images, seed: seed, size: colors, isConditional, names) }
        let hyperparameters = try Hyperparameters(
            channels: images.channels, height: images.height, width: images.width, colors: colors ?? 256,
            blocks: blocks ?? 15, filters: filters ?? 120, kernelSize: kernelSize ?? 3,
            labels: isConditional ? images.labels?.classes ?? 0 : 0)
        return try .initial(hyperparameters, hyperparameters.description, seed: seed, labelNames: names)
    }

    /// A prior with first weights. Its published class always has classes: one where the data has none.
    private func prior(
        for images: ImageSet, seed: UInt64, size colors: Int?, _ isConditional: Bool, _ names: [String]
    ) throws -> Model {
        guard images.channels == 1 else {
            throw ValidationError(
                "--network vqvae-prior learns codes, of one channel; the data has \(images.channels) channels")
        }
        let kernels = (0..<(blocks ?? 15)).map { $0 == 0 ? Self.prior.firstKernel : Self.prior.kernel }
        let hyperparameters = try Hyperparameters(
            [
                .channels: 1, .height: images.height, .width: images.width, .colors: colors ?? 256,
                .blocks: kernels.count, .filters: filters ?? 64, .kernelSize: kernels.last ?? Self.prior.kernel,
                .hidden: Self.prior.hidden, .labels: isConditional ? images.labels?.classes ?? 1 : 1,
            ], network: .vqvaePrior)
        let description = NetworkDescription.vqvaePrior(
            colors: hyperparameters.colors, filters: hyperparameters.filters, kernels: kernels,
            hidden: hyperparameters.hidden, labels: hyperparameters.labels)
        return try .initial(hyperparameters, description, seed: seed, labelNames: names)
    }
}

/// Which images choose the best epoch.
enum Validation: ExpressibleByArgument {
    /// A share of the training images, above 0 and below 1.
    case share(Double)
    /// Those of a path.
    case images(String)

    /// The path, where it is one.
    var path: String? { if case .images(let path) = self { path } else { nil } }

    /// Nil where it is a number and no share.
    init?(argument: String) {
        guard let share = Double(argument) else {
            self = .images(argument)
            return
        }
        guard share > 0, share < 1 else { return nil }
        self = .share(share)
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

    @Option(
        parsing: .unconditional,
        help: """
            Images that choose the best epoch, which is then the model: a share of the training images, such as 0.1, \
            which are not learnt from, or other images in any of the forms of --data.
            """)
    var validation: Validation?

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
            Values per channel, to which levels 0 to 255 are quantised (default: 256). With more than 256, and \
            for a prior, the data are values themselves, such as the codes of a VQ-VAE.
            """)
    var colors: Int?

    @Flag(
        help: """
            Take levels as probabilities of white, for a network of 2 values: each pixel is drawn anew each epoch, and \
            once, by --seed, where images are held out.
            """)
    var binarize = false

    @OptionGroup var pictures: PictureOptions

    @Option(help: "Where to download CIFAR-10 from.")
    var cifarURL = CIFAR10.url

    @Option(help: "MD5 of the file there.")
    var cifarMD5 = CIFAR10.md5

    mutating func validate() throws {
        if let colors, !(2...65536).contains(colors) {
            throw ValidationError("--colors is \(colors); it must be 2 to 65536")
        }
        if binarize, let colors, colors != 2 {
            throw ValidationError("--colors is \(colors); --binarize makes images of 2 values: leave out one of them")
        }
        if colors ?? 0 > 256, pictures.size != nil {
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
        var sets = try ImageSet.read(path, size: pictures.size, background: pictures.background)
        if labelled { try ImageSet.readLabels(of: path, labels.files, into: &sets) }
        guard let testData else { return sets }
        let images = try ImageSet.readTest(
            testData, like: sets.train, size: pictures.size, background: pictures.background)
        var test: (train: ImageSet, test: ImageSet?) = (images, nil)
        if conditional {
            try ImageSet.readLabels(of: testData, LabelFiles(labels: testLabels), into: &test)
        }
        return (sets.train, test.train)
    }

    /// Images of a path that choose the best epoch; nil where none do, or a share of the others.
    func loadValidation(like images: ImageSet) throws -> ImageSet? {
        guard let path = validation?.path else { return nil }
        var sets: (train: ImageSet, test: ImageSet?) = (
            try ImageSet.readTest(path, like: images, size: pictures.size, background: pictures.background), nil
        )
        if conditional { try ImageSet.readLabels(of: path, LabelFiles(), into: &sets) }
        return sets.train
    }

    /// The images as the network reads them: quantised, or binarised where they are held out; those to learn from stay
    /// levels then. `start` is what the network comes from, for errors.
    func values(
        _ sets: (train: ImageSet, test: ImageSet?, validation: ImageSet?), for model: Model, _ start: String,
        _ settings: TrainingSettings
    ) throws -> (train: ImageSet, test: ImageSet?, validation: ImageSet?) {
        let (network, path) = (model.hyperparameters, data ?? name)
        if binarize { try network.checkBinarizable(start) }
        Console.warnOfValues(sets.train, for: network, in: name)
        func heldOut(_ set: ImageSet?, _ other: String?) throws(DataError) -> ImageSet? {
            guard binarize else { return try set?.quantised(for: network, other ?? path) }
            return try set?.binarized(seed: settings.seed, other ?? path)
        }
        let train: ImageSet
        if binarize {
            try sets.train.checkLevels(path)
            train = sets.train
        } else {
            train = try sets.train.quantised(for: network, path)
        }
        return (train, try heldOut(sets.test, testData), try heldOut(sets.validation, validation?.path))
    }

    /// Sets the share of the images that choose the best epoch aside, where there is to be one.
    func setAside(from images: inout ImageSet, seed: UInt64) throws -> ImageSet? {
        guard case .share(let share) = validation else { return nil }
        let (train, validation) = try images.split(share, seed: seed, data ?? name)
        images = train
        return validation
    }
}

extension Hyperparameters {
    /// That binarised images are what the network reads. `model` is where it comes from.
    ///
    /// - Throws: `ValidationError` otherwise.
    func checkBinarizable(_ model: String) throws {
        guard colors == 2, !readsCodes else {
            throw ValidationError(
                "--binarize makes images of 2 values; \(model) is for \(colors)\(readsCodes ? " codes" : "")")
        }
    }
}
