// Where a model came from: shown by `inspect`, by the daemon's /v1/model, and in every answer's PixelCNN-Model header.

/// File, form and identity of a loaded model.
package struct ModelSource: Sendable, Equatable {
    /// Path as it was given; empty for a model made in memory.
    package let path: String
    /// Size of the file, or of the parameters in memory.
    package let byteCount: Int
    /// SHA-256 in lower-case hexadecimal: of the file, or of the parameters in memory.
    package let sha256: String
    /// Form of the file.
    package let format: ModelFormat
    /// What a person should know and no error says.
    package let warnings: [String]
}
