// What the commands share: output, and ending with the exit code that an error stands for.

import ArgumentParser
import Foundation
import PixelCNNModel
import PixelCNNTraining
import Plots

enum Console {
    /// Prints a warning to standard error.
    static func warn(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data("pixelcnn-train: warning: \(text)\n".utf8))
    }

    /// Warns of an array that holds a model's own values, where levels are read.
    static func warnOfValues(_ images: ImageSet, colors: Int, in data: String) {
        guard images.looksLikeValues(of: colors) else { return }
        warn(
            "\(data): no level is above \(colors - 1), of 255: are these the \(colors) values that pixelcnn sample writes? "
                + "pixelcnn score takes those; here a value v is the level 255 v / \(colors - 1)")
    }

    /// Prints a line for a person to standard error.
    static func say(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data("\(text)\n".utf8))
    }

    /// Prints the error as one line to standard error; the exit code that goes with it.
    static func failure(_ error: ModelFileError) -> ExitCode { failure("\(error)", code: error.exitCode.rawValue) }

    /// Prints one line to standard error; the exit code as given.
    static func failure(_ text: String, code: Int32) -> ExitCode {
        say("pixelcnn-train: \(text)")
        return ExitCode(code)
    }

    /// Does `body`; each of our errors becomes one line and its exit code.
    static func reporting(_ body: () throws -> Void) throws {
        do {
            try body()
            guard fflush(nil) == 0 else {  // nil: all streams
                throw failure("cannot write to standard output: \(String(cString: strerror(errno)))", code: 73)
            }
        } catch let error as ModelFileError {
            throw failure(error)
        } catch let error as DataError {
            throw failure("\(error)", code: error.isMissing ? 66 : 65)
        } catch let error as TrainingError {
            throw failure("\(error)", code: error.isUnwritten ? 73 : 65)
        } catch let error as PlotError {
            throw failure("\(error)", code: 71)
        } catch let error as HyperparametersError {
            throw failure("\(error)", code: 64)
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
