// The protocol's responses as JSON, and exit codes.

import Foundation
import Testing

@testable import PixelCNNAPI

@Suite struct ResponseTests {
    @Test func modelUsesTheProtocolsNames() throws {
        let text = String(decoding: try JSONCoding.encode(SampleRequestTests.model), as: UTF8.self)
        for name in [
            "n_colors", "n_blocks", "kernel_size", "precision", "instruction_set", "sha256", "labels", "threads",
            "limits",
        ] {
            #expect(text.contains("\"\(name)\":"))
        }
        #expect(try JSONCoding.decode(ModelDescription.self, from: Array(text.utf8)) == SampleRequestTests.model)
    }

    @Test func statusKeepsItsCountersAndRates() throws {
        let status = StatusDescription(
            state: .ready, requestsInFlight: 1, requestsQueued: 2, imagesInFlight: 3, imagesQueued: 4,
            imagesCompleted: 10, valuesDrawn: .max, threads: 2, uptimeSeconds: 4, processIdentifier: 5)
        #expect(status.meanImagesPerSecond == 2.5)
        let bytes = try JSONCoding.encode(status)
        #expect(try JSONCoding.decode(StatusDescription.self, from: bytes) == status)
        #expect(String(decoding: bytes, as: UTF8.self).contains("\"values_drawn\":18446744073709551615"))
    }

    @Test func problemsOmitAFieldThatIsNotThere() throws {
        let problem = Problem(status: 404, title: "Not Found", detail: "no such path")
        let text = String(decoding: try JSONCoding.encode(problem), as: UTF8.self)
        #expect(text == #"{"detail":"no such path","status":404,"title":"Not Found","type":"about:blank"}"# + "\n")
    }

    @Test func bitsPerDimensionAreTheMeanOfEachImage() {
        let half = Float(log(0.5))
        let quarter = Float(log(0.25))
        let score = ScoreResponse(logProbabilities: [half, half, quarter, quarter], count: 2)
        #expect(abs(score.bitsPerDimension[0] - 1) < 1e-6)
        #expect(abs(score.bitsPerDimension[1] - 2) < 1e-6)
        #expect(abs(score.meanBitsPerDimension - 1.5) < 1e-6)
    }

    @Test func onlyGreyAndColourOfEightBitsAreShownAsPNG() {
        var model = SampleRequestTests.model
        #expect(model.isShownAsPNG)
        model.channels = 1
        #expect(model.isShownAsPNG)
        model.channels = 2
        #expect(!model.isShownAsPNG)
        model.channels = 3
        model.colors = 257
        #expect(!model.isShownAsPNG)
    }
}
