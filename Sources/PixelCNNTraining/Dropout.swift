// Dropout, where PixelCNN++ has it: inside the residual of a block, after the gate and before the convolution that
// follows it, which is here the horizontal stack's 1 × 1 (`htoh`). Which units go is a function of the run's seed and
// of the unit's place alone, so the backward pass, or one that computes a block again, drops the same ones, on
// whichever thread.
//
// Costs about 1 ns per unit, forward and again backward.

import PixelCNNKernels

/// What one step drops.
package struct Dropout: Sendable {
    private let key: UInt64
    /// A unit is dropped where its 16 bits are below this.
    private let threshold: UInt16
    /// What the units that stay are multiplied by, so that the mean of all stays.
    let scale: Float

    /// Most of the units that can be dropped.
    static let limit = 0.95

    /// - Parameters:
    ///   - share: of the units that are dropped, above 0 and up to 0.95; to the nearest multiple of 2⁻¹⁶.
    ///   - seed: the run's.
    ///   - step: the step's number, from 0.
    package init(share: Double, seed: UInt64, step: Int) {
        precondition(share > 0 && share <= Self.limit, "a share of the units")
        key = TrainingGenerator.key(seed: seed, .dropout, epoch: step)
        threshold = UInt16((share * 65536).rounded())
        scale = 65536 / Float(65536 - Int(threshold))
    }

    /// What one image of the step drops in one block.
    struct Mask {
        fileprivate let dropout: Dropout
        fileprivate let words: Philox

        /// Multiplies the `count` units, or their gradients, of a position by 0 or the scale.
        ///
        /// Four blocks of Philox have 16 bits for each of 32 units: of units 8j … 8j + 3 in the lower halves of word j
        /// of the four blocks, of the next four in the upper halves.
        func apply(to units: UnsafeMutablePointer<Float>, count: Int, position: Int) {
            let first = position * ((count + 31) / 32)
            for start in stride(from: 0, to: count, by: 32) {
                let words = words.words(atFour: UInt64(4 * (first + start / 32)))
                let (units, left) = (units + start, count - start)
                multiply(units, left, words.0)
                multiply(units + 8, left - 8, words.1)
                multiply(units + 16, left - 16, words.2)
                multiply(units + 24, left - 24, words.3)
            }
        }

        /// Eight units, or as many as are left.
        @inline(__always)
        private func multiply(_ units: UnsafeMutablePointer<Float>, _ left: Int, _ words: SIMD4<UInt32>) {
            let (low, high) = (factors(words & 0xFFFF), factors(words &>> 16))
            if left >= 8 {
                multiply(units, low)
                multiply(units + 4, high)
            } else if left > 0 {
                for i in 0..<left { units[i] *= i < 4 ? low[i] : high[i - 4] }
            }
        }

        @inline(__always)
        private func multiply(_ units: UnsafeMutablePointer<Float>, _ factors: SIMD4<Float>) {
            let memory = UnsafeMutableRawPointer(units)
            memory.storeBytes(of: memory.loadUnaligned(as: SIMD4<Float>.self) * factors, as: SIMD4<Float>.self)
        }

        @inline(__always)
        private func factors(_ bits: SIMD4<UInt32>) -> SIMD4<Float> {
            let isKept = SIMD4<Int32>(truncatingIfNeeded: bits) .>= Int32(dropout.threshold)
            return SIMD4<Float>(repeating: 0).replacing(with: dropout.scale, where: isKept)
        }
    }

    /// - Parameters:
    ///   - image: its number in the step.
    ///   - block: the block's number.
    func mask(image: Int, block: Int) -> Mask {
        Mask(dropout: self, words: Philox(seed: key, index: UInt64(image) << 32 | UInt64(block)))
    }
}
