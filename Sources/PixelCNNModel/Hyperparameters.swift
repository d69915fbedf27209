// The nine numbers that fix a gated PixelCNN: image size, values per channel, the network's widths, and its classes.
//
// `Field` is the table of them. What may be said about one is said there once: limits, where files declare it, which
// tensor shows it; checks, readers, writers and messages follow from it. Every limit is checked here, so that code
// behind it may multiply any of them without a thought of overflow: with all at their limits the parameter count fits
// an Int.

/// Size of the images and of the network; valid by construction. The defaults are the published network.
package struct Hyperparameters: Sendable, Equatable {
    /// C: image channels (colours), and the number of colour groups every feature map splits into.
    package private(set) var channels = 3
    /// H: image rows.
    package private(set) var height = 32
    /// W: image columns.
    package private(set) var width = 32
    /// d: values a channel can take, 0 … d − 1.
    package private(set) var colors = 256
    /// L: gated blocks.
    package private(set) var blocks = 15
    /// F: feature channels; divisible by C.
    package private(set) var filters = 120
    /// k: kernel size of the gated blocks; odd, at least 3.
    package private(set) var kernelSize = 3
    /// Width between the two output layers; divisible by C.
    package private(set) var hidden = 768
    /// Classes that an image may be of, numbered from 0; 0 where the network is unconditional.
    package private(set) var labels = 0
    /// Whose network it is. The numbers above are all there is to say of the original's; what more another one needs,
    /// its description has.
    package private(set) var network = Network.original

    /// Checks and stores the nine numbers; see `init(_:)`.
    package init(
        channels: Int = 3, height: Int = 32, width: Int = 32, colors: Int = 256, blocks: Int = 15, filters: Int = 120,
        kernelSize: Int = 3, hidden: Int = 768, labels: Int = 0
    ) throws(HyperparametersError) {
        try self.init([
            .channels: channels, .height: height, .width: width, .colors: colors, .blocks: blocks, .filters: filters,
            .kernelSize: kernelSize, .hidden: hidden, .labels: labels,
        ])
    }

    /// g = F / C: feature channels in a colour group.
    package var groupSize: Int { filters / channels }

    /// p = k / 2: rows and columns of context on each side.
    package var padding: Int { kernelSize / 2 }

    /// Whether every image is drawn, scored and trained under a label, 0 … `labels` − 1.
    package var isConditional: Bool { labels > 0 }

    /// Whether the values are codes, and no levels: a prior's, however few, and all of more than 256.
    package var readsCodes: Bool { network == .vqvaePrior || colors > 256 }

    /// Whether an image may have this class: one of the network's, or none where it is unconditional.
    package func accepts(label: Int?) -> Bool {
        if let label { (0..<labels).contains(label) } else { !isConditional }
    }
}

// MARK: - The table

extension Hyperparameters {
    /// One of the numbers. The raw value goes into the digests of checkpoints.
    package enum Field: String, Sendable, CaseIterable {
        case channels, height, width, colors, blocks, filters, kernelSize, hidden, labels

        /// What is said about a field.
        package struct Line {
            /// Where the number is kept.
            fileprivate let path: WritableKeyPath<Hyperparameters, Int>
            /// Its name in a file's metadata and in messages.
            let key: String
            /// The attribute that declares it in a whole PyTorch module; nil where none does.
            let attribute: String?
            /// The tensor whose shape shows it; nil where no shape does, so that a caller may choose it.
            let tensor: String?
            /// Wide enough for any image network; narrow enough that no product of them overflows.
            package let limits: ClosedRange<Int>
            /// Whether it splits into equal groups, one for each image channel.
            var isGrouped = false
            /// The value that may be left out in metadata, if there is one.
            var optional: Int?
        }

        /// The table's line.
        package var line: Line {
            switch self {
            case .channels:
                Line(path: \.channels, key: "channels", attribute: nil, tensor: "in_conv.0.weight", limits: 1...256)
            case .height: Line(path: \.height, key: "height", attribute: nil, tensor: nil, limits: 1...4096)
            case .width: Line(path: \.width, key: "width", attribute: nil, tensor: nil, limits: 1...4096)
            case .colors:  // with one value there is nothing to normalise by; samples are at most 16 bits
                Line(
                    path: \.colors, key: "colors", attribute: "n_colors", tensor: "out_conv.2.weight",
                    limits: 2...65536)
            case .blocks:
                Line(path: \.blocks, key: "blocks", attribute: "n_blocks", tensor: "gated_layers", limits: 1...512)
            case .filters:
                Line(
                    path: \.filters, key: "filters", attribute: "filters", tensor: "in_conv.0.weight",
                    limits: 1...65536, isGrouped: true)
            case .kernelSize:
                Line(
                    path: \.kernelSize, key: "kernel_size", attribute: "kernel_size",
                    tensor: "gated_layers.0.v_conv.weight", limits: 3...255)
            case .hidden:
                Line(
                    path: \.hidden, key: "hidden", attribute: nil, tensor: "out_conv.0.weight", limits: 1...65536,
                    isGrouped: true)
            case .labels:
                Line(
                    path: \.labels, key: "labels", attribute: "n_labels", tensor: "gated_layers.0.v_label.weight",
                    limits: 0...65536, optional: 0)
            }
        }

        /// Its key in the `__metadata__` of the safetensors files written here.
        package var metadataKey: String { "pixelcnn.\(line.key)" }
    }

    /// A field's number.
    package subscript(field: Field) -> Int { self[keyPath: field.line.path] }

    /// Checks and stores the numbers; those not given are the published network's.
    ///
    /// - Throws: `HyperparametersError` naming the first field out of range, even, or, of the original's network, not
    ///   divisible by `channels`.
    package init(_ values: [Field: Int], network: Network = .original) throws(HyperparametersError) {
        self.network = network
        for (field, value) in values { self[keyPath: field.line.path] = value }
        for field in Field.allCases {
            let limits = field.line.limits
            guard limits.contains(self[field]) else {
                throw .outOfRange(field: field.line.key, found: self[field], allowed: limits)
            }
        }
        guard kernelSize % 2 == 1 else { throw .evenKernel(found: kernelSize) }
        for field in Field.allCases where field.line.isGrouped && network == .original {
            guard self[field] % channels == 0 else {
                throw .notDivisible(field: field.line.key, found: self[field], channels: channels)
            }
        }
    }

    /// What `height` and `width` may be.
    package static var sideLimits: ClosedRange<Int> { Field.height.line.limits }
}

// MARK: - What files declare

/// What a file says about its network beside the tensors: attributes of a whole module, or metadata of safetensors.
/// Shapes decide; what is declared is held against them, and adds the image size, which no shape shows.
package struct DeclaredHyperparameters: Sendable, Equatable {
    /// The numbers declared; none need be there.
    package var values: [Hyperparameters.Field: Int] = [:]
    /// Names of the classes, by number; empty where none are declared.
    package var labelNames: [String] = []

    /// Key of the names in the `__metadata__` of safetensors: a JSON array of texts.
    package static let labelNamesKey = "pixelcnn.label_names"

    /// Nothing declared.
    package init() {}
}

// MARK: - Errors

/// A hyperparameter outside what a gated PixelCNN allows: one case for each rule, naming the field.
package enum HyperparametersError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The field is smaller or larger than the network, or this program, allows.
    case outOfRange(field: String, found: Int, allowed: ClosedRange<Int>)
    /// The kernel has no centre.
    case evenKernel(found: Int)
    /// Feature channels cannot split into equal colour groups.
    case notDivisible(field: String, found: Int, channels: Int)

    /// One line: field, value, rule.
    package var description: String {
        switch self {
        case .outOfRange(let field, let found, let allowed):
            "\(field) is \(found); allowed are \(allowed.lowerBound) to \(allowed.upperBound)"
        case .evenKernel(let found):
            "kernel_size is \(found); it must be odd, so that the kernel has a centre"
        case .notDivisible(let field, let found, let channels):
            "\(field) is \(found); it must be a multiple of \(channels), a group for each image channel"
        }
    }
}
