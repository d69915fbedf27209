// What can be wrong with a PyTorch file once its ZIP archive and its pickle are readable.

/// A PyTorch file this reader refuses.
package enum PyTorchError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A ZIP archive without `data.pkl`, or with several.
    case notPyTorchArchive
    /// A TorchScript archive, which holds a program.
    case torchScript
    /// A part of a file without ZIP, as PyTorch wrote it before 1.6, that is not as it should be.
    case malformedLegacyFile(part: String, found: String, expected: String)
    /// Storages written on a big-endian machine, or with an unreadable `byteorder`.
    case unsupportedByteOrder(String)
    /// The pickle's value is neither a module, nor a state_dict, nor a checkpoint dictionary.
    case unexpectedContent(found: String)
    /// The whole module is of another class.
    case unexpectedClass(String)
    /// A dictionary without tensors; its keys as they are shown.
    case noTensors(keys: [String])
    /// A part of a module that is not as `torch.nn.Module` keeps it.
    case malformedModule(path: String, expected: String)
    /// Modules within modules, or names, beyond all measure; perhaps a module that contains itself.
    case tooDeep(path: String, limit: Int)
    /// More tensors than any network of ours has.
    case tooManyTensors(limit: Int)
    /// A tensor name beyond all measure.
    case nameTooLong(path: String, limit: Int)
    /// A tensor that is not as `torch.save` writes it.
    case malformedTensor(String)
    /// A storage whose element type is not one of those read.
    case unsupportedStorage(tensor: String, type: String)
    /// The file has no entry, or storage, for a tensor's numbers.
    case missingStorage(tensor: String, entry: String)
    /// An entry, or what is left of the file, has another size than the tensor's storage.
    case storageSizeMismatch(tensor: String, entry: String, found: Int, expected: Int)
    /// A tensor's offset, shape and strides reach outside its storage.
    case tensorOutsideStorage(tensor: String, shape: [Int], strides: [Int], offset: Int, storage: Int)
    /// A tensor has more elements than its storage, and so repeats some.
    case expandedTensor(String, count: Int, storage: Int)
    /// An activation or norm that computes something else than the network's.
    case wrongLayer(path: String, found: String, expected: String)

    /// One line: part of the file, what was found, what is expected.
    package var description: String {
        switch self {
        case .notPyTorchArchive:
            "the ZIP archive is not a PyTorch file: it should have one entry named */data.pkl"
        case .torchScript:
            "the file is a TorchScript archive, which holds a program; save the weights instead: "
                + "torch.save(model.state_dict(), path)"
        case .malformedLegacyFile(let part, let found, let expected):
            "the file, in the form PyTorch wrote before 1.6, is damaged: its \(part) is \(found); expected \(expected)"
        case .unsupportedByteOrder(let found):
            "the file's byte order is \(quoted(found)); only “little” is read: load and save it again with PyTorch on a "
                + "little-endian machine"
        case .unexpectedContent(let found):
            "the file holds \(found), neither a module nor a state_dict; "
                + "save torch.save(model.state_dict(), path)"
        case .unexpectedClass(let name):
            "the file holds a module of class \(quoted(name)); of whole modules only \(PickleGlobal.network) is read; if the "
                + "network is in it, save its weights alone: torch.save(model.state_dict(), path)"
        case .noTensors(let keys):
            "the file's dictionary holds no tensors and none of state_dict, model_state_dict, model; its keys are "
                + (keys.isEmpty ? "none" : keys.prefix(8).joined(separator: ", "))
                + "; save the model's state_dict alone, or under one of those keys"
        case .malformedModule(let path, let expected):
            "module \(quoted(path)) is damaged: it should have \(expected)"
        case .tooDeep(let path, let limit):
            "modules are nested more than \(limit) deep or too many at \(quoted(path)); does a module contain itself?"
        case .tooManyTensors(let limit):
            "the file has more than \(limit) tensors, more than any network of this kind"
        case .nameTooLong(let path, let limit):
            "the name \(quoted(path)) is longer than \(limit) bytes"
        case .malformedTensor(let name):
            "tensor \(quoted(name)) is not a dense tensor as torch.save writes it"
        case .unsupportedStorage(let tensor, let type):
            "tensor \(quoted(tensor)) has storage type \(quoted(type)); float, half, bfloat16, double, bool and integers "
                + "are read"
        case .missingStorage(let tensor, let entry):
            "tensor \(quoted(tensor)) has its numbers in \(quoted(entry)), which the file lacks"
        case .storageSizeMismatch(let tensor, let entry, let found, let expected):
            "tensor \(quoted(tensor)): \(quoted(entry)) has \(found) bytes, its storage \(expected)"
        case .tensorOutsideStorage(let tensor, let shape, let strides, let offset, let storage):
            "tensor \(quoted(tensor)), shape \(Shape.text(shape)), strides \(Shape.text(strides)), offset \(offset), "
                + "reaches outside its storage of \(storage) elements"
        case .expandedTensor(let name, let count, let storage):
            "tensor \(quoted(name)) repeats the \(storage) elements of its storage to \(count); save it contiguous"
        case .wrongLayer(let path, let found, let expected):
            "module \(quoted(path)) is \(found); the network has \(expected) there"
        }
    }
}
