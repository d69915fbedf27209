// Everything that can be wrong with a model file: the file, and one case per way to be wrong. Programs print
// `description` and exit with `exitCode`.

import Support

/// A model file that cannot be read or written, and why.
package struct ModelFileError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What is wrong, apart from the file's name.
    package enum Problem: Error, Sendable, Equatable {
        /// There is no such file.
        case noSuchFile
        /// The system does not let us read it, or it is not a regular file.
        case notReadable(reason: String)
        /// The output cannot be created or written.
        case cannotWrite(reason: String)
        /// The file has no bytes.
        case empty
        /// Neither a ZIP archive nor safetensors.
        case unknownFormat(firstBytes: String)
        /// A bare pickle.
        case barePickle
        /// The ZIP archive is damaged.
        case archive(ZIPError)
        /// The pickle is damaged or asks for what a model file may not ask for.
        case pickle(PickleError)
        /// The PyTorch file's structure or tensors are wrong.
        case pyTorch(PyTorchError)
        /// The safetensors file is wrong.
        case safetensors(SafetensorsError)
        /// The tensors are not those of a gated PixelCNN.
        case model(ModelDataError)
        /// The network's size is not an allowed one.
        case hyperparameters(HyperparametersError)
    }

    /// Path of the file as it was given.
    package let file: String
    /// What is wrong with it.
    package let problem: Problem

    /// An error about `file`.
    package init(file: String, _ problem: Problem) {
        self.file = file
        self.problem = problem
    }

    /// What a program ends with.
    package var exitCode: SystemExit {
        switch problem {
        case .noSuchFile, .notReadable: .noInput
        case .cannotWrite: .cannotCreate
        default: .dataError
        }
    }

    /// One line: file, what was found, what is allowed, what to do.
    package var description: String { "\(file): \(problem)" }
}

extension ModelFileError.Problem: CustomStringConvertible {
    /// One line: what was found, what is allowed, what to do.
    package var description: String {
        let forms = "a model is a file written by torch.save, or safetensors"
        return switch self {
        case .noSuchFile: "no such file"
        case .notReadable(let reason): "cannot be read: \(reason)"
        case .cannotWrite(let reason): "cannot be written: \(reason)"
        case .empty: "the file is empty; \(forms)"
        case .unknownFormat(let bytes): "unknown format, starting with bytes \(bytes); \(forms)"
        case .barePickle: "the file is a bare pickle; \(forms)"
        case .archive(let error): error.description
        case .pickle(let error): error.description
        case .pyTorch(let error): error.description
        case .safetensors(let error): error.description
        case .model(let error): error.description
        case .hyperparameters(let error): error.description
        }
    }
}
