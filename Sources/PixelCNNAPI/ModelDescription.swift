// What `GET /v1/model` answers. It is also all that the routes know of the model: they never see a tensor.

/// The served model, its file and the machine's way of running it.
package struct ModelDescription: Sendable, Equatable, Codable {
    /// Channels of an image (C).
    package var channels: Int
    /// Rows of an image (H), unless a request says otherwise.
    package var height: Int
    /// Columns of an image (W), unless a request says otherwise.
    package var width: Int
    /// Values that a channel can take (d).
    package var colors: Int
    /// Gated blocks (L).
    package var blocks: Int
    /// Feature channels (F).
    package var filters: Int
    /// Kernel size of the gated blocks (k).
    package var kernelSize: Int
    /// Width between the two output layers.
    package var hidden: Int
    /// Number of parameters.
    package var parameters: Int
    /// Number of classes; 0 for an unconditional model.
    package var labels: Int
    /// Names of the classes, by number; empty where they have none.
    package var labelNames: [String]
    /// Path of the file.
    package var file: String
    /// Size of the file, in bytes.
    package var bytes: Int
    /// Format of the file, such as `safetensors`.
    package var format: String
    /// SHA-256 of the file, in lower-case hexadecimal.
    package var sha256: String
    /// What the loader found odd, yet harmless.
    package var warnings: [String]
    /// How the weights are kept: `f32`, or `bf16`, whose values are its own.
    package var precision: String
    /// The instruction set that the kernels use.
    package var instructionSet: String
    /// Number of compute threads.
    package var threads: Int
    /// Version of the daemon.
    package var version: String
    /// The most that one request may ask for.
    package var limits: RequestLimits

    /// A description, field by field.
    package init(
        channels: Int, height: Int, width: Int, colors: Int, blocks: Int, filters: Int, kernelSize: Int, hidden: Int,
        parameters: Int, labels: Int = 0, labelNames: [String] = [], file: String, bytes: Int, format: String,
        sha256: String, warnings: [String] = [], precision: String = "f32", instructionSet: String, threads: Int,
        version: String = Version.current, limits: RequestLimits = RequestLimits()
    ) {
        self.channels = channels
        self.height = height
        self.width = width
        self.colors = colors
        self.blocks = blocks
        self.filters = filters
        self.kernelSize = kernelSize
        self.hidden = hidden
        self.parameters = parameters
        self.labels = labels
        self.labelNames = labelNames
        self.file = file
        self.bytes = bytes
        self.format = format
        self.sha256 = sha256
        self.warnings = warnings
        self.precision = precision
        self.instructionSet = instructionSet
        self.threads = threads
        self.version = version
        self.limits = limits
    }

    /// Whether a PNG can show the model's images: grey or RGB, at most eight bits a channel.
    package var isShownAsPNG: Bool { (channels == 1 || channels == 3) && colors <= 256 }

    enum CodingKeys: String, CodingKey {
        case channels, height, width, filters, hidden, parameters, labels, file, bytes, format, sha256, warnings
        case precision, threads, version, limits
        case colors = "n_colors"
        case blocks = "n_blocks"
        case kernelSize = "kernel_size"
        case instructionSet = "instruction_set"
        case labelNames = "label_names"
    }
}
