// The functions and classes a pickle may name. Naming is all: none of them is ever run, they only say how the values
// beside them are to be read. What is not listed here is refused by name.

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
