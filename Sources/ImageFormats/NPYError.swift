// Every way in which a .npy file can be wrong or of no use here, one case each.

/// Why a `.npy` file was refused.
package enum NPYError: Error, Sendable, Equatable {
    /// The first bytes are not those of an NPY file.
    case notNPY
    /// A format version other than 1.0, 2.0 and 3.0.
    case unsupportedVersion(major: UInt8, minor: UInt8)
    /// The file ends inside its header.
    case truncatedHeader(expected: Int, found: Int)
    /// The header claims to be longer than any real one.
    case headerTooLong(length: Int, limit: Int)
    /// The header is not the dictionary it should be; `offset` counts its bytes from 0.
    case malformedHeader(reason: String, offset: Int)
    /// The header has a key beside descr, fortran_order and shape.
    case unexpectedKey(String)
    /// The header has a key twice.
    case duplicateKey(String)
    /// The header lacks a key.
    case missingKey(String)
    /// The elements are pickled Python objects.
    case objectArray
    /// The elements are structures or sub-arrays.
    case structuredType
    /// The elements are of a type that is not read here.
    case unsupportedType(String)
    /// A dimension is negative.
    case negativeDimension(String)
    /// There are more dimensions than NumPy has.
    case tooManyDimensions(limit: Int)
    /// The number of bytes overflows.
    case shapeTooLarge([Int])
    /// The data is shorter or longer than shape and element type say; lengths in bytes.
    case lengthMismatch(shape: [Int], elementType: NPYArray.ElementType, expected: Int, found: Int)
    /// Integers were asked of an array of floating-point numbers.
    case notIntegers(NPYArray.ElementType)
    /// A value lies outside the range asked for; the first one, with its index along each dimension.
    case valueOutOfRange(value: String, index: [Int], allowed: ClosedRange<Int>)
}

extension NPYError: CustomStringConvertible {
    /// One line that says what was found, what is allowed and, where it is not plain, what to do.
    package var description: String {
        switch self {
        case .notNPY:
            "not an NPY file: it does not begin with \\x93NUMPY"
        case .unsupportedVersion(let major, let minor):
            "NPY format version \(major).\(minor); supported are 1.0, 2.0 and 3.0"
        case .truncatedHeader(let expected, let found):
            "NPY file ends inside its header: \(expected) bytes expected, \(found) found\(cure(expected, found))"
        case .headerTooLong(let length, let limit):
            "NPY header of \(length) bytes; at most \(limit) are allowed"
        case .malformedHeader(let reason, let offset):
            "malformed NPY header: \(reason) at byte \(offset)"
        case .unexpectedKey(let key):
            "NPY header has the key '\(key)'; allowed are 'descr', 'fortran_order' and 'shape'"
        case .duplicateKey(let key):
            "NPY header has the key '\(key)' twice"
        case .missingKey(let key):
            "NPY header lacks the key '\(key)'"
        case .objectArray:
            "NPY array of Python objects ('|O'), which are never unpickled; save it with a numeric dtype"
        case .structuredType:
            "NPY array of structures; save its fields as separate arrays of a numeric dtype"
        case .unsupportedType(let descr):
            "NPY dtype '\(descr)'; supported are bool, int8 to int64, uint8 to uint64 and float16 to float64"
        case .negativeDimension(let digits):
            "NPY shape has the negative dimension \(digits)"
        case .tooManyDimensions(let limit):
            "NPY shape has more than \(limit) dimensions"
        case .shapeTooLarge(let shape):
            "NPY shape \(shape) is too large to address"
        case .lengthMismatch(let shape, let elementType, let expected, let found):
            "NPY data of shape \(shape) and dtype \(elementType.rawValue) takes \(expected) bytes; the file has "
                + "\(found)\(cure(expected, found))"
        case .notIntegers(let elementType):
            "NPY array of \(elementType.rawValue); an integer dtype is needed, such as uint8"
        case .valueOutOfRange(let value, let index, let allowed):
            "NPY value \(value) at \(index); allowed \(allowed.lowerBound) … \(allowed.upperBound)"
        }
    }

    /// What to do about a file of `found` bytes that should have `expected`.
    private func cure(_ expected: Int, _ found: Int) -> String {
        found < expected ? "; it is cut short: copy or download it again" : ""
    }
}
