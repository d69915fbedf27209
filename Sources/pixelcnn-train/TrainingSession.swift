// Runs a training run in front of a person: steps, what is shown of them, checkpoints, and an orderly end on Ctrl-C.

import ArgumentParser
import Foundation
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
    /// - Throws: what stops the run; `ExitCode(130)` after Ctrl-C, once a checkpoint is written.
    func toEnd() throws {
        // Whichever signal it was, an interrupted run ends with the same status.
        let interruption = Interruption(exitStatus: 130) {
            Console.say("\nsaving after this step; once more to end at once")
        }
        let log = try TrainingLog(path: files.log, keeping: run.trainer.steps)
        describe()
        var display = TrainingProgress(run: run, isShown: isVerbose)
        // The run may have been cut short between an epoch's last step and its end.
        if run.isAtEpochEnd {
            if log.lastEpochEnd < run.trainer.steps {
                try endEpoch(log, &display, interruption)
            } else {
                try draw(try run.model(), log, interruption)
            }
        }
        var lastCheckpoint = ContinuousClock.now
        while !run.isFinished {
            if interruption.isRequested { try stop(&display) }
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
        print("\(files.output): trained for \(run.settings.epochs == 1 ? "1 epoch" : "\(run.settings.epochs) epochs")")
    }

    /// The test loss, the model as it is, and what there is to look at.
    private func endEpoch(
        _ log: TrainingLog, _ display: inout TrainingProgress, _ interruption: Interruption
    ) throws {
        let (step, loss) = (run.trainer.steps, run.trainingLoss)
        let epoch = step / run.stepsPerEpoch
        let test = run.testLoss { interruption.isRequested }
        if interruption.isRequested { try stop(&display) }
        try log.append(
            TrainingLog.Line(
                step: step, epoch: epoch, epochLoss: loss, epochBitsPerDim: bits(loss), testLoss: test,
                testBitsPerDim: test.map(bits)))
        display.clear()
        let tested = test.map { String(format: ", test %.4f nats, %.4f bits/dim", $0, bits($0)) } ?? ""
        print(String(format: "epoch %d: train %.4f nats, %.4f bits/dim", epoch, loss, bits(loss)) + tested)
        fflush(nil)
        let model = try run.model()
        try files.write(model)
        try draw(model, log, interruption)
    }

    /// The plot of the losses, and images that the model draws.
    private func draw(_ model: Model, _ log: TrainingLog, _ interruption: Interruption) throws {
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
        (plot.steps, plot.train, plot.test) = (
            points(log.losses.steps), points(log.losses.train), points(log.losses.test)
        )
        try TrainingFiles.write(plot.png(), to: files.plot)
        // A run that stops here draws them when it goes on; one that ends here draws them now.
        if let grid = try samples.png(of: model, isCancelled: { interruption.isRequested && !run.isFinished }) {
            try TrainingFiles.write(grid, to: files.samples)
        }
    }

    private func stop(_ display: inout TrainingProgress) throws {
        display.clear()
        try run.writeCheckpoint()
        Console.say(
            "stopped after step \(run.trainer.steps) of \(run.totalSteps); \(files.checkpoint) is saved. "
                + "The same command with --resume goes on")
        throw ExitCode(130)
    }

    private func describe() {
        let (trainer, size) = (run.trainer, run.trainer.hyperparameters)
        Console.say(
            "\(Console.grouped(size.parameterCount)) parameters, \(Console.grouped(run.imagesPerEpoch)) images of "
                + "\(size.channels) × \(size.height) × \(size.width), \(Console.grouped(run.totalSteps)) steps of "
                + "\(run.settings.batchSize), \(trainer.threads == 1 ? "1 thread" : "\(trainer.threads) threads"), "
                + "\(trainer.byteCount >> 20) MB"
                + (trainer.recomputes ? ", activations computed twice" : "")
                + (trainer.steps > 0 ? "; going on after step \(Console.grouped(trainer.steps))" : ""))
    }
}
