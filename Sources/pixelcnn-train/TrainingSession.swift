// Runs a training run in front of a person: steps, what is shown of them, checkpoints, sampled images at the end of
// every epoch, and an orderly end on Ctrl-C, on SIGTERM, and where the terminal goes. Whoever looked on may have gone.

import ArgumentParser
import Foundation
import ImageFormats
import PixelCNNEngine
import PixelCNNModel
import PixelCNNTraining
import Plots
import Support

struct TrainingSession {
    let run: TrainingRun
    let files: TrainingFiles
    let dataName: String
    let samples: SampleGrid
    let isVerbose: Bool
    let checkpointMinutes: Double

    /// Takes all steps that are left.
    /// - Throws: what stops the run; `ExitCode`, of 128 and its number, after a signal, once a checkpoint is written.
    func toEnd() throws {
        let interruption = Interruption {
            StandardError.write("\n")  // behind the line that is redrawn
            Console.say("saving after this step; once more to end at once")
        }
        let log = try TrainingLog(path: files.log, keeping: run.trainer.steps)
        describe()
        let settings = run.settings.regularization
        if log.isEmpty, !settings.isEmpty {
            try log.append(
                TrainingLog.Line(
                    step: 0, epoch: 0, settings: Dictionary(uniqueKeysWithValues: settings.map { ($0.name, $0.value) }))
            )
        }
        var display = TrainingProgress(run: run, isShown: isVerbose)
        // The run may have been cut short between an epoch's last step and its end.
        if run.isAtEpochEnd {
            if log.lastEpochEnd < run.trainer.steps {
                try endEpoch(log, &display, interruption)
            } else {
                draw(try run.model(), log, interruption)
            }
        }
        var lastCheckpoint = ContinuousClock.now
        while !run.isFinished {
            if let signal = interruption.requested { try stop(&display, signal) }
            let progress = try run.step()
            try log.append(
                TrainingLog.Line(
                    step: progress.step, epoch: progress.epoch, loss: progress.result.loss,
                    bitsPerDim: bits(progress.result.loss), gradientNorm: progress.result.gradientNorm,
                    learningRate: progress.rate))
            display.show(progress)
            if run.isAtEpochEnd || lastCheckpoint.duration(to: .now) >= .seconds(60 * checkpointMinutes) {
                try run.writeCheckpoint()
                lastCheckpoint = .now
            }
            if run.isAtEpochEnd { try endEpoch(log, &display, interruption) }
        }
        try files.write(run.model())
        print("\(files.output): trained for \(run.epochs == 1 ? "1 epoch" : "\(run.epochs) epochs")" + choice)
    }

    /// Which epoch the validation images have chosen.
    private var choice: String {
        guard let (epoch, loss) = run.bestEpoch else { return "" }
        let end = run.hasLostPatience ? ", the last \(run.epochs - epoch) of them no better" : ""
        return end + String(format: "; this is epoch %d, the best: validation %.4f nats, ", epoch, loss)
            + String(format: "%.4f bits/dim", bits(loss))
    }

    /// The held-out losses, the model as it is or was in the best epoch, the plot and the sampled images.
    private func endEpoch(
        _ log: TrainingLog, _ display: inout TrainingProgress, _ interruption: Interruption
    ) throws {
        let step = run.trainer.steps
        let loss = run.trainingLoss
        let epoch = run.epochs
        let validation = try run.validate { interruption.isRequested }
        let test = run.testLoss { interruption.isRequested }
        if let signal = interruption.requested { try stop(&display, signal) }
        if validation != nil { try run.writeCheckpoint() }  // with the choice, before the log says it
        try log.append(
            TrainingLog.Line(
                step: step, epoch: epoch, epochLoss: loss, epochBitsPerDim: bits(loss),
                validationLoss: validation?.nats, validationBitsPerDim: (validation?.nats).map(bits),
                testLoss: test?.nats, testBitsPerDim: (test?.nats).map(bits)))
        display.clear()
        func heldOut(_ name: String, _ mean: Evaluation.Mean?) -> String {
            guard let mean else { return "" }
            return String(format: ", \(name) %.4f nats, %.4f bits/dim, ", mean.nats, bits(mean.nats))
                + mean.perImage(run.imageSize)
        }
        let best = run.bestEpoch.map { $0.epoch == epoch ? "; the best so far" : "; the best is epoch \($0.epoch)" }
        print(
            String(format: "epoch %d: train %.4f nats, %.4f bits/dim", epoch, loss, bits(loss))
                + heldOut("validation", validation) + heldOut("test", test) + (best ?? ""))
        let model = try run.model()
        try files.write(model)
        draw(model, log, interruption)
    }

    /// The plot of the losses, and sampled images. They are to be looked at, and no run ends where they cannot be
    /// written.
    private func draw(_ model: Model, _ log: TrainingLog, _ interruption: Interruption) {
        do {
            try TrainingFiles.write(plot(log).png(), to: files.plot)
        } catch {
            Console.warn("no plot: \(error)")
        }
        do {
            // A run that stops here draws them when it goes on; one that ends here draws them now.
            if let images = try samples.file(of: model, isCancelled: { interruption.isRequested && !run.isFinished }) {
                try TrainingFiles.write(
                    images, to: files.samples(isArray: SampleGrid.isArray(run.trainer.hyperparameters)))
            }
        } catch {
            Console.warn("no sampled images: \(error)")
        }
    }

    private func plot(_ log: TrainingLog) -> LossPlot {
        func points(_ losses: [(step: Int, loss: Double)]) -> [LossPlot.Point] {
            losses.map { LossPlot.Point(epoch: Double($0.step) / Double(run.stepsPerEpoch), loss: $0.loss) }
        }
        let size = run.trainer.hyperparameters
        var plot = LossPlot(
            title: "Loss of \(files.name) on \(dataName)",
            subtitle:
                "\(size.blocks) blocks, \(size.filters) filters; \(Console.grouped(run.imagesPerEpoch)) images of "
                + "\(size.channels) × \(size.height) × \(size.width), \(size.colors) values; "
                + "steps of \(run.settings.batchSize)")
        plot.steps = points(log.losses.steps)
        plot.train = points(log.losses.train)
        plot.validation = points(log.losses.validation)
        plot.test = points(log.losses.test)
        return plot
    }

    private func stop(_ display: inout TrainingProgress, _ signal: Interruption.Interrupted) throws {
        display.clear()
        try run.writeCheckpoint()
        Console.say(
            "stopped after step \(run.trainer.steps) of \(run.totalSteps); \(files.checkpoint) is saved. "
                + "The same command with --resume goes on")
        throw ExitCode(signal.exitStatus)
    }

    private func describe() {
        let trainer = run.trainer
        let size = trainer.hyperparameters
        Console.say(
            "\(Console.grouped(size.parameterCount)) parameters, \(Console.grouped(run.imagesPerEpoch)) images of "
                + "\(size.channels) × \(size.height) × \(size.width), \(Console.grouped(run.totalSteps)) "
                + "\(run.totalSteps == 1 ? "step" : "steps") of \(run.settings.batchSize), "
                + "\(trainer.threads == 1 ? "1 thread" : "\(trainer.threads) threads"), "
                + "\(trainer.byteCount >> 20) MB"
                + (trainer.recomputes ? ", activations computed twice" : "")
                + (trainer.steps > 0 ? "; going on after step \(Console.grouped(trainer.steps))" : ""))
        if let regularization { Console.say(regularization) }
    }

    /// What keeps the network from learning its images by heart; nil for nothing.
    private var regularization: String? {
        let settings = run.settings
        var parts: [String] = []
        if settings.dropout > 0 { parts.append("dropout \(settings.dropout)") }
        if settings.shift > 0 { parts.append("images moved by up to \(settings.shift) pixels") }
        if settings.binarizes {
            parts.append(
                "levels are probabilities of white: drawn anew each epoch, held-out images' once by seed "
                    + "\(settings.seed)")
        }
        if let count = run.validationImages {
            let end = settings.patience.map { "; the end after \($0) epochs that are no better" } ?? ""
            parts.append("the best epoch by \(Console.grouped(count)) validation images" + end)
        }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }
}

/// One line about the run on standard error: rewritten in place on a terminal, every ten seconds elsewhere.
private struct TrainingProgress {
    private let run: TrainingRun
    private let display: LiveDisplay
    private let start = ContinuousClock.now
    private let firstStep: Int
    private var images = 0
    private var steps = 0
    private var loss = 0.0

    init(run: TrainingRun, isShown: Bool) {
        self.run = run
        firstStep = run.trainer.steps
        let isTerminal = isatty(STDERR_FILENO) == 1
        display = LiveDisplay(
            style: !isShown ? .silent : isTerminal ? .live : .lines,
            interval: isTerminal ? .milliseconds(200) : .seconds(10), hidesCursor: false)
    }

    /// Takes in a step, and shows the line where it is time to.
    mutating func show(_ progress: TrainingRun.Progress) {
        images += progress.images
        steps += 1
        // A running mean, so that the number can be read; of all steps so far while they are few.
        loss += max(1 / Double(steps), 0.02) * (progress.result.loss - loss)
        display.refresh(lines: { [line(progress)] }, log: { StandardError.write(line(progress) + "\n") })
    }

    /// Makes room for other lines.
    func clear() { display.clear() }

    private func line(_ progress: TrainingRun.Progress) -> String {
        let seconds = start.duration(to: .now) / .seconds(1)
        let left = Double(run.totalSteps - progress.step) * seconds / Double(progress.step - firstStep)
        return String(
            format: "epoch %d, step %d of %d: %.4f nats, %.4f bits/dim, %.1f images/s, %@ left", progress.epoch,
            progress.step, run.totalSteps, loss, bits(loss), Double(images) / seconds, Durations.words(left))
    }
}

/// What the model has learnt, to look at: a few images that the engine samples at the end of every epoch, in one
/// session. The seed stays, so the grids of two epochs differ by what was learnt between them. Costs what the daemon
/// would take for as many images on one thread, and packs the weights once more.
struct SampleGrid {
    /// Images; 0: no grid.
    let count: Int
    let seed: UInt64

    /// Whether images of such a network are an array, since a picture does not show as many values or channels.
    static func isArray(_ size: Hyperparameters) -> Bool { size.colors > 256 || ![1, 3].contains(size.channels) }

    /// A grid of images as a PNG file, or an array of them; nil for none, or once `isCancelled`, called between steps,
    /// is true.
    func file(of model: Model, isCancelled: () -> Bool) throws -> [UInt8]? {
        let size = model.hyperparameters
        guard count > 0 else { return nil }
        let session = SamplingSession(engine: Engine(model: model), capacity: count)
        for (tag, task) in tasks(size).enumerated() { session.add(task, tag: tag) }
        var images = [[UInt16]](repeating: [], count: count)
        while session.count > 0 {
            if isCancelled() { return nil }
            session.step { tag, result in
                if case .values(let values) = result { images[tag] = values }
            }
        }
        if Self.isArray(size) {
            let shape = SampledImages.Shape(
                channels: size.channels, height: size.height, width: size.width, colors: size.colors)
            return SampledImages(values: images.flatMap(\.self), shape: shape).npy()
        }
        let picture = try Grid.picture(
            values: images.flatMap(\.self), count: count, channels: size.channels, height: size.height,
            width: size.width, colors: size.colors, columns: size.isConditional ? size.labels : nil)
        return try PNG.encode(
            picture, text: [(key: "PixelCNN-Seed", value: "\(seed)"), (key: "Software", value: "pixelcnn-train")])
    }

    /// One image each; where there are classes, one after the other, so that a column of the grid is a class.
    private func tasks(_ size: Hyperparameters) -> [ImageTask] {
        (0..<count).map { index in
            ImageTask(
                height: size.height, width: size.width, label: size.isConditional ? index % size.labels : nil,
                source: .sample(seed: seed, index: UInt64(index), parameters: SamplingParameters()))
        }
    }
}
