// What can be wrong with a pickle, or be more than a model file's pickle may ask for.

/// A pickle this reader refuses; `at` is the byte of the pickle.
package enum PickleError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The pickle names a function or class that is not on the short list of what models are made of.
    case refusedGlobal(String)
    /// The pickle calls something other than the few listed constructors, or with other arguments than they take.
    case refusedCall(String)
    /// An instruction that `torch.save` does not write.
    case unsupportedInstruction(UInt8, at: Int)
    /// A pickle protocol newer than 5.
    case unsupportedProtocol(Int)
    /// The pickle ends before its last instruction does.
    case truncated(at: Int)
    /// An instruction finds fewer or other values than it works on.
    case wrongOperand(at: Int)
    /// An instruction recalls a value that was never stored.
    case unknownMemo(Int, at: Int)
    /// Text that is not UTF-8.
    case invalidText(at: Int)
    /// The pickle is larger than any model's description.
    case tooLarge(bytes: Int, limit: Int)
    /// The pickle's values would take more memory than a file of its size may ask for.
    case tooManyValues(at: Int, bytes: Int)
    /// The pickle has more instructions than any model's description.
    case tooManyInstructions(limit: Int)

    /// One line: what the pickle asks for, and what to do.
    package var description: String {
        let remedy = "save the weights alone: torch.save(model.state_dict(), path)"
        switch self {
        case .refusedGlobal(let name) where name.hasPrefix("numpy"):
            return "refuses \(quoted(name)): NumPy values are not read; \(remedy)"
        case .refusedGlobal(let name) where name.hasSuffix("PixelCNN"):
            return "refuses class \(quoted(name)): of whole modules only \(PickleGlobal.network) is read; if it is the "
                + "same network, \(remedy)"
        case .refusedGlobal(let name):
            return "refuses global \(quoted(name)): a model file holds only tensors, plain values and the network's "
                + "modules, and nothing in it is executed; if the file is yours, \(remedy)"
        case .refusedCall(let name):
            return "refuses to call \(quoted(name)) as the pickle asks; if the file is yours, \(remedy)"
        case .unsupportedInstruction(let code, let position):
            return "the pickle has instruction 0x\(String(code, radix: 16)) at byte \(position), which torch.save does "
                + "not write; \(remedy)"
        case .unsupportedProtocol(let version):
            return "the pickle's protocol is \(version); 2 to 5 are read"
        case .truncated(let position):
            return "the pickle ends inside the instruction at byte \(position); copy or download the file again"
        case .wrongOperand(let position):
            return "the pickle is damaged: the instruction at byte \(position) finds no value it could work on"
        case .unknownMemo(let index, let position):
            return "the pickle is damaged: byte \(position) recalls value \(index), which was never stored"
        case .invalidText(let position):
            return "the pickle is damaged: the text at byte \(position) is not UTF-8"
        case .tooLarge(let bytes, let limit):
            return "the pickle takes \(bytes) bytes, more than the \(limit) a model needs; \(remedy)"
        case .tooManyValues(let position, let bytes):
            return "the pickle's values would take more than \(bytes) bytes of memory at byte \(position), more than a "
                + "model of this size needs; \(remedy)"
        case .tooManyInstructions(let limit):
            return "the pickle has more than \(limit) instructions; \(remedy)"
        }
    }
}
