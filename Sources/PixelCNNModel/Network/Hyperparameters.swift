// The nine numbers that fix a gated PixelCNN: image size, values a channel, the network's widths, and its classes.
//
// Every limit is checked once, here, so that code behind it may multiply any of them without a thought of overflow:
// with all fields at their limits the parameter count still fits an Int.

/// Size of the images and of the network; valid by construction.
package struct Hyperparameters: Sendable, Equatable {
    /// C: image channels (colours), and the number of colour groups every feature map splits into.
    package let channels: Int
    /// H: image rows.
    package let height: Int
    /// W: image columns.
    package let width: Int
    /// d: values a channel can take, 0 … d − 1.
    package let colors: Int
    /// L: gated blocks.
    package let blocks: Int
    /// F: feature channels; divisible by C.
    package let filters: Int
    /// k: kernel size of the gated blocks; odd, at least 3.
    package let kernelSize: Int
    /// Width between the two output layers; divisible by C.
    package let hidden: Int
    /// Classes that an image may be of, numbered from 0; 0 where the network is unconditional.
    package let labels: Int

    /// g = F / C: feature channels in a colour group.
    package var groupSize: Int { filters / channels }

    /// p = k / 2: rows and columns of context on each side.
    package var padding: Int { kernelSize / 2 }

    /// Whether every image is drawn, scored and trained under a label, 0 … `labels` − 1.
    package var isConditional: Bool { labels > 0 }

    /// Whether an image may have this class: one of the network's, or none where it is unconditional.
    package func accepts(label: Int?) -> Bool {
        if let label { (0..<labels).contains(label) } else { !isConditional }
    }

    /// Checks and stores the nine numbers; the defaults are the published network.
    ///
    /// - Throws: `HyperparametersError` naming the first field out of range, even, or not divisible by `channels`.
    package init(
        channels: Int = 3, height: Int = 32, width: Int = 32, colors: Int = 256, blocks: Int = 15, filters: Int = 120,
        kernelSize: Int = 3, hidden: Int = 768, labels: Int = 0
    ) throws(HyperparametersError) {
        try Self.check("channels", channels, Self.channelLimits)
        try Self.check("height", height, Self.sideLimits)
        try Self.check("width", width, Self.sideLimits)
        try Self.check("colors", colors, Self.colorLimits)
        try Self.check("blocks", blocks, Self.blockLimits)
        try Self.check("filters", filters, Self.filterLimits)
        try Self.check("kernelSize", kernelSize, Self.kernelLimits)
        try Self.check("hidden", hidden, Self.filterLimits)
        try Self.check("labels", labels, Self.labelLimits)
        guard kernelSize % 2 == 1 else { throw .evenKernel(found: kernelSize) }
        guard filters % channels == 0 else {
            throw .notDivisible(field: "filters", found: filters, channels: channels)
        }
        guard hidden % channels == 0 else {
            throw .notDivisible(field: "hidden", found: hidden, channels: channels)
        }
        self.channels = channels
        self.height = height
        self.width = width
        self.colors = colors
        self.blocks = blocks
        self.filters = filters
        self.kernelSize = kernelSize
        self.hidden = hidden
        self.labels = labels
    }

    // Wide enough for any image network; narrow enough that no product of them overflows.
    static let channelLimits = 1...256
    /// What `height` and `width` may be.
    package static let sideLimits = 1...4096
    static let colorLimits = 2...65536  // with one value there is nothing to normalise by; samples are at most 16 bits
    static let blockLimits = 1...512
    static let filterLimits = 1...65536
    static let kernelLimits = 3...255
    static let labelLimits = 0...65536

    private static func check(_ field: String, _ found: Int, _ allowed: ClosedRange<Int>) throws(HyperparametersError) {
        guard allowed.contains(found) else { throw .outOfRange(field: field, found: found, allowed: allowed) }
    }
}

extension Hyperparameters: Codable {
    private enum CodingKeys: String, CodingKey {
        case channels, height, width, colors, blocks, filters, kernelSize, hidden, labels
    }

    /// Decodes all fields, `labels` where it is there, and validates them as `init` does.
    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        try self.init(
            channels: fields.decode(Int.self, forKey: .channels),
            height: fields.decode(Int.self, forKey: .height),
            width: fields.decode(Int.self, forKey: .width),
            colors: fields.decode(Int.self, forKey: .colors),
            blocks: fields.decode(Int.self, forKey: .blocks),
            filters: fields.decode(Int.self, forKey: .filters),
            kernelSize: fields.decode(Int.self, forKey: .kernelSize),
            hidden: fields.decode(Int.self, forKey: .hidden),
            labels: fields.decodeIfPresent(Int.self, forKey: .labels) ?? 0)
    }
}
