// From logits to a value, exactly as the sampling contract (version 1) says: a uniform number of Philox, and one order
// of sums, so that a draw does not depend on the instruction set. Costs a few microseconds only where top-k or top-p
// need a ranking.

import PixelCNNKernels

// MARK: - Draws

/// Draws from, and measures, categorical distributions over d values. Owned by one thread.
final class Categorical {
    private let kernels: Kernels
    private let colors: Int
    private let exponentials: FloatBuffer  // (d in whole vectors), in order of value
    private let prefixes: FloatBuffer  // (d in whole vectors)
    private let ranked: FloatBuffer  // (d in whole vectors), exponentials by rank
    /// (d): keys that sort by falling logit, then rising value, which is the low half; rank r from the end.
    private var ranking: [UInt64]
    private var kept: [Bool]  // (d), by value
    private var drawTotal: Float = 1  // of the last draw's exponentials, those that were kept

    init(kernels: Kernels, colors: Int) {
        self.kernels = kernels
        self.colors = colors
        exponentials = FloatBuffer(count: colors.roundedUpToLanes)
        prefixes = FloatBuffer(count: colors.roundedUpToLanes)
        ranked = FloatBuffer(count: colors.roundedUpToLanes)
        ranking = Array(repeating: 0, count: colors)
        kept = Array(repeating: true, count: colors)
    }

    /// The value that the uniform number `u` picks. `logits` has d values, with room for whole vectors.
    func draw(_ logits: UnsafePointer<Float>, uniform u: Float, parameters: SamplingParameters) -> Int {
        let largest = kernels.maximum(logits, count: colors)
        if parameters.temperature == 0 {
            return (0..<colors).first { logits[$0] == largest } ?? 0
        }
        kernels.exponentials(
            logits, count: colors, maximum: largest, temperature: parameters.temperature, into: exponentials.base)
        let isRestricted = parameters.topK != nil || parameters.topP != nil
        if isRestricted { restrict(logits, parameters) }
        drawTotal = kernels.prefixSums(exponentials.base, count: colors, into: prefixes.base)
        let threshold = u * drawTotal
        for value in 0..<colors where prefixes.base[value] > threshold && (!isRestricted || kept[value]) {
            return value
        }
        // Rounding left none: the largest value that was kept.
        return isRestricted ? kept.lastIndex(of: true) ?? colors - 1 : colors - 1
    }

    /// The log-probability, in nats, of the value that ``draw(_:uniform:parameters:)`` has just picked, under the
    /// distribution that it picked from.
    func logProbabilityOfDraw(
        _ value: Int, _ logits: UnsafePointer<Float>, _ parameters: SamplingParameters
    ) -> Float {
        if parameters.temperature == 0 { return 0 }
        let difference = Double(logits[value]) - Double(kernels.maximum(logits, count: colors))
        return Float(difference / Double(parameters.temperature) - naturalLogarithm(Double(drawTotal)))
    }

    /// log softmax at `value`, in nats.
    func logProbability(_ logits: UnsafePointer<Float>, of value: Int) -> Float {
        let largest = kernels.maximum(logits, count: colors)
        kernels.exponentials(logits, count: colors, maximum: largest, temperature: 1, into: exponentials.base)
        let total = kernels.prefixSums(exponentials.base, count: colors, into: prefixes.base)
        return Float(Double(logits[value]) - Double(largest) - naturalLogarithm(Double(total)))
    }

    /// Sets `kept`, and the exponentials of what is not kept to zero: top-k, then top-p on what is left.
    private func restrict(_ logits: UnsafePointer<Float>, _ parameters: SamplingParameters) {
        for value in 0..<colors {
            ranking[value] = UInt64(~ascendingBits(logits[value])) << 32 | UInt64(value)
        }
        var count = parameters.topK ?? colors
        ranking.withUnsafeMutableBufferPointer { moveLeastToEnd($0, count: count) }
        if let topP = parameters.topP {
            ranked.clear()
            for rank in 0..<count { ranked.base[rank] = exponentials.base[value(atRank: rank)] }
            let total = kernels.prefixSums(ranked.base, count: count, into: ranked.base)
            let enough = topP * total
            count = (0..<count).first { ranked.base[$0] >= enough }.map { $0 + 1 } ?? count
        }
        for value in 0..<colors { kept[value] = false }
        for rank in 0..<count { kept[value(atRank: rank)] = true }
        for value in 0..<colors where !kept[value] { exponentials.base[value] = 0 }
    }

    private func value(atRank rank: Int) -> Int { Int(truncatingIfNeeded: ranking[colors - 1 - rank] & 0xFFFF_FFFF) }

    /// A float's bits so that unsigned order is numeric order; both zeros are one.
    private func ascendingBits(_ x: Float) -> UInt32 {
        let bits = (x + 0).bitPattern
        return bits & 0x8000_0000 == 0 ? bits | 0x8000_0000 : ~bits
    }
}

/// Moves the `count` least keys to the end, the least last: a heap, from which only as many are taken as are needed.
/// `sort()` would allocate.
private func moveLeastToEnd(_ keys: UnsafeMutableBufferPointer<UInt64>, count: Int) {
    /// Lets the key at `start` sink below those of its children, among the first `end`, that are less.
    func sink(_ start: Int, end: Int) {
        let key = keys[start]
        var hole = start
        while true {
            var child = 2 * hole + 1
            guard child < end else { break }
            if child + 1 < end && keys[child + 1] < keys[child] { child += 1 }
            guard keys[child] < key else { break }
            keys[hole] = keys[child]
            hole = child
        }
        keys[hole] = key
    }
    for start in (0..<keys.count / 2).reversed() { sink(start, end: keys.count) }
    for end in (keys.count - count..<keys.count).reversed() {
        keys.swapAt(0, end)
        sink(0, end: end)
    }
}

/// ln x for x ≥ 1, by additions, multiplications and divisions alone, in one order: the C library's may differ between
/// processors in the last bit. Relative error below 1e-15.
func naturalLogarithm(_ x: Double) -> Double {
    var (mantissa, exponent) = (x.significand, Double(x.exponent))
    if mantissa > 2.0.squareRoot() { (mantissa, exponent) = (mantissa / 2, exponent + 1) }
    // ln m = 2 artanh((m − 1) / (m + 1)) = 2 (s + s³/3 + s⁵/5 + …), |s| < 0.172
    let s = (mantissa - 1) / (mantissa + 1)
    var (power, sum) = (s, 0.0)
    for k in stride(from: 1.0, through: 21, by: 2) {
        sum += power / k
        power *= s * s
    }
    return 2 * sum + exponent * 0x1.62e42fefa39efp-1
}
