// --labels and --label-names, the same in every command that reads images with their classes.

import ArgumentParser
import PixelCNNTraining

/// Where the classes of images are, for data that does not have them in the usual place.
struct LabelOptions: ParsableArguments {
    @Option(
        help:
            "Classes of the images: a .npy file of integers (N), or IDX (default: NAME-labels.npy beside NAME.npy).",
        completion: .file(extensions: ["npy"]))
    var labels: String?

    @Option(
        help: "Names of the classes, a JSON array or one a line (default: NAME-label-names.json).",
        completion: .file(extensions: ["json", "txt"]))
    var labelNames: String?

    var files: LabelFiles { LabelFiles(labels: labels, names: labelNames) }
}
