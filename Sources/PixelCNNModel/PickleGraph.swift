// What a pickle describes, as a table of nodes that refer to one another by number.
//
// Numbers rather than references: a structure that contains itself is then only a number and leaks nothing, and one
// nested a million deep is freed by a loop, not by a recursion that would end on the guard page.

import Support

/// The nodes of a pickle and the value it ends with.
struct PickleGraph {
    let nodes: [PickleNode]
    let root: PickleValue
    /// What dictionaries have beside their items (Python attributes), and what a tensor is given once it is made, by
    /// node.
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

    /// The integers of a shape: a tuple, a list or a `torch.Size`; nil beyond `rankLimit` of them.
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
        guard items.count <= Self.rankLimit else { return nil }
        var integers: [Int] = []
        for item in items {
            guard case .int(let integer) = item else { return nil }
            integers.append(integer)
        }
        return integers
    }

    /// PyTorch's own limit.
    private static let rankLimit = 64

    /// What an object has of its own: its `__dict__`.
    func state(_ value: PickleValue?) -> [(key: PickleValue, value: PickleValue)]? {
        guard case .object(_, let state)? = node(value) else { return nil }
        return dictionary(state)
    }

    /// The classes and functions of which nothing is known, in the order of the file, each once; the first few, and
    /// how many there are.
    func unknownClasses(first limit: Int) -> (names: [String], count: Int) {
        var seen: Set<String> = []
        var names: [String] = []
        for case .global(let global) in nodes where global.kind == .other && seen.insert(global.path).inserted {
            if names.count < limit { names.append(global.path) }
        }
        return (names, seen.count)
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
            case .call(let global, _): global.isTensor ? "a tensor" : "a \(quoted(global.path))"
            case .object(let global, _): "a \(quoted(global.path))"
            case .persistent: "a storage"
            case .bytes: "bytes"
            case .unknown: "a value of an unknown class"
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
    /// Bytes, very long texts and integers beyond 64 bits: read past, since no model needs them.
    case ignored

    /// Whether it is no more than a number, or a gap among numbers.
    var isNumber: Bool {
        switch self {
        case .none, .bool, .int, .float, .ignored: true
        case .string, .node: false
        }
    }
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
    /// An instance of a class and its `__dict__`.
    case object(PickleGlobal, state: PickleValue)
    /// A reference to something outside the pickle: for PyTorch, a storage.
    case persistent(PickleValue)
    /// Where bytes lie in the pickle, for those who want them.
    case bytes(Range<Int>)
    /// What a call gives of something that has no name.
    case unknown

    /// Whether it may be a collection of some class: items that follow then make it a list or a dictionary.
    var isUnknown: Bool {
        switch self {
        case .call(let global, _): !global.isTensor
        case .object, .unknown: true
        case .tuple, .list, .dictionary, .set, .global, .persistent, .bytes: false
        }
    }
}

// MARK: - What a pickle may name

/// A function or class that a pickle names. Any may be named: nothing is imported, and nothing is called.
struct PickleGlobal: Equatable {
    /// What a name stands for.
    enum Kind: Equatable {
        /// OrderedDict and its like.
        case dictionary
        /// A constructor of tensors, by what its arguments are.
        case tensor(TensorConstructor)
        /// A storage class; nil for element types that no network of ours has.
        case storage(ElementType?)
        /// The type of a tensor's elements; nil as above.
        case elementType(ElementType?)
        /// A class whose instances are plain attributes and children.
        case module
        /// `copyreg._reconstructor(class, …)`: how protocol 1 makes an object.
        case reconstructor
        /// A constructor of a value that does not concern a model, such as a set of hook names.
        case incidental
        /// Anything else.
        case other
    }

    /// How a tensor is described.
    enum TensorConstructor: Equatable {
        /// (storage, offset, size, stride, requires_grad, hooks, metadata), of which old versions have the first four.
        case strided
        /// (storage, offset, size, stride, requires_grad, hooks, dtype, metadata), of an untyped storage.
        case typed
        /// (tensor, …): parameters and variables.
        case wrapper
        /// (constructor, class, its arguments, attributes): parameters and tensors with attributes.
        case ofClass
        /// (tensor, dtype, device, requires_grad).
        case ofDevice
        /// (size…): the class of a tensor, which old versions gave its numbers afterwards.
        case empty
        /// Tensors that have no plain numbers: sparse, quantised, nested, …
        case other
    }

    /// Module and name, such as `torch._utils._rebuild_tensor_v2`.
    let path: String
    let kind: Kind

    init(module: String, name: String) {
        guard module.utf8.count <= Self.lengthLimit, name.utf8.count <= Self.lengthLimit else {
            path = "\(module.prefix(Self.lengthLimit)).\(name.prefix(Self.lengthLimit))…"
            kind = .other
            return
        }
        path = "\(module).\(name)"
        kind = Self.kind(path: path, module: module, name: name)
    }

    /// A few bytes of pickle can name the same long text again and again; joined, each would take its full length.
    static let lengthLimit = 128

    /// The class of a whole network's module.
    static let network = "pixelcnn.PixelCNN"

    /// Whether it makes a tensor.
    var isTensor: Bool { if case .tensor = kind { true } else { false } }

    private static func kind(path: String, module: String, name: String) -> Kind {
        if let kind = listed[path] { return kind }
        if module == "torch" || module == "torch.cuda", let kind = elementKind(name) { return kind }
        if module.hasPrefix("torch."), module.hasSuffix(".sparse"), name.hasSuffix("Tensor") { return .tensor(.other) }
        if module == "builtins" || module == "__builtin__", plainTypes.contains(name) { return .incidental }
        if module.hasPrefix("torch.nn.modules."), isIdentifier(name) { return .module }  // any layer's class
        return .other
    }

    /// `FloatStorage`, `FloatTensor` and `float32`: a storage class, a class of tensors, and an element type.
    private static func elementKind(_ name: String) -> Kind? {
        if let type = elementTypes.first(where: { $0.name == name }) { return .elementType(type.type) }
        for type in elementTypes {
            guard let prefix = type.prefix, name.hasPrefix(prefix) else { continue }
            switch name.dropFirst(prefix.count) {
            case "Storage": return .storage(type.type)
            case "Tensor": return .tensor(.empty)
            default: continue
            }
        }
        // int4, uint2, float8_e5m2, bits16 and whatever follows: a dtype, and none of ours.
        let stem = name.prefix { !$0.isNumber }
        let stems = ["float", "uint", "int", "complex", "qint", "quint", "bits"]
        return stems.contains(String(stem)) && stem.count < name.count ? .elementType(nil) : nil
    }

    /// By dtype, and by the prefix of its storage class where it has one.
    private static let elementTypes: [(name: String, prefix: String?, type: ElementType?, width: Int)] = [
        ("float64", "Double", .f64, 8), ("float32", "Float", .f32, 4), ("float16", "Half", .f16, 2),
        ("bfloat16", "BFloat16", .bf16, 2), ("int64", "Long", .i64, 8), ("int32", "Int", .i32, 4),
        ("int16", "Short", .i16, 2), ("int8", "Char", .i8, 1), ("uint8", "Byte", .u8, 1), ("bool", "Bool", .bool, 1),
        ("complex64", "ComplexFloat", nil, 8), ("complex128", "ComplexDouble", nil, 16), ("qint8", "QInt8", nil, 1),
        ("quint8", "QUInt8", nil, 1), ("qint32", "QInt32", nil, 4), ("quint4x2", "QUInt4x2", nil, 1),
        ("quint2x4", "QUInt2x4", nil, 1),
    ]

    /// Bytes an element of a storage class takes; nil for what is no storage.
    var storageWidth: Int? {
        guard case .storage(let type) = kind else { return nil }
        return type?.size ?? Self.elementTypes.first { $0.name == elementName }?.width
    }

    /// What PyTorch calls the elements of a storage class or of an element type: `complex64`.
    var elementName: String {
        let name = path.dropFirst("torch.".count)
        guard case .storage = kind else { return String(name) }
        return Self.elementTypes.first { $0.prefix.map { $0 + "Storage" == name } ?? false }?.name ?? String(name)
    }

    private static func isIdentifier(_ name: String) -> Bool {
        name.utf8.allSatisfy(isIdentifier)
    }

    /// Whether a byte may be in an identifier.
    static func isIdentifier(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// Types of Python itself that say nothing about a file: a set's, a default's, a bound method's.
    private static let plainTypes: Set<String> = [
        "set", "frozenset", "dict", "list", "tuple", "int", "float", "bool", "str", "unicode", "long", "bytes",
        "bytearray", "complex", "slice", "range", "object", "getattr",
    ]

    /// Classes of tensors whose numbers are those of the tensor that they are made of.
    static let plainTensors: Set<String> = [
        "torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer", "torch.autograd.variable.Variable",
    ]

    private static let listed: [String: Kind] = [
        "collections.OrderedDict": .dictionary,
        "collections.Counter": .dictionary,

        "torch._utils._rebuild_tensor": .tensor(.strided),
        "torch._utils._rebuild_tensor_v2": .tensor(.strided),
        "torch._utils._rebuild_tensor_v3": .tensor(.typed),
        "torch._utils._rebuild_parameter": .tensor(.wrapper),
        "torch._utils._rebuild_parameter_with_state": .tensor(.wrapper),
        "torch.nn.parameter.Parameter": .tensor(.wrapper),
        "torch.nn.parameter.Buffer": .tensor(.wrapper),
        "torch.autograd.variable.Variable": .tensor(.wrapper),
        "torch._tensor._rebuild_from_type_v2": .tensor(.ofClass),
        "torch._tensor._rebuild_from_type": .tensor(.ofClass),
        "torch.tensor._rebuild_from_type": .tensor(.ofClass),
        "torch._utils._rebuild_device_tensor_from_cpu_tensor": .tensor(.ofDevice),
        "torch.Tensor": .tensor(.empty),
        "torch._utils._rebuild_device_tensor_from_numpy": .tensor(.other),
        "torch._utils._rebuild_xla_tensor": .tensor(.other),
        "torch._utils._rebuild_mlc_tensor": .tensor(.other),
        "torch._utils._rebuild_meta_tensor_no_storage": .tensor(.other),
        "torch._utils._rebuild_nested_tensor": .tensor(.other),
        "torch._utils._rebuild_qtensor": .tensor(.other),
        "torch._utils._rebuild_sparse_tensor": .tensor(.other),
        "torch._utils._rebuild_sparse_csr_tensor": .tensor(.other),
        "torch._utils._rebuild_wrapper_subclass": .tensor(.other),
        "torch.nn.parameter.UninitializedParameter": .tensor(.other),
        "torch.nn.parameter.UninitializedBuffer": .tensor(.other),

        "torch.storage.UntypedStorage": .storage(.u8),
        "torch.UntypedStorage": .storage(.u8),

        network: .module,
        "conv2d_gated.GatedConv2d": .module,
        "conv2d_mask.MaskConv2d": .module,
        "positional_norm.PositionalNorm": .module,

        "copyreg._reconstructor": .reconstructor,
        "copy_reg._reconstructor": .reconstructor,

        "_codecs.encode": .incidental,
        "torch.Size": .incidental,
        "torch.device": .incidental,
        "torch.serialization._get_layout": .incidental,
        "torch.per_tensor_affine": .incidental,
        "torch.per_tensor_symmetric": .incidental,
        "torch.per_channel_affine": .incidental,
        "torch.per_channel_symmetric": .incidental,
        "torch.per_channel_affine_float_qparams": .incidental,
    ]
}

// MARK: - Errors

/// A pickle this reader refuses; `at` is the byte of the pickle.
package enum PickleError: Error, Sendable, Equatable, CustomStringConvertible {
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
    /// The pickle's values would take more memory than a file of its size may ask for.
    case tooManyValues(at: Int, bytes: Int)
    /// The pickle has more instructions than any model's description.
    case tooManyInstructions(limit: Int)

    /// One line: what the pickle asks for, and what to do.
    package var description: String {
        let remedy = "save the weights alone: torch.save(model.state_dict(), path)"
        switch self {
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
        case .tooManyValues(let position, let bytes):
            return "the pickle's values would take more than \(bytes) bytes of memory at byte \(position), more than a "
                + "model of this size needs; \(remedy)"
        case .tooManyInstructions(let limit):
            return "the pickle has more than \(limit) instructions; \(remedy)"
        }
    }
}
