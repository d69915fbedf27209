// `pixelcnn-train verify`: whether this machine's engine computes what the network says. Whoever brings a model sees
// that it is served exactly; whoever changes a kernel sees that it still is.

import ArgumentParser
import Dispatch
import Foundation
import PixelCNNEngine
import PixelCNNKernels
import PixelCNNModel
import PixelCNNReference
import PixelCNNTraining
import Support
import Synchronization

struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare the engine's logits with those of the full forward pass.",
        discussion: """
            The daemon computes images pixel by pixel and reuses what it has computed. This command runs the same \
            engine on images whose values are known, and compares every logit of every value with that of the whole \
            network, computed for the whole image by other code, on OpenBLAS. The largest difference may be 1e-4 nats, \
            or 1e-4 standard deviations (σ) of the image's logits if σ is above 1; with --precision i16, \
            \(EngineComparison.boundShare(.i16)). An image of the published size takes some seconds.

            Without IMAGES, random images are compared, the same in every run; if the model has classes, the images \
            take them in turn.

            Examples:
              pixelcnn-train verify pixelcnn.pt
              pixelcnn-train verify pixelcnn.safetensors images.npy --count 20
              pixelcnn-train verify pixelcnn.pt --precision i16 --height 64 --width 64

            Exit status: 0 if all images are within the bound, 1 if one is not.
            """)

    @Argument(help: "Model file.", completion: .file(extensions: ["pt", "pth", "safetensors"]))
    var model: String

    @Argument(
        help: """
            An array (.npy, .npz), an IDX file, a picture, or a folder of CIFAR-10's or MNIST's files or of pictures \
            (default: random images).
            """,
        completion: .file())
    var images: String?

    @Option(
        name: [.customShort("n"), .long], parsing: .unconditional,
        help: "Number of images to compare, from the first.")
    var count = 4

    @Option(
        parsing: .unconditional,
        help: "The engine's arithmetic: f32, or i16, whose bound is wider. The full pass computes in f32.",
        completion: .list(Precision.allCases.map(\.rawValue)), transform: Precision.named)
    var precision = Precision.f32

    @Option(parsing: .unconditional, help: "The class of all images, by number or name.")
    var label: String?

    @OptionGroup var pictures: PictureOptions

    @OptionGroup var weights: WeightsOptions

    @OptionGroup var labels: LabelOptions

    @OptionGroup var size: ImageSizeOptions

    @OptionGroup var threads: ThreadOptions

    /// What random images are made of.
    private static let seed: UInt64 = 1

    mutating func validate() throws {
        guard count > 0 else { throw ValidationError("--count is \(count); it must be 1 or more") }
        if images != nil, size.height != nil || size.width != nil {
            throw ValidationError("--height and --width are for random images; those of a file have a size")
        }
        if images == nil, labels.labels != nil || labels.labelNames != nil {
            throw ValidationError("--labels and --label-names are for images of a file; random ones take --label")
        }
        if images == nil, pictures.size != nil {
            throw ValidationError("--size is for images of a file; random ones take --height and --width")
        }
    }

    func run() throws {
        try Console.reporting {
            try threads.check()
            let (model, images) = try read()
            let engine = Engine(model: model, precision: precision)
            let comparison = EngineComparison(model: model, engine: engine)
            print("model       \(self.model), \(precision.rawValue), \(engine.instructionSet)")
            print("images      \(images.description)")
            let differences = compare(images, comparison)
            guard show(differences, images, model) else {
                Console.say(
                    "pixelcnn-train: \(self.model): "
                        + "the engine's logits are not within the bound of the full forward pass's"
                )
                throw ExitCode.failure
            }
        }
    }
}

// MARK: - Images

/// Images to compare, and where they came from.
private struct VerifiedImages {
    let description: String
    let height, width: Int
    let values: [[UInt16]]  // [N] × (C, H, W)
    let labels: [Int?]  // [N]
}

extension Verify {
    /// The model, at the images' size, and the images.
    private func read() throws -> (Model, VerifiedImages) {
        guard let path = images else {
            let model = try weights.load(self.model, height: size.height, width: size.width)
            return (model, try random(model))
        }
        var sets = try ImageSet.read(path, size: pictures.size, background: pictures.background)
        var set = sets.test ?? sets.train
        let model = try weights.load(self.model, height: set.height, width: set.width)
        let network = model.hyperparameters
        if network.channels == 3 { set = set.inColor() }
        guard network.channels == set.channels else {
            throw TrainingError.otherImages(
                found: set.shape, expected: "images of \(network.channels) channels")
        }
        let given = try number(of: label, model)
        if network.labels == 1, labels.labels == nil {
            try set.labelAsOneClass()
        } else if network.isConditional, given == nil {
            try ImageSet.readLabels(of: path, labels.files, into: &sets)
            set.labels = (sets.test ?? sets.train).labels
            try set.number(as: model)
        }
        Console.warnOfLeftOut(set)
        Console.warnOfValues(set, for: network, in: path)
        let count = min(self.count, set.count)
        let quantised = try set.quantised(for: network, path)
        let values = (0..<count).map { i in
            quantised.values[i * set.imageSize..<(i + 1) * set.imageSize]
        }
        let classes = (0..<count).map { i in network.isConditional ? given ?? set.labels?.values[i] : nil }
        let description = "\(count) of \(Console.grouped(set.count)), \(set.shape), in \(path)"
        return (
            model,
            VerifiedImages(
                description: description, height: set.height, width: set.width, values: values, labels: classes)
        )
    }

    /// Images of independent, equally likely values.
    private func random(_ model: Model) throws -> VerifiedImages {
        let network = model.hyperparameters
        let given = try number(of: label, model)
        var generator = SplitMix64(seed: Self.seed)
        let values = (0..<count).map { _ in
            (0..<network.channels * network.height * network.width).map { _ in
                UInt16(generator.next(below: network.colors))
            }
        }
        let shape = "\(network.channels) × \(network.height) × \(network.width)"
        return VerifiedImages(
            description: "\(count) random, \(shape), seed \(Self.seed)", height: network.height,
            width: network.width, values: values,
            labels: (0..<count).map { network.isConditional ? given ?? $0 % network.labels : nil })
    }

    /// The class that `--label` names; nil where nothing was said.
    private func number(of label: String?, _ model: Model) throws -> Int? {
        guard let label else { return nil }
        let classes = model.hyperparameters.labels
        let named = model.labelNames.firstIndex { $0.lowercased() == label.lowercased() }
        guard let number = Int(label) ?? named, (0..<classes).contains(number) else {
            let allowed =
                classes == 0 ? "the model has no classes" : "allowed are 0 to \(classes - 1), or a class's name"
            throw Failure(.usage, "--label is \(label); \(allowed)")
        }
        return number
    }
}

// MARK: - The comparison

extension Verify {
    /// Each image's difference, a thread per image.
    private func compare(_ images: VerifiedImages, _ comparison: EngineComparison) -> [EngineComparison.Difference] {
        let count = images.values.count
        let threads = min(threads.count, count)
        let next = Atomic<Int>(0)
        let done = Mutex<(differences: [EngineComparison.Difference?], count: Int)>(
            (Array(repeating: nil, count: count), 0))
        let progress = Mutex(VerifyProgress(images: count))
        DispatchQueue.concurrentPerform(iterations: threads) { _ in
            Kernels.resetFloatState()
            while true {
                let i = next.add(1, ordering: .relaxed).oldValue
                guard i < count else { return }
                let difference = comparison.difference(
                    images.values[i], height: images.height, width: images.width, label: images.labels[i])
                let finished = done.withLock {
                    $0.differences[i] = difference
                    $0.count += 1
                    return $0.count
                }
                progress.withLock { $0.show(finished) }
            }
        }
        progress.withLock { $0.clear() }
        return done.withLock { $0.differences.compactMap(\.self) }
    }

    /// Prints the image that comes nearest to its bound, or lies furthest beyond; whether all are within theirs.
    private func show(
        _ differences: [EngineComparison.Difference], _ images: VerifiedImages, _ model: Model
    ) -> Bool {
        func share(_ difference: EngineComparison.Difference) -> Float {
            difference.largest.isNaN ? .infinity : difference.largest / difference.bound
        }
        guard let worst = differences.indices.max(by: { share(differences[$0]) < share(differences[$1]) }) else {
            return true
        }
        let difference = differences[worst]
        let network = model.hyperparameters
        let values = images.values[worst].count
        print(
            "compared    \(Console.grouped(differences.count * values * network.colors)) logits of "
                + "\(Console.grouped(differences.count * values)) values")
        let (value, place) = (difference.place / values, difference.place % values)
        let area = images.height * images.width
        let channel = ColorChannel(index: place / area).name(of: network.channels)
        print(
            String(
                format: "difference  at most %.2g nats, %.2g σ: image %d, row %d, column %d, %@, value %d",
                difference.largest, difference.largest / difference.deviation, worst, place % area / images.width,
                place % images.width, channel, value))
        print(
            String(
                format: "bound       %.2g nats: %@ × max(1, σ), where σ of the image's logits is %.3g",
                difference.bound, String(format: "%g", EngineComparison.boundShare(precision)), difference.deviation))
        let beyond = differences.count { !$0.isWithinBound }
        let within = precision == .f32 ? "exact" : "within the bound"
        print("result      \(beyond == 0 ? within : "\(beyond) of \(differences.count) images beyond the bound")")
        return beyond == 0
    }
}

extension Precision {
    fileprivate static func named(_ name: String) throws -> Precision {
        guard let precision = Precision(rawValue: name) else {
            throw ValidationError(
                former[name] ?? "\"\(name)\" is none; allowed is \(allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return precision
    }
}

/// How many images are done, on standard error: in place on a terminal, every ten seconds elsewhere.
private struct VerifyProgress {
    private let images: Int
    private let display: LiveDisplay

    init(images: Int) {
        self.images = images
        let isTerminal = isatty(STDERR_FILENO) == 1
        display = LiveDisplay(
            style: isTerminal ? .live : .lines, interval: isTerminal ? .zero : .seconds(10), hidesCursor: false)
    }

    func show(_ done: Int) {
        let line = "\(done) of \(images) images compared"
        display.refresh(lines: { [line] }, log: { Console.say(line) })
    }

    func clear() { display.clear() }
}
