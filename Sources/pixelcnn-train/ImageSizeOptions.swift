// --height and --width, the same in every command that loads a model.

import ArgumentParser
import PixelCNNModel

/// Image size, for files that do not say theirs and for running at another.
struct ImageSizeOptions: ParsableArguments {
    @Option(help: "Image rows, instead of what the file says.")
    var height: Int?

    @Option(help: "Image columns, instead of what the file says.")
    var width: Int?

    mutating func validate() throws {
        for (name, value) in [("--height", height), ("--width", width)] {
            guard let value else { continue }
            guard Hyperparameters.sideLimits.contains(value) else {
                let limits = Hyperparameters.sideLimits
                throw ValidationError("\(name) is \(value); allowed are \(limits.lowerBound) to \(limits.upperBound)")
            }
        }
    }
}
