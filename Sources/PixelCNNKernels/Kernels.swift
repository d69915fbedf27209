// The Swift face of the C kernels, for the engine and for training. An instruction set is chosen once, and every choice
// computes the same bits (CPixelKernels/include has each kernel's shapes).
//
// A pixel is some 240 of these calls, so they are inlined into other modules: a call costs what the C function pointer
// costs.

import CPixelKernels

/// The arithmetic of one instruction set. All of them give the same bits; only the speed differs.
package struct Kernels: @unchecked Sendable {
    /// Floats in a vector, on every instruction set.
    @inlinable package static var lanes: Int { PIXEL_LANES }

    /// A C table: constant, and valid for as long as the program runs.
    @usableFromInline let table: UnsafePointer<pixel_kernels>

    /// Every instruction set that this processor can run, the fastest first; the last is `portable`.
    package static let available: [Kernels] = {
        var kernels: [Kernels] = []
        while let table = pixel_kernels_available(kernels.count) { kernels.append(Kernels(table: table)) }
        return kernels
    }()

    /// The fastest that this processor can run.
    package static var fastest: Kernels { available[0] }

    /// `avx512vnni`, `avx512`, `avx2`, `neon` or `portable`.
    package var name: String { String(cString: table.pointee.name) }

    /// The instruction set of that name, or the fastest for nil.
    /// - Throws: ``UnavailableInstructionSet`` where there is none or this processor lacks it.
    package static func named(_ name: String?) throws(UnavailableInstructionSet) -> Kernels {
        guard let name else { return fastest }
        guard let kernels = available.first(where: { $0.name == name }) else {
            throw UnavailableInstructionSet(name: name, available: available.map(\.name))
        }
        return kernels
    }

    /// Sets the calling thread's rounding to nearest and keeps denormals: the state that the reproducibility contract
    /// is written for. Every thread that computes calls it once.
    package static func resetFloatState() {
        pixel_kernels_reset_float_state()
    }

    /// Fetches `count` floats that are needed soon.
    @inlinable @inline(__always)
    package static func prefetch(_ floats: UnsafePointer<Float>, count: Int) {
        pixel_prefetch(floats, count * MemoryLayout<Float>.stride)
    }

    /// What a loop that waits for another thread calls each time around.
    @inlinable @inline(__always)
    package static func spinHint() {
        pixel_spin_hint()
    }
}

/// The named instruction set is one that this processor, or this build, does not have.
package struct UnavailableInstructionSet: Error, CustomStringConvertible {
    package let name: String
    package let available: [String]

    package var description: String {
        "instruction set \"\(name)\" is not available here; this processor runs \(available.joined(separator: ", "))"
    }
}

/// Consecutive rows of floats: `base` is the first, the next is `stride` floats further.
package struct Rows {
    package var base: UnsafeMutablePointer<Float>
    package var stride: Int

    @inlinable package init(base: UnsafeMutablePointer<Float>, stride: Int) {
        self.base = base
        self.stride = stride
    }

    /// One row, for all: it is only read.
    @inlinable package init(repeating row: UnsafePointer<Float>) {
        self.init(base: UnsafeMutablePointer(mutating: row), stride: 0)
    }

    @inlinable package static func + (rows: Rows, offset: Int) -> Rows {
        Rows(base: rows.base + offset, stride: rows.stride)
    }

    /// The rows from row `count` on.
    @inlinable package func dropFirst(_ count: Int) -> Rows { self + count * stride }

    @inlinable package subscript(row: Int) -> UnsafeMutablePointer<Float> { base + row * stride }

    /// Copies the first `length` floats of `source` into each of the first `count` rows.
    @inlinable package func fill(_ count: Int, with source: UnsafePointer<Float>, length: Int) {
        for row in 0..<count { self[row].update(from: source, count: length) }
    }
}

extension Kernels {
    /// y[j] = start[j] + matrix · x[j] for `count` rows j. Rows of start and y have room for whole vectors.
    @inlinable @inline(__always)
    package func multiply(_ matrix: PackedMatrix, _ x: Rows, from start: Rows, into y: Rows, count: Int) {
        switch matrix.weights {
        case .floats(let weights):
            table.pointee.accumulate(
                weights, matrix.depth, matrix.vectors, matrix.panel, x.base, x.stride, start.base, start.stride, y.base,
                y.stride, count)
        case .integers(let weights):
            table.pointee.accumulate_i16(
                weights, matrix.depth, matrix.vectors, matrix.panel, x.base, x.stride, start.base, start.stride, y.base,
                y.stride, count)
        }
    }

    /// y[j] += matrix · x[j] for `count` rows j. Rows of y have room for whole vectors.
    @inlinable @inline(__always)
    package func accumulate(_ matrix: PackedMatrix, _ x: Rows, into y: Rows, count: Int) {
        guard matrix.depth > 0 else { return }
        multiply(matrix, x, from: y, into: y, count: count)
    }

    /// The inputs of F(2, 3), (4, tiles, channels), of `count` columns that read `count` + 2 columns x.
    @inlinable @inline(__always)
    package func winogradInputs(_ x: Rows, into v: UnsafeMutablePointer<Float>, channels: Int, count: Int) {
        table.pointee.winograd_inputs(x.base, x.stride, v, channels, count)
    }

    /// `count` columns y from the products of F(2, 3), (4, tiles, channels).
    @inlinable @inline(__always)
    package func winogradOutputs(_ m: UnsafePointer<Float>, into y: Rows, channels: Int, count: Int) {
        table.pointee.winograd_outputs(m, y.base, y.stride, channels, count)
    }

    /// y = tanh(a) · σ(b), `channels` of each of `count` rows. a and b have the stride of a.
    @inlinable @inline(__always)
    package func gate(_ a: Rows, _ b: Rows, into y: Rows, channels: Int, count: Int) {
        table.pointee.gate(a.base, b.base, a.stride, y.base, y.stride, channels, count)
    }

    /// Layer norm over the `channels` of one colour group, `count` rows.
    @inlinable @inline(__always)
    package func normalize(
        _ x: Rows, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, into y: Rows, channels: Int, count: Int
    ) {
        table.pointee.normalize(x.base, x.stride, weight, bias, y.base, y.stride, channels, count)
    }

    /// y = max(x, 0), `channels` of each of `count` rows.
    @inlinable @inline(__always)
    package func rectify(_ x: Rows, into y: Rows, channels: Int, count: Int) {
        table.pointee.rectify(x.base, x.stride, y.base, y.stride, channels, count)
    }

    /// y += x, `channels` of each of `count` rows; x may have a stride of 0.
    @inlinable @inline(__always)
    package func add(_ x: Rows, into y: Rows, channels: Int, count: Int) {
        table.pointee.add(x.base, x.stride, y.base, y.stride, channels, count)
    }

    /// y = x · weight + bias, `channels` of each of `count` rows.
    @inlinable @inline(__always)
    package func scale(
        _ x: Rows, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, into y: Rows, channels: Int, count: Int
    ) {
        table.pointee.scale(x.base, x.stride, weight, bias, y.base, y.stride, channels, count)
    }

    /// y = x where that is above 0, else e^x − 1, `channels` of each of `count` rows.
    @inlinable @inline(__always)
    package func elu(_ x: Rows, into y: Rows, channels: Int, count: Int) {
        table.pointee.elu(x.base, x.stride, y.base, y.stride, channels, count)
    }

    /// The largest of `count` numbers.
    @inlinable @inline(__always)
    package func maximum(_ x: UnsafePointer<Float>, count: Int) -> Float {
        table.pointee.maximum(x, count)
    }

    /// y = exp((x − maximum) / temperature), zeros past `count` up to whole vectors.
    @inlinable @inline(__always)
    package func exponentials(
        _ x: UnsafePointer<Float>, count: Int, maximum: Float, temperature: Float, into y: UnsafeMutablePointer<Float>
    ) {
        table.pointee.exponentials(x, count, maximum, temperature, y)
    }

    /// y[i] = x[0] + … + x[i], in whole vectors; returns the total.
    @inlinable @inline(__always)
    package func prefixSums(_ x: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<Float>) -> Float {
        table.pointee.prefix_sums(x, count, y)
    }
}
