// One line about the run on standard error: rewritten in place on a terminal, every ten seconds elsewhere.

import Foundation
import PixelCNNTraining

struct ProgressDisplay {
    private let run: TrainingRun
    private let isShown: Bool
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let start = ContinuousClock.now
    private let firstStep: Int
    private var (images, steps) = (0, 0)
    private var shown: ContinuousClock.Instant?
    private var loss = 0.0

    init(run: TrainingRun, isShown: Bool) {
        (self.run, self.isShown, firstStep) = (run, isShown, run.trainer.steps)
    }

    /// Takes in a step, and shows the line where it is time to.
    mutating func show(_ progress: TrainingRun.Progress) {
        (images, steps) = (images + progress.images, steps + 1)
        // A running mean, so that the number can be read; of all steps so far while they are few.
        loss += max(1 / Double(steps), 0.02) * (progress.result.loss - loss)
        let now = ContinuousClock.now
        guard isShown, shown.map({ $0.duration(to: now) >= (isTerminal ? .milliseconds(200) : .seconds(10)) }) ?? true
        else { return }
        shown = now
        let seconds = start.duration(to: now) / .seconds(1)
        let left = Double(run.totalSteps - progress.step) * seconds / Double(progress.step - firstStep)
        let line = String(
            format: "epoch %d, step %d of %d: %.4f nats, %.4f bits/dim, %.1f images/s, %@ left", progress.epoch,
            progress.step, run.totalSteps, loss, bits(loss), Double(images) / seconds, duration(left))
        try? FileHandle.standardError.write(contentsOf: Data((isTerminal ? "\r\(line)\u{1b}[K" : line + "\n").utf8))
    }

    /// Makes room for other lines.
    mutating func clear() {
        guard isShown, isTerminal, shown != nil else { return }
        try? FileHandle.standardError.write(contentsOf: Data("\r\u{1b}[K".utf8))
    }

    private func duration(_ seconds: Double) -> String {
        let minutes = Int(seconds / 60)
        return minutes >= 60 ? "\(minutes / 60) h \(minutes % 60) min" : "\(minutes) min \(Int(seconds) % 60) s"
    }
}
