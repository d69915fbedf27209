// What the commands share: output, and ending with the exit code that an error stands for.

import ArgumentParser
import Foundation
import PixelCNNModel

enum Console {
    /// Prints a warning to standard error.
    static func warn(_ text: String) {
        FileHandle.standardError.write(Data("pixelcnn-train: warning: \(text)\n".utf8))
    }

    /// Prints the error as one line to standard error; the exit code that goes with it.
    static func failure(_ error: ModelFileError) -> ExitCode {
        FileHandle.standardError.write(Data("pixelcnn-train: \(error)\n".utf8))
        return ExitCode(error.exitCode.rawValue)
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
