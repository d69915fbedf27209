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
    /// All tensors, in the file's order, a prefix such as `module.` removed.
    package let tensors: [Tensor]
    /// What the file declares of its network.
    package let declared: DeclaredHyperparameters
    /// What a person should know and no error says.
    package let warnings: [ModelWarning]
    /// Texts that a safetensors file holds beside its tensors.
    package let metadata: [String: String]
    let file: ModelFile

    init(
        file: ModelFile, format: ModelFormat, tensors: [Tensor], declared: DeclaredHyperparameters,
        warnings: [ModelWarning] = [], metadata: [String: String] = [:]
    ) {
        path = file.path
        byteCount = file.bytes.count
        self.format = format
        self.tensors = tensors
        self.declared = declared
        self.warnings = warnings
        self.metadata = metadata
        self.file = file
    }

    /// SHA-256 of the whole file, computed at each call.
    package func sha256() -> String { SHA256.hexadecimal(of: file.bytes) }

    /// Reads the file and finds its tensors, by content rather than by extension.
    ///
    /// - Throws: `ModelFileError` where the file is missing, damaged, of an unknown form, or refers to anything but
    ///   tensors, plain values and the network's modules.
    package static func read(path: String) throws(ModelFileError) -> ModelContents {
        let file = try ModelFile(path: path)
        do throws(ModelFileError.Problem) {
            return try read(file)
        } catch {
            throw ModelFileError(file: path, error)
        }
    }

    private static func read(_ file: ModelFile) throws(ModelFileError.Problem) -> ModelContents {
        let bytes = file.bytes
        if bytes.starts(with: [0x50, 0x4b]) {
            if let foreign = ForeignFile.inArchive(file) { throw .foreign(foreign) }
            return try PyTorchFile.read(file)
        }
        if LegacyPyTorchFile.starts(bytes) { return try LegacyPyTorchFile.read(file) }
        // A header's length in 8 bytes, whose upper ones are 0, and the header's brace.
        let isSafetensors = bytes.count > 8 && bytes[8] == UInt8(ascii: "{") && bytes[6] == 0 && bytes[7] == 0
        if !isSafetensors, let foreign = ForeignFile.recognised(file) { throw .foreign(foreign) }
        if isSafetensors || file.path.hasSuffix(".safetensors") { return try SafetensorsFile.read(file) }
        let first = bytes.prefix(8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
        throw .unknownFormat(firstBytes: first.joined(separator: " "))
    }
}
