// Everything that can be wrong with a model file, one case for each way to be wrong; what concerns one format stands
// with its reader. Programs print `description` and exit with `exitCode`.

import Support

/// A model file that cannot be read or written, and why.
package struct ModelFileError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What is wrong, apart from the file's name.
    package enum Problem: Error, Sendable, Equatable {
        /// There is no such file.
        case noSuchFile
        /// The system does not let us read it, or it is not a regular file.
        case notReadable(reason: String)
        /// The file had become shorter before it was read to its end.
        case cutShort(bytes: Int, of: Int)
        /// The output cannot be created or written.
        case cannotWrite(reason: String)
        /// The file has no bytes.
        case empty
        /// Neither PyTorch's ZIP archive nor the pickles that it wrote before, nor safetensors.
        case unknownFormat(firstBytes: String)
        /// A file of a known kind that is no model, or one part of a model.
        case foreign(ForeignFile)
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
    package var description: String { "\(file): \(problem)\(command.map { "; \($0)" } ?? "")" }

    /// What makes a file that is read of this one, where PyTorch is installed.
    private var command: String? {
        switch problem {
        case .pyTorch(.unexpectedClass(_, let path)):
            "where that code can be imported, and if you trust the file (reading it runs what it says), this saves the "
                + "weights alone: "
                + ForeignFile.python(
                    file, "torch.save(torch.load(FILE, weights_only=False)\(Self.keys(path)).state_dict(), OUT)")
        case .model(.unreadTensor(let tensor)) where tensor.format == .safetensors:
            "this converts them: "
                + ForeignFile.python(
                    file, "save_file({k: v.float() for k, v in load_file(FILE).items()}, OUT)",
                    importing: "torch; from safetensors.torch import load_file, save_file",
                    out: file.replacing(".safetensors", with: "") + "-float.safetensors")
        case .model(.unreadTensor(let tensor)) where tensor.format == .pyTorchStateDictionary && tensor.hasNumbers:
            "if you trust the file (reading it runs what it says), this converts a state_dict: "
                + ForeignFile.python(
                    file,
                    "s = torch.load(FILE, weights_only=False)\(Self.keys(tensor.path)); "
                        + "torch.save({k: torch.as_tensor(v)\(tensor.toDense).float() for k, v in s.items()}, OUT)")
        default: nil
        }
    }

    /// Python's way to a dotted path in dictionaries and lists.
    private static func keys(_ path: String) -> String {
        guard path.utf8.allSatisfy({ $0 == UInt8(ascii: ".") || PickleGlobal.isIdentifier($0) }) else { return "" }
        return path.split(separator: ".").map { Int($0) == nil ? "[\"\($0)\"]" : "[\($0)]" }.joined()
    }
}

extension ModelFileError.Problem: CustomStringConvertible {
    /// One line: what was found, what is allowed, what to do.
    package var description: String {
        let forms = "a model is a file written by torch.save, or safetensors"
        return switch self {
        case .noSuchFile: "no such file"
        case .notReadable(let reason): "cannot be read: \(reason)"
        case .cutShort(let bytes, let size):
            "was cut short while it was read, to \(bytes) of \(size) bytes; put a new file in its place by renaming it"
        case .cannotWrite(let reason): "cannot be written: \(reason)"
        case .empty: "the file is empty: copy or download it again; \(forms)"
        case .unknownFormat(let bytes): "unknown format, starting with bytes \(bytes); \(forms)"
        case .foreign(let file): file.description
        case .archive(let error): error.description
        case .pickle(let error): error.description
        case .pyTorch(let error): error.description
        case .safetensors(let error): error.description
        case .model(let error): error.description
        case .hyperparameters(let error): error.description
        }
    }
}

/// Tensors that are not those of a gated PixelCNN this program runs.
package enum ModelDataError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The network needs a tensor that is not there.
    case missingTensor(String)
    /// Two tensors have the same name.
    case duplicateTensor(String)
    /// A tensor has another shape than the rest of the file asks for.
    case shapeMismatch(tensor: String, expected: String, found: [Int])
    /// A weight is not stored as floating-point numbers.
    case unsupportedElementType(tensor: String, found: ElementType)
    /// A tensor that the network needs is of a type whose numbers are not read.
    case unreadTensor(UnreadTensor)
    /// The file has no such copy of the network; the paths of those it has.
    case noSuchWeights(String, found: [String])
    /// The file has several such copies of the network.
    case ambiguousWeights(String, found: [String])
    /// A weight is NaN or infinite, perhaps only once converted to float32.
    case notFinite(tensor: String, position: [Int])
    /// A number of rows, say, is no whole number.
    case notWhole(tensor: String)
    /// A stored mask differs from the one its layer must have.
    case maskMismatch(tensor: String, position: [Int], expected: Bool)
    /// What the file declares differs from what its shapes say.
    case contradiction(field: String, declared: Int, shapes: Int, tensor: String)
    /// The tensors together are larger than the file: many are views of the same numbers.
    case tensorsExceedFile(tensorBytes: Int, fileBytes: Int)
    /// The file is of another network: of this family, where it is a known one, as these tensors say.
    case otherNetwork(NetworkFamily?, evidence: String)
    /// A weight is computed from other tensors, in a way that cannot be told from them.
    case reparametrized(tensor: String, from: String)
    /// A file never says how large the images of this network are.
    case unknownImageSize(Network)
    /// The network has other blocks than the published ones, whose dilations no file says.
    case unknownDilations(blocks: Int, published: [Int])
    /// A tensor that the network does not have.
    case unexpectedTensor(String, Network)
    /// A variance is below 0.
    case negativeVariance(tensor: String, position: [Int])
    /// There are names for another number of classes than the network has.
    case labelNameCount(found: Int, labels: Int)
    /// The name of a class is empty, too long, holds control characters, or is the number of another class.
    case unusableLabelName(String, label: Int)
    /// Two classes have the same name, letter case apart.
    case duplicateLabelName(String)

    /// One line: tensor, what was found, what is expected, what to do.
    package var description: String {
        switch self {
        case .missingTensor(let name):
            "tensor \(quoted(name)) is missing; a gated PixelCNN has it"
        case .duplicateTensor(let name):
            "tensor \(quoted(name)) appears twice"
        case .shapeMismatch(let tensor, let expected, let found):
            "tensor \(quoted(tensor)) has shape \(Shape.text(found)); expected \(expected)"
        case .unsupportedElementType(let tensor, let found):
            "tensor \(quoted(tensor)) holds \(found.rawValue); weights are f32, f16, bf16 or f64: save "
                + "{k: v.float() for k, v in model.state_dict().items()}"
        case .unreadTensor(let tensor) where !tensor.hasNumbers:
            "tensor \(quoted(tensor.name)) is \(tensor.type): it has no numbers; load the trained weights into the "
                + "model, then save model.state_dict()"
        case .unreadTensor(let tensor):
            "tensor \(quoted(tensor.name)) is \(tensor.type); weights are float32, float16, bfloat16 or float64"
        case .noSuchWeights(let name, let found):
            "the file has no weights \(quoted(name)); it has \(Self.list(found))"
        case .ambiguousWeights(let name, let found):
            "several weights of the file are called \(quoted(name)): \(Self.list(found)); choose one of these"
        case .notFinite(let tensor, let position):
            "tensor \(quoted(tensor)) is not a finite float32 number at \(Shape.text(position)); "
                + "was training diverging?"
        case .notWhole(let tensor):
            "tensor \(quoted(tensor)) is not a whole number; it says a size"
        case .maskMismatch(let tensor, let position, let expected):
            "mask \(quoted(tensor)) should be \(expected) at \(Shape.text(position)); with this mask the network is "
                + "not the gated PixelCNN"
        case .contradiction(let field, let declared, let shapes, let tensor):
            "the file declares \(field) \(declared), but the shape of \(quoted(tensor)) makes it \(shapes)"
        case .tensorsExceedFile(let tensorBytes, let fileBytes):
            "the tensors take \(tensorBytes) bytes, the file \(fileBytes): too many share their numbers; save each "
                + "contiguous and its own"
        case .otherNetwork(let family, let evidence):
            "the file is of another network\(family.map { ", \($0.name)" } ?? "") (it has \(evidence)); "
                + "what runs here are gated PixelCNNs of two stacks, which docs/MODEL.md lists: "
                + (family?.next
                    ?? "name the file of such a network; pixelcnn-train inspect lists all of this one's tensors")
        case .reparametrized(let tensor, let source):
            "tensor \(quoted(tensor)) is computed from \(quoted(source)) in a way that the file does not say; save the "
                + "weights without it, in Python with the network's own code: for m in model.modules(): "
                + "[torch.nn.utils.parametrize.remove_parametrizations(m, n) for n in "
                + "list(getattr(m, \"parametrizations\", []))], then torch.save(model.state_dict(), path)"
        case .unknownImageSize(let network):
            "the file does not say how large its images are; those of \(network.title) never do: name both sides, "
                + "with --height and --width"
        case .unknownDilations(let blocks, let published):
            "the network has \(blocks) blocks, whose dilations no file says; only the published "
                + "\(published.count) are known, " + published.map(String.init).joined(separator: ", ")
        case .unexpectedTensor(let name, let network):
            "tensor \(quoted(name)) does not belong to \(network.title), whose names the file has"
        case .negativeVariance(let tensor, let position):
            "tensor \(quoted(tensor)) is negative at \(Shape.text(position)); a variance is 0 or more"
        case .labelNameCount(let found, let labels):
            "there are \(found) names of classes for \(labels) classes; each class has one, or none has"
        case .unusableLabelName(let name, let label):
            "class \(label) has the name \(quoted(name)); a name is 1 to \(LabelNames.lengthLimit) printable "
                + "characters, and no other class's number"
        case .duplicateLabelName(let name):
            "two classes have the name \(quoted(name)), letter case apart"
        }
    }
}

extension ModelDataError {
    private static func list(_ paths: [String]) -> String {
        paths.map { $0.isEmpty ? "those without a path (“.”)" : quoted($0) }.joined(separator: ", ")
    }
}
