// What the commands share: output, and ending with the exit code that an error stands for.

import ArgumentParser
import Foundation
import PixelCNNModel
import PixelCNNTraining
import Plots
import Support

enum Console {
    /// Prints a warning to standard error.
    static func warn(_ text: String) { say("pixelcnn-train: warning: \(text)") }

    /// Warns of an array that holds a model's own values, where levels are read.
    static func warnOfValues(_ images: ImageSet, for network: Hyperparameters, in data: String) {
        let colors = network.colors
        guard !network.readsCodes, images.looksLikeValues(of: colors) else { return }
        warn(
            "\(data): no level is above \(colors - 1), of 255: are these the \(colors) values that pixelcnn sample "
                + "writes? pixelcnn score takes those; here a value v is the level 255 v / \(colors - 1)")
    }

    /// Warns of what a folder of pictures has beside them.
    static func warnOfLeftOut(_ sets: ImageSet?...) {
        for note in sets.compactMap({ $0?.folder?.note }) { warn(note) }
    }

    /// Prints a line for a person to standard error.
    static func say(_ text: String) { StandardError.write("\(text.printable)\n") }

    /// Runs `body`; each of our errors becomes one line and its exit code.
    ///
    /// - Parameter goesOn: whether there is more to do than to print, so that nothing is wrong if nobody reads it.
    static func reporting(goesOn: Bool = false, _ body: () throws -> Void) throws {
        do {
            try body()
            if StandardOutput.isAbandoned, goesOn { return }
            switch StandardOutput.firstError {
            case 0: break
            case EPIPE: throw Failure(.closedPipe, "")
            case let code:
                throw Failure(.cannotCreate, "cannot write to standard output: \(String(cString: strerror(code)))")
            }
        } catch {
            guard let failure = failure(error) else { throw error }
            if failure.status != .closedPipe { say("pixelcnn-train: \(failure.message)") }
            throw ExitCode(failure.status.rawValue)
        }
    }

    private static func failure(_ error: any Error) -> Failure? {
        switch error {
        case let failure as Failure: failure
        case let error as ModelFileError: Failure(error.exitCode, "\(error)")
        case let error as DataError: Failure(error.isMissing ? .noInput : .dataError, "\(error)")
        case let error as TrainingError: Failure(error.isUnwritten ? .cannotCreate : .dataError, "\(error)")
        case let error as PlotError: Failure(.osError, "\(error)")
        case let error as HyperparametersError: Failure(.usage, "\(error)")
        default: nil
        }
    }

    /// A number with its thousands apart: 1,230,160.
    static func grouped(_ number: Int) -> String {
        var text = ""
        for (index, digit) in String(number).reversed().enumerated() {
            if index > 0, index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }
}

/// Prints a line to standard output; it may have names of files, and words that stand in them.
func print(_ line: String) { StandardOutput.write("\(line.printable)\n") }

/// Nats as bits.
func bits(_ nats: Double) -> Double { nats / log(2) }

/// A mean over values and its standard error, of which one image has none.
func measured(_ value: Double, _ standardError: Double, decimals: Int) -> String {
    String(format: "%.*f ± ", decimals, value)
        + (standardError.isFinite ? String(format: "%.*f", decimals, standardError) : "?")
}

extension Evaluation.Mean {
    /// Nats of an image of so many values, as tables of likelihoods have them.
    func perImage(_ values: Int) -> String {
        measured(nats * Double(values), standardError * Double(values), decimals: 2) + " nats/image"
    }
}
