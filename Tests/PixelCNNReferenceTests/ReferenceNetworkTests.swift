import Foundation
import PixelCNNReference
import TestSupport
import Testing

@Suite struct ReferenceNetworkTests {
    @Test(arguments: Fixture.all)
    func wholeImageLogitsArePyTorchs(_ name: String) throws {
        let fixture = try Fixture(name)
        let network = ReferenceNetwork(model: fixture.model)
        for (i, image) in fixture.images.enumerated() {
            let expected = fixture.logits[i]
            let logits = network.logits(
                image, height: fixture.height, width: fixture.width, label: fixture.labels[i])
            #expect(largestDifference(logits, expected) <= logitTolerance(expected))
        }
    }

    @Test(arguments: Fixture.all)
    func logProbabilitiesAndBitsPerDimensionArePyTorchs(_ name: String) throws {
        let fixture = try Fixture(name)
        let network = ReferenceNetwork(model: fixture.model)
        for (i, image) in fixture.images.enumerated() {
            let expected = fixture.logProbabilities[i]
            let computed = network.logProbabilities(
                image, height: fixture.height, width: fixture.width, label: fixture.labels[i])
            let bound = 2 * logitTolerance(fixture.logits[i])
            #expect(largestDifference(computed, expected) <= bound)
            let bits = -expected.reduce(0.0) { $0 + Double($1) } / Double(expected.count) / log(2)
            let bitsPerDimension = network.bitsPerDimension(
                image, height: fixture.height, width: fixture.width, label: fixture.labels[i])
            #expect(abs(bitsPerDimension - bits) <= Double(bound) / log(2))
        }
    }
}
