// The element types of .npy files that are read here: booleans, integers and IEEE floating point. Complex numbers,
// strings, dates, structures and Python objects are refused by the header's parser.

extension NPYArray {
    /// What an array's elements are, named as NumPy names them.
    package enum ElementType: String, Sendable, CaseIterable {
        /// One byte, 0 for false.
        case bool
        /// An unsigned integer of 8 bits.
        case uint8
        /// An unsigned integer of 16 bits.
        case uint16
        /// An unsigned integer of 32 bits.
        case uint32
        /// An unsigned integer of 64 bits.
        case uint64
        /// A signed integer of 8 bits.
        case int8
        /// A signed integer of 16 bits.
        case int16
        /// A signed integer of 32 bits.
        case int32
        /// A signed integer of 64 bits.
        case int64
        /// A floating-point number of 16 bits.
        case float16
        /// A floating-point number of 32 bits.
        case float32
        /// A floating-point number of 64 bits.
        case float64

        /// Bytes of one element.
        package var size: Int {
            switch self {
            case .bool, .uint8, .int8: 1
            case .uint16, .int16, .float16: 2
            case .uint32, .int32, .float32: 4
            case .uint64, .int64, .float64: 8
            }
        }

        /// NumPy's `descr` of the type, little-endian: `|u1`, `<u2`.
        package var descr: String { (size == 1 ? "|" : "<") + code }

        /// NumPy's code without the byte order: a letter for the kind, a digit for the size.
        var code: String {
            switch self {
            case .bool: "b1"
            case .uint8, .uint16, .uint32, .uint64: "u\(size)"
            case .int8, .int16, .int32, .int64: "i\(size)"
            case .float16, .float32, .float64: "f\(size)"
            }
        }

        /// The type with this code, nil if there is none.
        init?(code: some StringProtocol) {
            guard let match = Self.allCases.first(where: { $0.code == code }) else { return nil }
            self = match
        }
    }
}
