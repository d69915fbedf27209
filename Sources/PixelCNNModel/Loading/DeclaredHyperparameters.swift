// What a file says about its network beside the tensors: attributes of a whole module, or metadata of safetensors.
// Shapes decide; what is declared is held against them, and adds the image size, which no shape shows.

/// Hyperparameters as a file declares them; none need be there.
package struct DeclaredHyperparameters: Sendable, Equatable {
    /// A declared number; the raw value is its name in safetensors metadata, after `pixelcnn.`.
    package enum Field: String, Sendable, CaseIterable {
        /// C: image channels.
        case channels
        /// H: image rows.
        case height
        /// W: image columns.
        case width
        /// d: values a channel can take.
        case colors
        /// L: gated blocks.
        case blocks
        /// F: feature channels.
        case filters
        /// k: kernel size of the gated blocks.
        case kernelSize = "kernel_size"
        /// Width between the output layers.
        case hidden
        /// Classes of a conditional network.
        case labels

        /// Key in the `__metadata__` of the safetensors files written here.
        package var metadataKey: String { "pixelcnn.\(rawValue)" }
    }

    /// The numbers declared.
    package var values: [Field: Int] = [:]
    /// Names of the classes, by number; empty where none are declared.
    package var labelNames: [String] = []

    /// Key of the names in the `__metadata__` of safetensors: a JSON array of texts.
    package static let labelNamesKey = "pixelcnn.label_names"

    /// Nothing declared.
    package init() {}

    /// All of a network's numbers.
    init(_ hyperparameters: Hyperparameters) {
        values = [
            .channels: hyperparameters.channels, .height: hyperparameters.height, .width: hyperparameters.width,
            .colors: hyperparameters.colors, .blocks: hyperparameters.blocks, .filters: hyperparameters.filters,
            .kernelSize: hyperparameters.kernelSize, .hidden: hyperparameters.hidden, .labels: hyperparameters.labels,
        ]
    }
}
