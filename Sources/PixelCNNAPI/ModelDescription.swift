// What `GET /v1/model` answers. It is also all that the routes know of the model: they never see a tensor.

/// The served model, its file and the machine's way of running it.
public struct ModelDescription: Sendable, Equatable, Codable {
    /// Channels of an image (C).
    public var channels: Int
    /// Rows of an image (H), unless a request says otherwise.
    public var height: Int
    /// Columns of an image (W), unless a request says otherwise.
    public var width: Int
    /// Values that a channel can take (d).
    public var colors: Int
    /// Gated blocks (L).
    public var blocks: Int
    /// Feature channels (F).
    public var filters: Int
    /// Kernel size of the gated blocks (k).
    public var kernelSize: Int
    /// Width between the two output layers.
    public var hidden: Int
    /// Number of parameters.
    public var parameters: Int
    /// Number of classes; 0 for an unconditional model.
    public var labels: Int
    /// Names of the classes, by number; empty where they have none.
    public var labelNames: [String]
    /// Path of the file.
    public var file: String
    /// Size of the file, in bytes.
    public var bytes: Int
    /// Format of the file, such as `safetensors`.
    public var format: String
    /// SHA-256 of the file, in lower-case hexadecimal.
    public var sha256: String
    /// What the loader found odd, yet harmless.
    public var warnings: [String]
    /// How the weights are kept: `f32`, or `bf16`, whose values are its own.
    public var precision: String
    /// The instruction set that the kernels use.
    public var instructionSet: String
    /// Number of compute threads.
    public var threads: Int
    /// Version of the daemon.
    public var version: String
    /// The most that one request may ask for.
    public var limits: RequestLimits

    /// A description, field by field.
    public init(
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
    public var isShownAsPNG: Bool { (self.channels == 1 || self.channels == 3) && self.colors <= 256 }

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
