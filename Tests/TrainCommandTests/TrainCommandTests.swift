// The built `pixelcnn-train`, run as a user runs it: what it prints and how it exits.

import Foundation
import Testing

@Suite struct TrainCommandTests {
    private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "PixelCNNModelTests/Fixtures")

    private func run(_ arguments: [String]) throws -> Outcome { try TrainProgram.run(arguments) }

    private func run(_ arguments: String...) throws -> Outcome { try run(arguments) }

    private func fixture(_ name: String) -> String { Self.fixtures.appending(path: name).path }

    private func withFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "pixelcnn-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }

    @Test func inspectShowsNetworkAndTensors() throws {
        let outcome = try run("inspect", fixture("module.pt"))
        #expect(outcome.code == 0)
        #expect(outcome.errors.isEmpty)
        for line in [
            "format      PyTorch module, 29,457 bytes", "image       3 × 5 × 4, 4 values per channel",
            "network     2 blocks, 6 filters, kernel 3, hidden 12", "tensors     35",
        ] {
            #expect(outcome.output.contains(line + "\n"))
        }
        #expect(outcome.output.contains("gated_layers.1.h_conv.mask    bool  12 × 6 × 1 × 3\n"))
    }

    @Test func inspectWarnsOfAnUnknownImageSize() throws {
        #expect(
            try run("inspect", fixture("state.pt")).output.contains("warning     the file does not say its image size"))
        let sized = try run("inspect", fixture("state.pt"), "--height", "5", "--width", "4")
        #expect(!sized.output.contains("warning"))
    }

    @Test func inspectListsTheTensorsOfOtherNetworks() throws {
        let outcome = try run("inspect", fixture("other-kwargs.pt"))
        #expect(outcome.code == 65)
        #expect(outcome.output.contains("net.0.weight  f32   6 × 3 × 7 × 7\n"))
        #expect(outcome.errors.contains("another network"))
    }

    @Test func convertWritesWhatInspectReads() throws {
        try withFolder { folder in
            let output = folder.appending(path: "out.safetensors").path
            let outcome = try run("convert", fixture("state.pt"), output, "--height", "5", "--width", "4")
            #expect(outcome.code == 0)
            #expect(outcome.output.contains("parameters, images 3 × 5 × 4"))
            let inspected = try run("inspect", output)
            #expect(inspected.code == 0)
            #expect(inspected.output.contains("image       3 × 5 × 4"))
            #expect(!inspected.output.contains("warning"))
        }
    }

    @Test func exitCodesFollowSysexits() throws {
        try withFolder { folder in
            let output = folder.path + "/out.safetensors"
            let commands: [(arguments: [String], code: Int32)] = [
                (["inspect"], 64),
                (["inspect", fixture("state.pt"), "--height", "0"], 64),
                (["convert", fixture("state.pt"), folder.path + "/out.pt"], 64),
                (["convert", fixture("numpy.pt"), output], 65),
                (["convert", folder.path + "/none.pt", output], 66),
                (["convert", fixture("module.pt"), folder.path + "/none/out.safetensors"], 73),
            ]
            for command in commands {
                let outcome = try run(command.arguments)
                #expect(outcome.code == command.code, "\(command.arguments)")
                #expect(outcome.output.isEmpty && !outcome.errors.isEmpty)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
        }
    }

    @Test func helpHasExamplesAndVersionIsPrinted() throws {
        #expect(try run("inspect", "--help").output.contains("pixelcnn-train inspect pixelcnn.pt"))
        #expect(try run("convert", "--help").output.contains("pixelcnn-train convert pixelcnn.pt"))
        #expect(try run("--version").output == "pixelcnn-train 0.1.0\n")
    }
}
