// What can be wrong with a set of tensors that should be a gated PixelCNN, whatever file they came from.

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
    /// A weight is NaN or infinite, perhaps only once converted to float32.
    case notFinite(tensor: String, position: [Int])
    /// A stored mask differs from the one its layer must have.
    case maskMismatch(tensor: String, position: [Int], expected: Bool)
    /// What the file declares differs from what its shapes say.
    case contradiction(field: String, declared: Int, shapes: Int, tensor: String)
    /// The tensors together are larger than the file: many are views of the same numbers.
    case tensorsExceedFile(tensorBytes: Int, fileBytes: Int)
    /// The file is of another network.
    case otherNetwork(evidence: String)
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
            "tensor \(quoted(tensor)) holds \(found.rawValue); weights are f32, f16, bf16 or f64"
        case .notFinite(let tensor, let position):
            "tensor \(quoted(tensor)) is not a finite float32 number at \(Shape.text(position)); was training diverging?"
        case .maskMismatch(let tensor, let position, let expected):
            "mask \(quoted(tensor)) should be \(expected) at \(Shape.text(position)); with this mask the network is not "
                + "the gated PixelCNN"
        case .contradiction(let field, let declared, let shapes, let tensor):
            "the file declares \(field) \(declared), but the shape of \(quoted(tensor)) makes it \(shapes)"
        case .tensorsExceedFile(let tensorBytes, let fileBytes):
            "the tensors take \(tensorBytes) bytes, the file \(fileBytes): too many share their numbers; save each "
                + "contiguous and its own"
        case .otherNetwork(let evidence):
            "the file is of another network (it has \(evidence)); only the gated PixelCNN with in_conv, gated_layers, "
                + "v_norm_layers, h_norm_layers and out_conv is read"
        case .labelNameCount(let found, let labels):
            "there are \(found) names of classes for \(labels) classes; each class has one, or none has"
        case .unusableLabelName(let name, let label):
            "class \(label) has the name \(quoted(name)); a name is 1 to \(LabelNames.lengthLimit) printable characters, "
                + "and no other class's number"
        case .duplicateLabelName(let name):
            "two classes have the name \(quoted(name)), letter case apart"
        }
    }
}
