// What can be wrong with hyperparameters: one case a rule, each naming the field.

/// A hyperparameter outside what a gated PixelCNN allows.
package enum HyperparametersError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The field is smaller or larger than the network, or this program, allows.
    case outOfRange(field: String, found: Int, allowed: ClosedRange<Int>)
    /// The kernel has no centre.
    case evenKernel(found: Int)
    /// Feature channels cannot split into equal colour groups.
    case notDivisible(field: String, found: Int, channels: Int)

    /// One line: field, value, rule.
    package var description: String {
        switch self {
        case .outOfRange(let field, let found, let allowed):
            "\(field) is \(found); allowed are \(allowed.lowerBound) to \(allowed.upperBound)"
        case .evenKernel(let found):
            "kernel_size is \(found); it must be odd, so that the kernel has a centre"
        case .notDivisible(let field, let found, let channels):
            "\(field) is \(found); it must be a multiple of \(channels), a group for each image channel"
        }
    }
}
