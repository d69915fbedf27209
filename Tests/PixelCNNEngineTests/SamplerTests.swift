// An independent check of whole samples: the full forward pass's logits, Philox written a second time, and the plain
// sampler must give back every value that the engine drew, save those too near a boundary to tell.

import PixelCNNReference
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite struct SamplerTests {
    /// Philox4x32-10 after the paper's text, on plain integers; shares no code with the engine's.
    private func uniform(seed: UInt64, index: UInt64, position: UInt64) -> Float {
        var c = [position & 0xffff_ffff, position >> 32, index & 0xffff_ffff, index >> 32]
        var k = [seed & 0xffff_ffff, seed >> 32]
        for _ in 0..<10 {
            let (p0, p1) = (0xD251_1F53 * c[0], 0xCD9E_8D57 * c[2])
            c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xffff_ffff, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xffff_ffff]
            k = [(k[0] + 0x9E37_79B9) & 0xffff_ffff, (k[1] + 0xBB67_AE85) & 0xffff_ffff]
        }
        return Float(c[0] >> 8) / Float(1 << 24)
    }

    @Test(arguments: SmallModels.all.indices)
    func drawsAreTheOnesThatTheContractNames(_ modelIndex: Int) {
        let model = SmallModels.all[modelIndex].model
        let h = model.hyperparameters
        let (engine, reference) = (Engine(model: model), ReferenceNetwork(model: model))
        let (seed, first) = (0xfeed_0000_0000_0001 as UInt64, 1 << 40 as UInt64)
        for parameters in [
            SamplingParameters(), SamplingParameters(temperature: 0.7, topK: min(5, h.colors), topP: 0.9),
        ] {
            var (excluded, total) = (0, 0)
            for (i, image) in engine.sample(6, seed: seed, first: first, parameters: parameters).enumerated() {
                let logits = reference.logits(image, height: h.height, width: h.width)
                let tolerance = Double(logitTolerance(logits))
                for place in image.indices {
                    let (c, pixel) = (place / (h.height * h.width), place % (h.height * h.width))
                    let u = uniform(
                        seed: seed, index: first + UInt64(i), position: UInt64(pixel * h.channels + c))
                    let row = (0..<h.colors).map { logits[$0 * image.count + place] }
                    let expected = PlainSampler.draw(row, u: u, parameters: parameters, tolerance: tolerance)
                    total += 1
                    if expected.isNearBoundary { excluded += 1; continue }
                    #expect(expected.value == Int(image[place]))
                }
            }
            print("\(SmallModels.all[modelIndex].name): \(excluded) of \(total) values too near a boundary to tell")
            #expect(Double(excluded) <= 0.05 * Double(total))
        }
    }
}
