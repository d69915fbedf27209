// A model file opened, but not yet held to be a gated PixelCNN: its form, tensors and declarations. It is what
// `inspect` shows of a file that does not load, and the first half of loading one.

import Support

/// The tensors of a file and what it says about them.
package struct ModelContents: Sendable {
    /// Path as it was given.
    package let path: String
    /// Size of the file.
    package let byteCount: Int
    /// Form of the file.
    package let format: ModelFormat
    /// The network's tensors and those beside it, in the file's order; what stands before the network's names, such as
    /// `module.`, is removed.
    package let tensors: [Tensor]
    /// Tensors whose numbers are not read, since no network has such.
    package let unread: [UnreadTensor]
    /// Which of the file's networks it is; nil where the file has none.
    package let copy: ModelCopy?
    /// Names of tensors that are those of copies left.
    let left: Set<String>
    /// What the file declares of its network.
    package let declared: DeclaredHyperparameters
    /// What a person should know and no error says.
    package let warnings: [ModelWarning]
    /// Texts that a safetensors file holds beside its tensors.
    package let metadata: [String: String]
    let file: ModelFile

    /// What a reader finds.
    struct Parts {
        let format: ModelFormat
        /// Where in the file they are.
        var path = ""
        var tensors: [Tensor] = []
        var unread: [UnreadTensor] = []
        var copy: ModelCopy?
        var left: Set<String> = []
        var declared = DeclaredHyperparameters()
        var warnings: [ModelWarning] = []
        var metadata: [String: String] = [:]

        init(format: ModelFormat, path: String = "") {
            self.format = format
            self.path = path
        }

        mutating func add(_ reading: TensorReading, name: String) {
            switch reading {
            case .tensor(let tensor): tensors.append(tensor.name == name ? tensor : tensor.renamed(name))
            case .unread(let type): unread.append(UnreadTensor(name: name, type: type, format: format, path: path))
            }
        }

        /// Takes one copy of the network, under its plain names, and what lies beside it, which may be other copies.
        ///
        /// - Parameters:
        ///   - failed: paths of further networks, which cannot be read.
        ///   - tensors: all of the copy's container, under their own names, numbered as its members are.
        mutating func take(
            _ copy: NetworkCopy, left: [NetworkCopy], failed: [String] = [], isUsual: Bool,
            of tensors: some Sequence<(Int, (name: String, reading: TensorReading))>
        ) {
            let names = Dictionary(copy.members.map { ($0.tensor, $0.name) }) { first, _ in first }
            let others = Set(left.flatMap { $0.members.map(\.tensor) })
            for (index, tensor) in tensors {
                if let name = names[index] {
                    add(tensor.reading, name: name)
                } else if !others.contains(index) {
                    add(tensor.reading, name: tensor.name)
                } else if !NetworkCopies.isPlain(tensor.name) {
                    self.left.insert(tensor.name)
                    add(tensor.reading, name: tensor.name)
                }
            }
            self.copy = ModelCopy(
                path: copy.path, left: left.map(\.path) + failed, isUsual: isUsual, isAverage: copy.isAverage)
        }
    }

    init(file: ModelFile, _ parts: Parts) {
        path = file.path
        byteCount = file.bytes.count
        format = parts.format
        tensors = parts.tensors
        unread = parts.unread
        copy = parts.copy
        left = parts.left
        declared = parts.declared
        warnings = (parts.copy?.warnings ?? []) + parts.warnings
        metadata = parts.metadata
        self.file = file
    }

    /// SHA-256 of the whole file, computed at each call.
    package func sha256() -> String { SHA256.hexadecimal(of: file.bytes) }

    /// The file's digest; of a copy of the network other than the usual one, the digest of that and the copy's path.
    func identity() -> String {
        let sha256 = sha256()
        guard let copy, !copy.isUsual else { return sha256 }
        return Array("\(sha256)\n\(copy.path)\n".utf8).withUnsafeBytes(SHA256.hexadecimal(of:))
    }

    /// Reads the file and finds its tensors, by content rather than by extension.
    ///
    /// - Parameter weights: which copy of the network to take, where the file has several: its dotted path, a part of
    ///   that, or the beginning of a part; nil for the usual one.
    /// - Throws: `ModelFileError` where the file is missing, damaged, of an unknown form, or refers to anything but
    ///   tensors, plain values and the network's modules.
    package static func read(path: String, weights: String? = nil) throws(ModelFileError) -> ModelContents {
        let file = try ModelFile(path: path)
        do throws(ModelFileError.Problem) {
            return try read(file, weights: weights)
        } catch {
            throw ModelFileError(file: path, error)
        }
    }

    private static func read(
        _ file: ModelFile, weights: String?
    ) throws(ModelFileError.Problem) -> ModelContents {
        let bytes = file.bytes
        if bytes.starts(with: [0x50, 0x4b]) {
            if let foreign = ForeignFile.inArchive(file) { throw .foreign(foreign) }
            return try PyTorchFile.read(file, weights: weights)
        }
        if LegacyPyTorchFile.starts(bytes) { return try LegacyPyTorchFile.read(file, weights: weights) }
        // A header's length in 8 bytes, whose upper ones are 0, and the header's brace.
        let isSafetensors = bytes.count > 8 && bytes[8] == UInt8(ascii: "{") && bytes[6] == 0 && bytes[7] == 0
        if !isSafetensors, let foreign = ForeignFile.recognised(file) { throw .foreign(foreign) }
        if isSafetensors || file.path.hasSuffix(".safetensors") {
            return try SafetensorsFile.read(file, weights: weights)
        }
        let first = bytes.prefix(8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
        throw .unknownFormat(firstBytes: first.joined(separator: " "))
    }
}

// MARK: - Parts of the contents

/// A tensor of a file, or why its numbers are not read.
enum TensorReading {
    case tensor(Tensor)
    case unread(type: String)
}

/// A tensor whose numbers are not read.
package struct UnreadTensor: Sendable, Equatable {
    package let name: String
    /// Its type as the file's format calls it, such as `complex64`, or what else it is.
    package let type: String
    /// Form of the file.
    package let format: ModelFormat
    /// Dotted path of the dictionary that it is in.
    package var path = ""

    /// False for a tensor of PyTorch's that stands for one whose numbers are not in the file.
    var hasNumbers: Bool { type != Self.meta && type != Self.uninitialised }

    /// Python's way from such a tensor to one of plain numbers.
    var toDense: String {
        switch type {
        case Self.sparse: ".to_dense()"
        case "qint8", "quint8", "qint32", Self.quantised: ".dequantize()"
        default: ""
        }
    }

    static let (meta, uninitialised, sparse, quantised) = ("meta", "uninitialised", "sparse", "quantised")
}

/// One of a file's networks.
package struct ModelCopy: Sendable, Equatable {
    /// Where it is: the dotted path of its dictionary, and what stands before its names there.
    package let path: String
    /// The paths of the others.
    package let left: [String]
    /// Whether it is the one that is taken where nothing is said.
    package let isUsual: Bool
    /// Whether its name says that it is an average of the trained weights.
    package let isAverage: Bool

    fileprivate var warnings: [ModelWarning] {
        if !left.isEmpty { return [.severalCopies(taken: path, left: NetworkCopies.shown(left), count: left.count)] }
        return isAverage ? [.averagedWeights(path: path)] : []
    }
}
