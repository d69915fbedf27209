// Options that several commands have: the size of the images, which of a file's networks, where the images' classes
// are, and threads.

import ArgumentParser
import Foundation
import ImageFormats
import ImageImport
import PixelCNNModel
import PixelCNNTraining
import Support

/// Image size, for files that do not say theirs and for running at another.
struct ImageSizeOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: "Image rows, instead of what the file says.")
    var height: Int?

    @Option(parsing: .unconditional, help: "Image columns, instead of what the file says.")
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

/// Which network, for files that hold several, and how all commands load one.
struct WeightsOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Which copy of the network to take, if the file has several: its path in the file, or a part of it, such \
            as ema.
            """, valueName: "path"))
    var weights: String?

    /// Loads the model, and warns of what is odd about its file.
    func load(_ path: String, height: Int? = nil, width: Int? = nil) throws(ModelFileError) -> Model {
        let model = try Model.load(path: path, height: height, width: width, weights: weights)
        for warning in model.source.warnings { Console.warn(warning.advised) }
        return model
    }
}

extension Model {
    /// Refuses networks that only the engine and the full forward pass know, for commands that compute gradients.
    func checkIsTrainedHere(_ advice: String) throws(Failure) {
        guard !hyperparameters.network.isTrained else { return }
        throw Failure(
            .dataError,
            "\(source.path): this is \(hyperparameters.network.title), which is served but not trained here; \(advice)")
    }
}

extension ModelWarning {
    /// The warning with what these options can do about it.
    var advised: String {
        switch self {
        case .assumedImageSize: "\(self) (choose with --height and --width)"
        case .severalCopies: "\(self) (choose with --weights)"
        default: "\(self)"
        }
    }
}

extension ImageSize: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument, allowed: Hyperparameters.sideLimits) }
}

/// How pictures become images.
struct PictureOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: "Resize all images to this size, such as 32 or 24x32 (rows x columns), keeping their middle.")
    var size: ImageSize?

    @Option(
        parsing: .unconditional,
        help: """
            What shows through transparent pictures: white, black, gray or a colour such as #ffe0c0 (default: they are \
            refused).
            """)
    var background: Background?
}

extension Background: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
}

/// Where the classes of images are, for data that does not have them in the usual place.
struct LabelOptions: ParsableArguments {
    @Option(
        help:
            "Classes of the images: a .npy file of integers (N), or IDX (default: NAME-labels.npy beside NAME.npy).",
        completion: .file(extensions: ["npy"]))
    var labels: String?

    @Option(
        help: "Names of the classes, a JSON array or one per line (default: NAME-label-names.json).",
        completion: .file(extensions: ["json", "txt"]))
    var labelNames: String?

    var files: LabelFiles { LabelFiles(labels: labels, names: labelNames) }
}

struct ThreadOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: "Threads that compute (default: the processors it may use).")
    var threads: Int?

    var count: Int { threads ?? MachineLimits.current.processors }

    /// Whether they can be started: Dispatch would wait for ever for those that cannot.
    ///
    /// - Throws: ``Failure`` (71).
    func check() throws(Failure) { try PlainThread.check(count) }

    mutating func validate() throws {
        guard threads ?? 1 > 0 else { throw ValidationError("--threads is \(threads ?? 0); it must be 1 or more") }
    }
}
