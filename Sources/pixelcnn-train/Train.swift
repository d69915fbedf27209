// `pixelcnn-train train`, the default: learns a model from images. Everything that changes the result is in the
// settings; this file turns options into them, and failures into one line and an exit code.

import ArgumentParser
import Foundation
import PixelCNNModel
import PixelCNNTraining
import Support

struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train a model; CIFAR-10 and the published network by default.",
        discussion: """
            Without --data, CIFAR-10 is downloaded into the folder datasets. The model is written at the end of every \
            epoch, beside a checkpoint, a log of one JSON object per line, a plot of the losses \
            (pixelcnn.loss.png) and a grid of sampled images (pixelcnn.samples.png). Another run's files are never \
            replaced without --force; without --output, the next run writes pixelcnn-2.pt. Ctrl-C, SIGTERM and a lost \
            terminal save a checkpoint and end the run; the same command with --resume continues, and the model has \
            the same bytes as without the interruption. The number of threads changes only the time.

            Examples:
              pixelcnn-train --seed 0 --lr 3e-4 --epochs 50 --verbose
              pixelcnn-train --data images/ --filters 60 --blocks 8 --lr 1.2e-3 --warmup 200 --schedule cosine \\
                --ema 0.998 --flip --output pixelcnn.safetensors
              pixelcnn-train --network vqvae-prior --data codes.npy --colors 512 --conditional --output prior.pt
            """)

    @OptionGroup(title: "Learning") var learning: LearningOptions
    @OptionGroup(title: "Network") var network: NetworkOptions
    @OptionGroup(title: "Data") var data: DataOptions

    @Option(
        name: .shortAndLong,
        help: """
            The model: by its ending a state_dict that torch.load reads, or safetensors (default: pixelcnn.pt, or the \
            next of pixelcnn-2.pt, …).
            """,
        completion: .file(extensions: ["pt", "safetensors"]))
    var output: String?

    @Flag(help: "Continue from the checkpoint beside the output, perhaps for more --epochs.")
    var resume = false

    @Flag(help: "Replace the files of another run, or any others that have the output's names.")
    var force = false

    @OptionGroup var threads: ThreadOptions

    @Option(
        parsing: .unconditional,
        help: """
            Megabytes that the network may take, without the images; to fit, it computes some things twice or uses \
            fewer threads.
            """)
    var memory: Int?

    @Option(parsing: .unconditional, help: "Minutes between checkpoints within an epoch.")
    var checkpointMinutes = 10.0

    @Option(
        parsing: .unconditional,
        help: "Images of the grid that is sampled at the end of every epoch, always from the same seed; 0: none.")
    var samples = 16

    @Flag(help: "Show progress.")
    var verbose = false

    mutating func validate() throws {
        if let output, ![".pt", ".pth", ".safetensors"].contains(where: output.hasSuffix) {
            throw ValidationError("the output is \(output); its name must end in .pt, .pth or .safetensors")
        }
        if !isLabelled, (data.labels.labels, data.labels.labelNames, data.testLabels) != (nil, nil, nil) {
            throw ValidationError("--labels, --label-names and --test-labels go with --conditional or --balance")
        }
        guard learning.patience == nil || data.validation != nil else {
            throw ValidationError("--patience goes with --validation, whose images say which epoch is better")
        }
        guard !data.binarize || network.network == .pixelcnn else {
            throw ValidationError("--binarize makes pixels of levels; a \(network.network.rawValue) learns codes")
        }
        guard memory ?? 1 > 0 else { throw ValidationError("--memory is \(memory ?? 0); it must be 1 or more") }
        guard (0...1_000_000).contains(checkpointMinutes) else {
            throw ValidationError("--checkpoint-minutes is \(checkpointMinutes); it must be 0 to 1000000")
        }
        guard (0...1024).contains(samples) else {
            throw ValidationError("--samples is \(samples); it must be 0 to 1024")
        }
    }

    /// What a run that becomes longer does from here on.
    private func lengthened(from epochs: Int, last: Double, next: Double) -> String {
        let rates = String(format: "%.3g, after %.3g", next, last)
        let schedule =
            switch learning.settings.schedule {
            case .constant:
                "the learning rate stays, so the model is that of a run of \(learning.epochs) from the start"
            case .cosine: "the learning rate goes on along the cosine of \(learning.epochs) epochs, at \(rates)"
            }
        return "\(learning.epochs) epochs instead of \(epochs): \(schedule)"
    }

    /// How to learn, as all the options say it.
    private var settings: TrainingSettings {
        var settings = learning.settings
        settings.binarizes = data.binarize
        if case .share(let share) = data.validation { settings.validation = share }
        return settings
    }

    /// Refuses to go on without `--data` where the run cannot be on CIFAR-10, before that is downloaded.
    private func checkIsOnCIFAR10(_ checkpoint: String) throws(Failure) {
        guard let network = try? Model.load(path: checkpoint).hyperparameters else { return }  // resuming says why
        let shape = "\(network.channels) × \(network.height) × \(network.width)"
        guard shape != CIFAR10.shape else { return }
        throw Failure(
            .usage,
            "\(checkpoint): the run is on images of \(shape), so not on CIFAR-10: --resume goes with the command that "
                + "began the run, and its --data")
    }

    /// Whether the classes of the images matter.
    private var isLabelled: Bool { data.conditional || learning.balance > 0 }

    func run() throws {
        try Console.reporting(goesOn: true) {
            try threads.check()
            let (files, lock) = try TrainingFiles.choose(output, resume: resume, force: force)
            defer { withExtendedLifetime(lock) {} }
            if resume, data.data == nil { try checkIsOnCIFAR10(files.checkpoint) }
            var images = try data.load(
                labelled: isLabelled, showsProgress: verbose || isatty(STDERR_FILENO) == 1)
            var validation = try data.loadValidation(like: images.train)
            let model = try network.model(
                for: images.train, seed: settings.seed,
                size: data.binarize && network.start == nil ? 2 : data.colors, isConditional: data.conditional)
            if model.hyperparameters.channels == 3 {  // of --init
                images = (images.train.inColor(), images.test?.inColor())
                validation = validation?.inColor()
            }
            if data.conditional {
                try images.train.number(as: model)
                try images.test?.number(as: model)
                try validation?.number(as: model)
            } else if model.hyperparameters.isConditional {
                try images.train.labelAsOneClass()
                try images.test?.labelAsOneClass()
                try validation?.labelAsOneClass()
            }
            Console.warnOfLeftOut(images.train, images.test, validation)
            if let share = try data.setAside(from: &images.train, seed: settings.seed) { validation = share }
            if data.conditional || learning.balance > 0, let labels = images.train.labels {
                Console.say("classes: \(labels.counts)")
            }
            let sets = try data.values(
                (images.train, images.test, validation), for: model, network.start ?? "the network", settings)
            let trainer = try Trainer(
                model: model, threads: threads.count,
                memory: memory.map { $0 << 20 } ?? .max, keepsBest: validation != nil)
            let run = try TrainingRun(
                settings, trainer: trainer, train: sets.train, test: sets.test, validation: sets.validation,
                checkpoint: files.checkpoint)
            if resume {
                let resumption = try run.resume()
                if !resumption.hasDigest {
                    Console.warn(
                        "\(files.checkpoint) is of an earlier version, which wrote no digest: damage would not be seen")
                }
                if let (epochs, last, next) = resumption.lengthened {
                    Console.say(lengthened(from: epochs, last: last, next: next))
                }
                if let patience = resumption.patience {
                    Console.say("patience of \(learning.patience ?? 0) epochs instead of \(patience)")
                }
            }
            try TrainingSession(
                run: run, files: files, dataName: data.name,
                samples: SampleGrid(count: samples, seed: settings.seed), isVerbose: verbose,
                checkpointMinutes: checkpointMinutes
            ).toEnd()
        }
    }
}
