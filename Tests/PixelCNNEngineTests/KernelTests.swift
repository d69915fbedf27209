// Every instruction set of this processor against the portable one, bit for bit, and the portable one against libm.

import Foundation
import TestSupport
import Testing

@testable import PixelCNNKernels

@Suite struct KernelTests {
    static let portable = Kernels.available[Kernels.available.count - 1]

    private func random(_ count: Int, _ range: ClosedRange<Float> = -3...3, seed: UInt64 = 1) -> [Float] {
        var generator = SplitMix(seed: seed)
        return (0..<count).map { _ in Float.random(in: range, using: &generator) }
    }

    @Test func anUnknownInstructionSetIsAnErrorThatNamesIt() {
        let error = #expect(throws: UnavailableInstructionSet.self) { try Kernels.named("mmx") }
        #expect(error?.description.contains("\"mmx\"") == true)
    }

    @Test(arguments: Kernels.available.map(\.name))
    func accumulatesTheSameBitsInEveryTile(_ name: String) throws {
        let (kernels, storage) = (try Kernels.named(name), ConstantStorage())
        defer { withExtendedLifetime(storage) {} }
        for lanes in [1, 16, 17, 40, 80, 96, 120, 128, 240] {
            for (depth, columns) in [(1, 1), (3, 2), (40, 5), (7, 17), (72, 64)] {
                let weights = random(lanes * depth, seed: 2)
                func result(_ kernels: Kernels, forRows: Bool = false) -> [Float] {
                    let matrix = PackedMatrix(
                        kernels: kernels, storage: storage, lanes: lanes, depth: depth, forRows: forRows
                    ) { weights[$0 * depth + $1] }
                    let stride = lanes.roundedUpToLanes + 3
                    let (x, y) = (FloatBuffer(random(columns * depth, seed: 3)), FloatBuffer(random(columns * stride)))
                    kernels.accumulate(
                        matrix, Rows(base: x.base, stride: depth), into: Rows(base: y.base, stride: stride),
                        count: columns)
                    return Array(UnsafeBufferPointer(start: y.base, count: y.count))
                }
                let expected = result(Self.portable).map(\.bitPattern)
                #expect(result(kernels).map(\.bitPattern) == expected)
                #expect(result(kernels, forRows: true).map(\.bitPattern) == expected)
            }
        }
    }

    @Test func accumulatesInOrderFromTheInitialValue() {
        let (lanes, depth) = (18, 9)
        let (weights, x, start) = (
            random(lanes * depth, seed: 2), random(depth, seed: 3), random(lanes.roundedUpToLanes)
        )
        let storage = ConstantStorage()
        defer { withExtendedLifetime(storage) {} }
        for kernels in Kernels.available {
            let matrix = PackedMatrix(kernels: kernels, storage: storage, lanes: lanes, depth: depth) {
                weights[$0 * depth + $1]
            }
            let (xs, y) = (FloatBuffer(x), FloatBuffer(start))
            kernels.accumulate(matrix, Rows(base: xs.base, stride: 0), into: Rows(base: y.base, stride: 0), count: 1)
            for lane in 0..<lanes {
                var sum = start[lane]
                for k in 0..<depth { sum.addProduct(weights[lane * depth + k], x[k]) }
                #expect(y.base[lane] == sum, "\(kernels.name), lane \(lane)")
            }
        }
    }

    /// Against docs/MODEL.md in plain arithmetic: odd depths, several parts, more columns than go at once, inputs at
    /// and past their bounds, which make the largest sums, a lane and an input without numbers.
    @Test(arguments: Kernels.available.map(\.name))
    func integersGiveTheBitsOfTheirDefinition(_ name: String) throws {
        let (kernels, storage) = (try Kernels.named(name), ConstantStorage())
        defer { withExtendedLifetime(storage) {} }
        for (lanes, depth, columns) in [
            (1, 1, 1), (20, 0, 3), (17, 2, 1), (80, 7, 3), (120, 40, 1), (40, 63, 17), (256, 64, 2), (48, 120, 9),
            (17, 257, 64), (33, 1024, 20), (16, 2060, 3),
        ] {
            var weights = random(lanes * depth, seed: 2)
            var bounds = random(depth, 0.1...4, seed: 6)
            if depth > 2 {
                weights.replaceSubrange(0..<depth, with: repeatElement(0, count: depth))
                bounds[1] = 0
            }
            let inputs = random(columns * depth, -1.2...1.2, seed: 3).enumerated().map { i, share in
                // Of some columns every input is at its bound, with the sign of a lane's weight.
                let (column, k) = (i / depth, i % depth)
                let isExtreme = column % 3 == 0
                return bounds[k] * (isExtreme ? (weights[column % lanes * depth + k] < 0 ? -1 : 1) : share)
            }
            for forRows in [false, true] {
                let matrix = PackedMatrix(
                    kernels: kernels, storage: storage, lanes: lanes, depth: depth, forRows: forRows,
                    inputBounds: bounds
                ) { weights[$0 * depth + $1] }
                let stride = lanes.roundedUpToLanes + 3
                // What follows the last input must not be read.
                let (x, y) = (FloatBuffer(inputs + [.nan]), FloatBuffer(count: columns * stride))
                let start = random(columns * stride)
                let starts = FloatBuffer(start)
                kernels.multiply(
                    matrix, Rows(base: x.base, stride: depth), from: Rows(base: starts.base, stride: stride),
                    into: Rows(base: y.base, stride: stride), count: columns)
                for lane in 0..<lanes {
                    let integers = IntegerLane(weights: Array(weights[lane * depth..<(lane + 1) * depth]), bounds)
                    for column in 0..<columns {
                        let place = column * stride + lane
                        let expected = integers.sum(inputs[column * depth..<(column + 1) * depth], start[place])
                        #expect(y.base[place] == expected, "\(lanes), \(depth), lane \(lane)")
                    }
                }
            }
        }
    }

    /// A row of a matrix in integers, written a second time.
    private struct IntegerLane {
        private struct Part {
            let first: Int
            let limit: Double
            let inverses: [Float]
            let weights: [Int]
            let scale: Float
        }

        private let parts: [Part]

        init(weights: [Float], _ bounds: [Float]) {
            parts = stride(from: 0, to: weights.count, by: 1024).map { first in
                let places = first..<min(first + 1024, weights.count)
                let limit = Double(min(32767, (1 << 21) / places.count))
                let steps = places.map { Double(bounds[$0]) / limit }
                let scaled = zip(places, steps).map { Double(weights[$0]) * $1 }
                let total = scaled.reduce(0) { $0 + abs($1) }
                let largest = scaled.map(abs).max() ?? 0
                let factor =
                    total == 0
                    ? 0 : min(32767 / largest, (2_147_483_647 / limit - Double(places.count) / 2) / total)
                return Part(
                    first: first, limit: limit, inverses: steps.map { $0 == 0 ? 0 : Float(1 / $0) },
                    weights: scaled.map { Int(($0 * factor).rounded(.toNearestOrEven)) },
                    scale: total == 0 ? 0 : Float(1 / factor))
            }
        }

        func sum(_ inputs: ArraySlice<Float>, _ start: Float) -> Float {
            parts.reduce(start) { sum, part in
                let products = part.weights.indices.map { k in
                    let input = inputs[inputs.startIndex + part.first + k] * part.inverses[k]
                    let limited = max(-Float(part.limit), min(Float(part.limit), input))
                    return part.weights[k] * Int(limited.rounded(.toNearestOrEven))
                }
                let total = products.reduce(0, +)
                #expect(Int32(exactly: total) != nil && Int32(exactly: products.reduce(0) { $0 + abs($1) }) != nil)
                return sum.addingProduct(Float(total), part.scale)
            }
        }
    }

    /// Against F(2, 3)'s text, bit for bit, and against the window of three itself; odd numbers of columns, too.
    @Test(arguments: Kernels.available.map(\.name))
    func winogradsTilesAreWindowsOfThree(_ name: String) throws {
        let kernels = try Kernels.named(name)
        let taps = random(3, seed: 4)
        let (g0, g1, g2) = (taps[0], taps[1], taps[2])
        let weights = [g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2]
        for count in [1, 16, 18, 40] {
            for columns in 1...7 {
                let (tiles, gap) = ((columns + 1) / 2, 3)
                // What lies past the last input column must not be read.
                let x = FloatBuffer(random((columns + 2) * (count + gap), seed: 5) + Array(repeating: .nan, count: 100))
                let v = FloatBuffer(count: 4 * tiles * count + 1)
                let y = FloatBuffer(Array(repeating: 9, count: columns * (count + gap) + 1))
                (v.base[v.count - 1], y.base[y.count - 1]) = (9, 9)
                kernels.winogradInputs(
                    Rows(base: x.base, stride: count + gap), into: v.base, channels: count, count: columns)
                func input(_ column: Int, _ i: Int) -> Float {
                    column < columns + 2 ? x.base[column * (count + gap) + i] : 0
                }
                for (t, i) in (0..<tiles).flatMap({ t in (0..<count).map { (t, $0) } }) {
                    let d = (0..<4).map { input(2 * t + $0, i) }
                    let found = (0..<4).map { v.base[($0 * tiles + t) * count + i] }
                    #expect(found == [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]])
                }
                for position in 0..<4 {
                    for i in 0..<tiles * count { v.base[position * tiles * count + i] *= weights[position] }
                }
                kernels.winogradOutputs(
                    v.base, into: Rows(base: y.base, stride: count + gap), channels: count, count: columns)
                for (column, i) in (0..<columns).flatMap({ c in (0..<count + gap).map { (c, $0) } }) {
                    let found = y.base[column * (count + gap) + i]
                    guard i < count else { #expect(found == 9); continue }
                    let m = (0..<4).map { v.base[($0 * tiles + column / 2) * count + i] }
                    #expect(found == (column % 2 == 0 ? (m[0] + m[1]) + m[2] : (m[1] - m[2]) - m[3]))
                    let window = (0..<3).reduce(0.0) { $0 + Double(taps[$1]) * Double(input(column + $1, i)) }
                    #expect(abs(Double(found) - window) < 2e-5)
                }
                #expect(v.base[v.count - 1] == 9 && y.base[y.count - 1] == 9)
            }
        }
    }

    @Test(arguments: Kernels.available.map(\.name))
    func elementwiseKernelsGiveTheSameBits(_ name: String) throws {
        let kernels = try Kernels.named(name)
        for count in [1, 4, 15, 16, 17, 40, 120] {
            let (a, b, columns) = (random(3 * count, -30...30, seed: 5), random(3 * count, -90...90, seed: 6), 3)
            func result(_ kernels: Kernels) -> [[UInt32]] {
                let table = kernels.table.pointee
                var outputs = (0..<7).map { _ in [Float](repeating: 9, count: columns * count + 32) }
                table.gate(a, b, count, &outputs[0], count, count, columns)
                table.normalize(
                    a, count, Array(b[0..<count]), Array(b[count..<2 * count]), &outputs[1], count, count, columns)
                table.rectify(a, count, &outputs[2], count, count, columns)
                table.exponentials(a, count, table.maximum(a, count), 0.7, &outputs[3])
                table.add(a, count, &outputs[4], count, count, columns)
                table.add(b, 0, &outputs[4], count, count, columns)
                table.scale(
                    a, count, Array(b[0..<count]), Array(b[count..<2 * count]), &outputs[5], count, count, columns)
                table.elu(a, count, &outputs[6], count, count, columns)
                let total = table.prefix_sums(outputs[3], count, &outputs[3])
                return outputs.map { $0.map(\.bitPattern) } + [[table.maximum(a, count).bitPattern, total.bitPattern]]
            }
            #expect(result(kernels) == result(Self.portable), "\(count) channels")
        }
    }

    @Test func gateIsTanhTimesSigmoid() {
        let wide = (0..<4000).map { Float($0 - 2000) / 100 }
        let narrow = (0..<4000).map { Float($0 - 2000) * 1e-6 }
        let a = wide + narrow
        let b = random(a.count, -100...100, seed: 8)
        for kernels in Kernels.available {
            var y = [Float](repeating: 0, count: a.count)
            kernels.table.pointee.gate(a, b, a.count, &y, a.count, a.count, 1)
            for i in a.indices {
                let exact: Double = tanh(Double(a[i])) / (1 + exp(-Double(b[i])))
                // Relative, for a norm follows that small gates matter to; below 1e-29 the product may be zero.
                let error: Double = abs(Double(y[i]) - exact)
                #expect(error <= 1e-6 * abs(exact) + 1e-29, "tanh(\(a[i])) σ(\(b[i]))")
            }
        }
    }

    @Test func eluIsTheExponentialLinearUnit() {
        let wide: [Float] = (0..<4000).map { Float($0 - 3000) / 100 }
        let narrow: [Float] = (0..<4000).map { Float($0 - 2000) * 1e-6 }
        let x: [Float] = wide + narrow + [-1e30, 1e30]
        for kernels in Kernels.available {
            var y = [Float](repeating: 0, count: x.count)
            kernels.table.pointee.elu(x, x.count, &y, x.count, x.count, 1)
            for i in x.indices {
                let exact: Double = x[i] > 0 ? Double(x[i]) : expm1(Double(x[i]))
                let error: Double = abs(Double(y[i]) - exact)
                #expect(error <= 2e-7 * abs(exact), "elu(\(x[i]))")
            }
        }
    }

    @Test func addingAndScalingAreRoundedOnce() {
        let (count, columns, gap) = (19, 3, 2)
        let stride = count + gap
        let (x, start) = (random(stride * columns), random(stride * columns, seed: 2))
        let (w, b) = (random(count, seed: 3), random(count, seed: 4))
        for kernels in Kernels.available {
            var (sum, row, scaled) = (start, start, start)
            kernels.table.pointee.add(x, stride, &sum, stride, count, columns)
            kernels.table.pointee.add(w, 0, &row, stride, count, columns)
            kernels.table.pointee.scale(x, stride, w, b, &scaled, stride, count, columns)
            for place in x.indices {
                let i = place % stride
                guard i < count else {
                    #expect([sum[place], row[place], scaled[place]].allSatisfy { $0 == start[place] })
                    continue
                }
                #expect(sum[place] == start[place] + x[place])
                #expect(row[place] == start[place] + w[i])
                #expect(scaled[place] == b[i].addingProduct(x[place], w[i]))
            }
        }
    }

    @Test func normIsPyTorchsLayerNorm() {
        let (count, columns) = (40, 6)
        let (x, w, b) = (random(count * columns, -3...5), random(count, seed: 2), random(count, seed: 3))
        for kernels in Kernels.available {
            var y = [Float](repeating: 0, count: x.count)
            kernels.table.pointee.normalize(x, count, w, b, &y, count, count, columns)
            for j in 0..<columns {
                let row = x[j * count..<(j + 1) * count].map(Double.init)
                let mean = row.reduce(0, +) / Double(count)
                let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
                for i in 0..<count {
                    let scaled: Double = (row[i] - mean) / (variance + 1e-5).squareRoot()
                    let exact: Double = scaled * Double(w[i]) + Double(b[i])
                    #expect(abs(Double(y[j * count + i]) - exact) < 2e-6)
                }
            }
        }
    }

    @Test func exponentialsVanishFarBelowTheMaximum() {
        let x: [Float] = [0, -1, -86.9, -87.1, -1000, -.infinity]
        for kernels in Kernels.available {
            var y = [Float](repeating: 9, count: 16)
            kernels.table.pointee.exponentials(x, x.count, 0, 1, &y)
            for i in 0..<3 { #expect(abs(Double(y[i]) / exp(Double(x[i])) - 1) < 2e-7) }
            #expect(y[3...].allSatisfy { $0 == 0 })
        }
    }
}
