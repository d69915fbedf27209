// Every instruction set that this processor has gives the same bytes, whatever else is in the session. A table that is
// silently left out would make these tests say less than they seem to, so they consult the processor's own list.

import Foundation
import PixelCNNKernels
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite struct InstructionSetTests {
    /// What an instruction set needs among the flags of /proc/cpuinfo.
    private static let needs: [String: Set<String>] = [
        "avx512vnni": ["avx512_vnni", "avx512f", "avx512vl", "avx512dq", "avx512bw", "avx2", "fma"],
        "avx512": ["avx512f", "avx512vl", "avx512dq", "avx512bw", "avx2", "fma"],
        "avx2": ["avx2", "fma"],
        "neon": ["asimd"],
        "portable": [],
    ]

    @Test func noneThatThisProcessorHasIsLeftOut() throws {
        let information = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
        let line = try #require(
            information.split(separator: "\n").first { $0.hasPrefix("flags") || $0.hasPrefix("Features") })
        let flags = Set(line.split(whereSeparator: \.isWhitespace).map(String.init))
        let expected = Set(Self.needs.filter { $0.value.isSubset(of: flags) }.keys)
        let names = Kernels.available.map(\.name)
        print("instruction sets compared: \(names.joined(separator: ", "))")
        #expect(Set(names) == expected && names.count == expected.count)
        #expect(names.last == "portable")
    }

    @Test(arguments: [1, 3, 64], Precision.allCases)
    func imagesOfMixedSizesAtMixedPositionsAreTheSameBytes(_ count: Int, _ precision: Precision) {
        let model = SmallModels.colour
        let tasks = (0..<count).map { Self.task($0, channels: 3, colors: 20) }
        // The slow twin, image by image.
        let portable = Engine(
            model: model, kernels: Kernels.available[Kernels.available.count - 1], precision: precision)
        let expected = tasks.map { portable.run([$0])[0] }
        for kernels in Kernels.available {
            let found = Self.runStaggered(
                Engine(model: model, kernels: kernels, precision: precision), tasks)
            #expect(found == expected, "\(kernels.name), \(count) images")
        }
    }

    /// Image i: of a size of its own; every fourth scored, the others drawn in three ways.
    private static func task(_ i: Int, channels: Int, colors: Int) -> ImageTask {
        let (height, width) = (2 + i % 4, 3 + 5 * i % 7)
        let ways = [
            SamplingParameters(), SamplingParameters(temperature: 0.8, topK: 5), SamplingParameters(topP: 0.9),
        ]
        let source: ImageTask.Source =
            i % 4 == 3
            ? .score(values: (0..<channels * height * width).map { UInt16(($0 * 7 + i) % colors) })
            : .sample(seed: 9, index: UInt64(i), parameters: ways[i % 3])
        return ImageTask(height: height, width: width, source: source)
    }

    /// Adds the images up to two steps apart, so that they stand at different positions and leave one by one.
    private static func runStaggered(_ engine: Engine, _ tasks: [ImageTask]) -> [ImageResult?] {
        let session = SamplingSession(engine: engine, capacity: tasks.count)
        var results: [Int: ImageResult] = [:]
        for (tag, task) in tasks.enumerated() {
            session.add(task, tag: tag)
            for _ in 0..<tag % 3 { session.step { results[$0] = $1 } }
        }
        while session.count > 0 { session.step { results[$0] = $1 } }
        return tasks.indices.map { results[$0] }
    }
}
