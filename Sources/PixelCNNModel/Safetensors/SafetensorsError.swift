// What can be wrong with a safetensors file: one case a rule of the format.

/// A safetensors file this reader refuses.
package enum SafetensorsError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file is too short for a header, or for the header it announces.
    case headerOutOfRange(announced: UInt64, fileBytes: Int)
    /// The header is larger than any model needs.
    case headerTooLarge(bytes: Int, limit: Int)
    /// The header is not JSON of the prescribed form.
    case malformedHeader(at: Int, expected: String)
    /// A key appears twice in one object.
    case duplicateKey(String)
    /// A tensor lacks its type, shape or offsets.
    case missingField(tensor: String, field: String)
    /// A tensor's element type is not one of those read.
    case unsupportedElementType(tensor: String, found: String)
    /// The product of the shape and the element size is not the number of bytes.
    case sizeMismatch(tensor: String, shape: [Int], type: ElementType, bytes: Int)
    /// The tensor ends before it starts or after the file's end.
    case offsetsOutOfRange(tensor: String, begin: Int, end: Int, dataBytes: Int)
    /// Two tensors share bytes.
    case overlappingTensors(String, String)
    /// Bytes before the tensor belong to none.
    case hole(before: String, bytes: Int)
    /// Bytes after the last tensor belong to none.
    case trailingBytes(Int)
    /// Metadata that should be a number is not.
    case malformedMetadata(key: String, found: String)
    /// Metadata that should be the names of the classes is not.
    case malformedLabelNames(found: String)

    /// One line: tensor or place, what was found, what is expected.
    package var description: String {
        switch self {
        case .headerOutOfRange(let announced, let fileBytes):
            "the safetensors header should take \(announced) bytes, but the file has only \(fileBytes); "
                + "copy or download it again"
        case .headerTooLarge(let bytes, let limit):
            "the safetensors header takes \(bytes) bytes, more than the \(limit) a model needs"
        case .malformedHeader(let position, let expected):
            "the safetensors header is damaged at byte \(position): expected \(expected)"
        case .duplicateKey(let key):
            "the safetensors header has \(quoted(key)) twice"
        case .missingField(let tensor, let field):
            "tensor \(quoted(tensor)) has no \(field) in the safetensors header"
        case .unsupportedElementType(let tensor, let found):
            "tensor \(quoted(tensor)) has type \(quoted(found)); F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL are read"
        case .sizeMismatch(let tensor, let shape, let type, let bytes):
            "tensor \(quoted(tensor)) of shape \(Shape.text(shape)) and type \(type.rawValue) has \(bytes) bytes, which "
                + "do not fit"
        case .offsetsOutOfRange(let tensor, let begin, let end, let dataBytes):
            "tensor \(quoted(tensor)) has bytes \(begin) to \(end) of the file's \(dataBytes) data bytes; "
                + "the file is cut short or damaged"
        case .overlappingTensors(let first, let second):
            "tensors \(quoted(first)) and \(quoted(second)) overlap"
        case .hole(let tensor, let bytes):
            "\(bytes) bytes before tensor \(quoted(tensor)) belong to no tensor"
        case .trailingBytes(let count):
            "\(count) bytes at the file's end belong to no tensor"
        case .malformedMetadata(let key, let found):
            "metadata \(quoted(key)) is \(quoted(found)); a decimal number is expected"
        case .malformedLabelNames(let found):
            "metadata “\(DeclaredHyperparameters.labelNamesKey)” is \(quoted(found)); a JSON array of texts is expected"
        }
    }
}
