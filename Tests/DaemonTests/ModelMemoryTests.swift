// What a model costs a daemon in memory: its packed weights and its file's bytes, which go when they are packed. The
// peak of a daemon that is ready (VmHWM), beside that of one with the tiny model.

import Foundation
import PixelCNNModel
import ServerTestSupport
import Testing

@Suite struct ModelMemoryTests {
    @Test func thePublishedNetworkCostsAtMostTwiceItsParametersAndAFifth() async throws {
        let hyperparameters = try Hyperparameters()
        let parameterBytes = hyperparameters.parameterCount * MemoryLayout<Float>.size
        let directory = try TemporaryDirectory()
        let path = directory.file("published.safetensors")
        try Model.random(hyperparameters, seed: 1).writeSafetensors(to: path)
        let tiny = try await peakWhenReady(Programs.model)
        let published = try await peakWhenReady(path)
        print("peak \(published) bytes, \(tiny) with the tiny model; parameters \(parameterBytes)")
        #expect(Double(published - tiny) <= 2.2 * Double(parameterBytes))
    }

    private func peakWhenReady(_ model: String) async throws -> Int {
        var peak: Int?
        try await RunningDaemon.run(["--model", model, "--threads", "1"]) { daemon in
            let status = try String(
                contentsOfFile: "/proc/\(daemon.command.processIdentifier)/status", encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
            peak = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
        }
        return try #require(peak) * 1024
    }
}
