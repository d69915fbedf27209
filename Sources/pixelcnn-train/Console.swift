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
    static func warnOfValues(_ images: ImageSet, colors: Int, in data: String) {
        guard images.looksLikeValues(of: colors) else { return }
        warn(
            "\(data): no level is above \(colors - 1), of 255: are these the \(colors) values that pixelcnn sample "
                + "writes? pixelcnn score takes those; here a value v is the level 255 v / \(colors - 1)")
    }

    /// Prints a line for a person to standard error.
    static func say(_ text: String) { StandardError.write("\(text.printable)\n") }

    /// Runs `body`; each of our errors becomes one line and its exit code.
    static func reporting(_ body: () throws -> Void) throws {
        do {
            try body()
            guard fflush(nil) == 0 else {  // nil: all streams
                throw Failure(.cannotCreate, "cannot write to standard output: \(String(cString: strerror(errno)))")
            }
        } catch {
            guard let failure = failure(error) else { throw error }
            say("pixelcnn-train: \(failure.message)")
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
func print(_ line: String) { Swift.print(line.printable) }

/// Nats as bits.
func bits(_ nats: Double) -> Double { nats / log(2) }
