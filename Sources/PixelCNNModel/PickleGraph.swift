// What a pickle describes, as a table of nodes that refer to one another by number.
//
// Numbers rather than references: a structure that contains itself is then only a number and leaks nothing, and one
// nested a million deep is freed by a loop, not by a recursion that would end on the guard page.

import Support

/// The nodes of a pickle and the value it ends with.
struct PickleGraph {
    let nodes: [PickleNode]
    let root: PickleValue
    /// What dictionaries have beside their items (Python attributes), by the dictionary's node.
    let attributes: [Int: PickleValue]

    /// The node a value refers to, or nil for simple values.
    func node(_ value: PickleValue?) -> PickleNode? {
        guard case .node(let number)? = value else { return nil }
        return nodes[number]
    }

    /// The elements of a tuple.
    func tuple(_ value: PickleValue?) -> [PickleValue]? {
        guard case .tuple(let items)? = node(value) else { return nil }
        return items
    }

    /// The pairs of a dictionary.
    func dictionary(_ value: PickleValue?) -> [(key: PickleValue, value: PickleValue)]? {
        guard case .dictionary(let items)? = node(value) else { return nil }
        return items
    }

    /// The attributes of a dictionary; a state_dict has `_metadata`, for one.
    func attributes(_ value: PickleValue) -> [(key: PickleValue, value: PickleValue)]? {
        guard case .node(let number) = value else { return nil }
        return dictionary(attributes[number])
    }

    /// The texts of a tuple or a list of nothing else.
    func texts(_ value: PickleValue) -> [String]? {
        switch node(value) {
        case .tuple(let items), .list(let items):
            let texts = items.compactMap { if case .string(let text) = $0 { text } else { nil } }
            return texts.count == items.count ? texts : nil
        default: return nil
        }
    }

    /// The integers of a shape: a tuple, a list or a `torch.Size`; nil beyond `Shape.maximumRank` of them.
    func integers(_ value: PickleValue?) -> [Int]? {
        let items: [PickleValue]
        switch node(value) {
        case .tuple(let elements), .list(let elements): items = elements
        case .call(let global, let arguments) where global.path == "torch.Size":
            guard let elements = tuple(arguments), elements.count == 1, let sizes = tuple(elements[0]) else {
                return nil
            }
            items = sizes
        default: return nil
        }
        guard items.count <= Shape.maximumRank else { return nil }
        var integers: [Int] = []
        for item in items {
            guard case .int(let integer) = item else { return nil }
            integers.append(integer)
        }
        return integers
    }

    /// The value under a text key of a dictionary; as in Python, the last one stored.
    func value(_ key: String, in dictionary: [(key: PickleValue, value: PickleValue)]) -> PickleValue? {
        dictionary.last { $0.key == .string(key) }?.value
    }

    /// A value in a word or two, for messages.
    func summary(_ value: PickleValue) -> String {
        switch value {
        case .none: "None"
        case .bool(let value): value ? "True" : "False"
        case .int(let value): "\(value)"
        case .float(let value): "\(value)"
        case .string(let text): quoted(text)
        case .ignored: "bytes or a large integer"
        case .node(let number):
            switch nodes[number] {
            case .tuple: "a tuple"
            case .list: "a list"
            case .dictionary: "a dictionary"
            case .set: "a set"
            case .global(let global): quoted(global.path)
            case .call(let global, _): global.kind == .rebuildTensor ? "a tensor" : "a \(quoted(global.path))"
            case .object(let global, _): "a \(quoted(global.path))"
            case .persistent: "a storage"
            }
        }
    }
}

/// A value: itself where it is simple, else the number of its node.
enum PickleValue: Equatable {
    case none
    case bool(Bool)
    case int(Int)
    case float(Double)
    case string(String)
    case node(Int)
    /// Bytes and integers beyond 64 bits: read past, since no model needs them.
    case ignored
}

/// A value made of other values.
enum PickleNode {
    case tuple([PickleValue])
    case list([PickleValue])
    case dictionary([(key: PickleValue, value: PickleValue)])
    case set
    /// A function or class, by name.
    case global(PickleGlobal)
    /// A constructor and its arguments, a tuple.
    case call(PickleGlobal, arguments: PickleValue)
    /// An instance of a module class and its `__dict__`.
    case object(PickleGlobal, state: PickleValue)
    /// A reference to something outside the pickle: for PyTorch, a storage.
    case persistent(PickleValue)
}

// MARK: - What a pickle may name

/// A function or class that a pickle names.
struct PickleGlobal: Equatable {
    /// What a name stands for.
    enum Kind: Equatable {
        case orderedDictionary
        case rebuildTensor
        case rebuildParameter
        /// A storage class; nil for element types that no network of ours has.
        case storage(ElementType?)
        /// A class whose instances are plain attributes and children.
        case module
        /// A constructor of a value that does not concern a model, such as a set of hook names.
        case incidental
    }

    /// Module and name, such as `torch._utils._rebuild_tensor_v2`.
    let path: String
    let kind: Kind

    init(module: String, name: String) throws(PickleError) {
        guard module.utf8.count <= Self.lengthLimit, name.utf8.count <= Self.lengthLimit else {
            throw .refusedGlobal("\(module.prefix(Self.lengthLimit))…")
        }
        path = "\(module).\(name)"
        if let kind = Self.listed[path] {
            self.kind = kind
        } else if module.hasPrefix("torch.nn.modules."), Self.isIdentifier(name) {
            kind = .module  // never run, so any layer's class may be named
        } else {
            throw .refusedGlobal(path)
        }
    }

    /// A few bytes of pickle can name the same long text again and again; joined, each would take its full length.
    private static let lengthLimit = 128

    /// The class of a whole network's module.
    static let network = "pixelcnn.PixelCNN"

    private static func isIdentifier(_ name: String) -> Bool {
        name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }

    /// Bytes an element of a storage class takes; nil for what is no storage.
    var storageWidth: Int? {
        guard case .storage(let type) = kind else { return nil }
        return type?.size ?? (path == "torch.ComplexDoubleStorage" ? 16 : 8)
    }

    private static let listed: [String: Kind] = [
        "collections.OrderedDict": .orderedDictionary,
        "torch._utils._rebuild_tensor_v2": .rebuildTensor,
        "torch._utils._rebuild_parameter": .rebuildParameter,

        network: .module,
        "conv2d_gated.GatedConv2d": .module,
        "conv2d_mask.MaskConv2d": .module,
        "positional_norm.PositionalNorm": .module,

        "torch.DoubleStorage": .storage(.f64),
        "torch.FloatStorage": .storage(.f32),
        "torch.HalfStorage": .storage(.f16),
        "torch.BFloat16Storage": .storage(.bf16),
        "torch.LongStorage": .storage(.i64),
        "torch.IntStorage": .storage(.i32),
        "torch.ShortStorage": .storage(.i16),
        "torch.CharStorage": .storage(.i8),
        "torch.ByteStorage": .storage(.u8),
        "torch.BoolStorage": .storage(.bool),
        "torch.ComplexFloatStorage": .storage(nil),
        "torch.ComplexDoubleStorage": .storage(nil),

        "builtins.set": .incidental,
        "__builtin__.set": .incidental,
        "torch.Size": .incidental,
        "torch.device": .incidental,
        "torch.float64": .incidental,
        "torch.float32": .incidental,
        "torch.float16": .incidental,
        "torch.bfloat16": .incidental,
    ]
}

// MARK: - Errors

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
