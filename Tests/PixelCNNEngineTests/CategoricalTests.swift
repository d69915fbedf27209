// The sampling contract's rules for one value, against a plain implementation in double precision written from its
// text.

import Foundation
import PixelCNNKernels
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite struct CategoricalTests {
    private func draw(_ logits: [Float], _ u: Float, _ parameters: SamplingParameters, _ kernels: Kernels = .fastest)
        -> Int
    {
        let buffer = FloatBuffer(count: logits.count.roundedUpToLanes)
        for (i, logit) in logits.enumerated() { buffer.base[i] = logit }
        return Categorical(kernels: kernels, colors: logits.count)
            .draw(UnsafePointer(buffer.base), uniform: u, parameters: parameters)
    }

    @Test func zeroTemperatureIsTheSmallestArgMaxAndIgnoresTheRest() {
        let logits: [Float] = [1, 5, 3, 5, 5]
        #expect(draw(logits, 0.99, SamplingParameters(temperature: 0, topK: 3, topP: 0.5)) == 1)
    }

    @Test func topKKeepsExactlyKAndPrefersSmallValuesAmongEquals() {
        let logits: [Float] = [2, 2, 2, 2, 1]
        for u in stride(from: Float(0), to: 1, by: 0.01) {
            #expect(draw(logits, u, SamplingParameters(topK: 2)) == (u < 0.5 ? 0 : 1))
        }
    }

    @Test func topPKeepsTheShortestPrefixThatReachesP() {
        // Shares 0.5, 0.25, 0.125, 0.125 of values 3, 1, 0, 2.
        let logits = [0.125, 0.25, 0.125, 0.5].map { Float(log($0)) }
        let drawn = { (p: Float) in
            Set(stride(from: Float(0), to: 1, by: 0.001).map { draw(logits, $0, SamplingParameters(topP: p)) })
        }
        #expect(drawn(0.4) == [3])
        #expect(drawn(0.6) == [1, 3])
        #expect(drawn(0.8) == [0, 1, 3])
        #expect(drawn(1) == [0, 1, 2, 3])
    }

    @Test func topPWorksOnWhatTopKKept() {
        let logits = [0.4, 0.3, 0.2, 0.1].map { Float(log($0)) }
        // Of the first two, 0.4 / 0.7 = 0.571: p = 0.55 keeps one, p = 0.6 both.
        #expect(draw(logits, 0.999, SamplingParameters(topK: 2, topP: 0.55)) == 0)
        #expect(draw(logits, 0.999, SamplingParameters(topK: 2, topP: 0.6)) == 1)
    }

    @Test func theSmallestTopPKeepsTheLikeliestValue() {
        #expect(draw([0, 3, 1], 0.9, SamplingParameters(topP: .leastNonzeroMagnitude)) == 1)
    }

    @Test func zeroUniformPicksTheFirstValueOfNonzeroProbability() {
        #expect(draw([-1000, -1000, 0, 0], 0, SamplingParameters()) == 2)
    }

    @Test func theLargestUniformPicksAKeptValue() {
        var generator = SplitMix(seed: 4)
        for colors in [2, 16, 17, 256] {
            for _ in 0..<200 {
                let logits = (0..<colors).map { _ in Float.random(in: -20...20, using: &generator) }
                let value = draw(logits, 1 - 0x1p-24, SamplingParameters(topK: 1))
                #expect(logits[value] == logits.max())
            }
        }
    }

    @Test func drawsWhatAPlainImplementationDraws() {
        var generator = SplitMix(seed: 9)
        var near = 0
        for _ in 0..<2000 {
            let colors = Int.random(in: 2...300, using: &generator)
            let logits = (0..<colors).map { _ in Float.random(in: -6...6, using: &generator) }
            let u = Float(UInt32.random(in: 0..<(1 << 24), using: &generator)) * 0x1p-24
            for parameters in [
                SamplingParameters(), SamplingParameters(temperature: 0.7), SamplingParameters(topK: min(5, colors)),
                SamplingParameters(topP: 0.9),
                SamplingParameters(temperature: 1.3, topK: min(40, colors), topP: 0.8),
            ] {
                let expected = PlainSampler.draw(logits, u: u, parameters: parameters, tolerance: 1e-5)
                if expected.isNearBoundary { near += 1; continue }
                for kernels in Kernels.available {
                    #expect(draw(logits, u, parameters, kernels) == expected.value)
                }
            }
        }
        #expect(near < 200, "\(near) of 10000 draws lie too near a boundary to tell")
    }

    @Test func logProbabilitiesAreLogSoftmax() {
        var generator = SplitMix(seed: 3)
        for colors in [2, 17, 256] {
            let logits = FloatBuffer(count: colors.roundedUpToLanes)
            for v in 0..<colors { logits.base[v] = Float.random(in: -9...9, using: &generator) }
            let total = (0..<colors).reduce(0.0) { $0 + exp(Double(logits.base[$1])) }
            let categorical = Categorical(kernels: .fastest, colors: colors)
            for v in 0..<colors {
                let computed = categorical.logProbability(UnsafePointer(logits.base), of: v)
                #expect(abs(Double(computed) - (Double(logits.base[v]) - log(total))) < 2e-6)
            }
        }
    }

    @Test func naturalLogarithmIsLibmsToTheLastDigits() {
        for x in [1, 1.0000001, 1.4142135, 1.4142136, 2, 3.7, 255.9, 65536, 1e30] {
            #expect(abs(naturalLogarithm(x) - log(x)) <= 1e-15 * max(1, log(x)))
        }
    }
}
