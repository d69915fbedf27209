// The models that come with the program. Their files are found by where the executable is, so that an installation can
// be moved and a build tree just works.

import Foundation

/// A bundled model, by the name that `--model` takes.
enum BundledModel: String, CaseIterable {
    case digits
    case emoji

    /// What is served where no model is named.
    static let standard = Self.digits

    var fileName: String {
        switch self {
        case .digits: "digits28.safetensors"
        case .emoji: "emoji32.safetensors"
        }
    }

    /// `../share/pixelcnn/` beside the executable's folder, else `Models/` of the source tree around it.
    ///
    /// - Returns: nil where neither holds the file.
    func find(executable: String? = Self.executablePath, fileManager: FileManager = .default) -> String? {
        guard let executable else { return nil }
        var folder = URL(fileURLWithPath: executable).deletingLastPathComponent()
        let shared = folder.deletingLastPathComponent().appendingPathComponent("share/pixelcnn/\(fileName)")
        if fileManager.fileExists(atPath: shared.path) { return shared.path }
        while folder.path != "/" {
            // A folder called Models proves nothing; one beside a package manifest is a source tree's.
            let manifest = folder.appendingPathComponent("Package.swift")
            let model = folder.appendingPathComponent("Models/\(fileName)")
            if fileManager.fileExists(atPath: manifest.path), fileManager.fileExists(atPath: model.path) {
                return model.path
            }
            folder.deleteLastPathComponent()
        }
        return nil
    }

    /// The kernel's word for it, whatever `argv[0]` says.
    static var executablePath: String? {
        try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    }
}
