// A daemon that serves another published network: codes as a VQ-VAE's decoder takes them, classes, completion, scoring,
// and what the client and the daemon say of it.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct PublishedNetworkTests {
    private static func path(_ name: String) -> String {
        URL(fileURLWithPath: Programs.model).deletingLastPathComponent().appendingPathComponent("published/\(name)")
            .path
    }

    private func array(_ path: String) throws -> NPYArray {
        try NPYArray(parsing: Array(Data(contentsOf: URL(fileURLWithPath: path))))
    }

    @Test func codesAreDrawnCompletedAndScored() async throws {
        let arguments = ["--model", Self.path("vqvae-prior.pt"), "--height", "6", "--width", "9"]
        try await RunningDaemon.run(arguments) { daemon in
            let model = try await daemon.describeModel()
            #expect(model.network == "vqvae-prior" && model.colors == 280 && model.labels == 5)
            let file = daemon.directory.file("codes.npy")
            let drawn = try await daemon.client(["sample", "-n", "4", "--seed", "1", "--label", "3", "-o", file])
            try #require(drawn.status == 0, "\(drawn.errors)")
            let codes = try array(file)
            #expect(codes.elementType == .uint16 && codes.shape == [4, 1, 6, 9])
            let values = try codes.integers(as: UInt16.self, in: 0...279)
            #expect(values.contains { $0 > 255 })

            // The first rows of the first image, and the seed's own rest: the same image again.
            let image = daemon.directory.file("image.npy")
            try Data(NPYArray.encode(Array(values[..<54]), shape: [1, 6, 9])).write(to: URL(fileURLWithPath: image))
            let again = daemon.directory.file("again.npy")
            let completed = try await daemon.client(
                ["complete", image, "--rows", "3", "--seed", "1", "--label", "3", "-o", again])
            try #require(completed.status == 0, "\(completed.errors)")
            #expect(try array(again).integers(as: UInt16.self, in: 0...279) == Array(values[..<54]))

            let scored = try await daemon.client(["score", file, "--label", "3"])
            #expect(scored.status == 0, "\(scored.errors)")
            let shown = try await daemon.client(["model"])
            #expect(shown.text.contains("vqvae-prior"))
            let other = try await daemon.client(["sample", "--label", "5", "-o", file])
            #expect(other.status == 64 || other.status == 65, "\(other.errors)")
        }
    }

    @Test func aSizeThatNoFileSaysIsAskedFor() async throws {
        for arguments in [[], ["--height", "6"]] {
            let result = try await Command.run(
                Programs.daemon, ["--check", "--model", Self.path("vqvae-prior.pt")] + arguments)
            #expect(result.status == 65)
            #expect(result.errors.contains("--height and --width"), "\(result.errors)")
        }
        // This one says it.
        let result = try await Command.run(
            Programs.daemon, ["--check", "--model", Self.path("pytorch-generative.ckpt")])
        #expect(result.status == 0, "\(result.errors)")
    }

    @Test(arguments: [
        ("anordertoreclaim.pth", ["--label", "2"]), ("pytorch-generative-colour.pt", []), ("uva-tutorial.ckpt", []),
        ("pixel_models-uneven.pt", []),
    ])
    func picturesOfEveryNetworkAreDrawn(_ model: String, _ label: [String]) async throws {
        let arguments = ["--model", Self.path(model), "--height", "8", "--width", "9", "--threads", "2"]
        try await RunningDaemon.run(arguments) { daemon in
            let (one, three) = (daemon.directory.file("one.npy"), daemon.directory.file("three.npy"))
            for (count, file) in [("1", one), ("3", three)] {
                let drawn = try await daemon.client(["sample", "-n", count, "--seed", "5", "-o", file] + label)
                try #require(drawn.status == 0, "\(drawn.errors)")
            }
            let first = try array(one).integers(as: UInt16.self, in: 0...65535)
            let all = try array(three).integers(as: UInt16.self, in: 0...65535)
            #expect(all.starts(with: first) && Set(all).count > 1)
            let picture = try await daemon.client(["sample", "-o", daemon.directory.file("picture.png")] + label)
            #expect(picture.status == 0, "\(picture.errors)")
        }
    }
}
