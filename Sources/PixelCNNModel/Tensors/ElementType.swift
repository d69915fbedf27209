// The element types a model file may hold, under the names people say; each reader maps its own spelling to them.

/// Type of a tensor's elements.
package enum ElementType: String, Sendable, CaseIterable {
    /// 64-bit float.
    case f64
    /// 32-bit float.
    case f32
    /// 16-bit IEEE float.
    case f16
    /// The upper half of a 32-bit float.
    case bf16
    /// Signed 64-bit integer.
    case i64
    /// Signed 32-bit integer.
    case i32
    /// Signed 16-bit integer.
    case i16
    /// Signed 8-bit integer.
    case i8
    /// Unsigned 8-bit integer.
    case u8
    /// A byte, 0 or 1.
    case bool

    /// Bytes an element takes.
    package var size: Int {
        switch self {
        case .f64, .i64: 8
        case .f32, .i32: 4
        case .f16, .bf16, .i16: 2
        case .i8, .u8, .bool: 1
        }
    }

    /// Whether weights may be stored so.
    package var isFloatingPoint: Bool {
        switch self {
        case .f64, .f32, .f16, .bf16: true
        case .i64, .i32, .i16, .i8, .u8, .bool: false
        }
    }
}
