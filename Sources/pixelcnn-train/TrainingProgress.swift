// One line about the run on standard error: rewritten in place on a terminal, every ten seconds elsewhere.

import Foundation
import PixelCNNTraining
import Support

struct TrainingProgress {
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
