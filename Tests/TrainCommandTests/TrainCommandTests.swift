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

    @Test func weightsChoosesAmongCopies() throws {
        let usual = try run("inspect", fixture("copies.pt"))
        #expect(
            usual.output.contains(
                "the file has 2 copies of the network; it takes “model” and leaves “ema” (choose with --weights)\n"))
        try withFolder { folder in
            let (model, average) = (folder.appending(path: "m.safetensors"), folder.appending(path: "a.safetensors"))
            let size = ["--height", "5", "--width", "4"]
            #expect(try run(["convert", fixture("copies.pt"), model.path] + size).code == 0)
            let chosen = try run(["convert", fixture("copies.pt"), average.path, "--weights", "ema"] + size)
            #expect(chosen.code == 0)
            #expect(chosen.errors.contains("takes “ema” and leaves “model”"))
            #expect(try Data(contentsOf: model) != Data(contentsOf: average))
            // All other commands that read a model.
            for arguments in [
                ["verify", "--count", "1"], ["receptive-field", "-o", folder.appending(path: "rf.png").path],
                ["inspect"],
            ] {
                let outcome = try run(
                    [arguments[0], fixture("copies.pt"), "--weights", "ema"] + arguments.dropFirst() + size)
                #expect(outcome.code == 0, "\(outcome.errors)")
                #expect((outcome.errors + outcome.output).contains("takes “ema”"), "\(arguments)")
            }
        }
        let absent = try run("inspect", fixture("copies.pt"), "--weights", "teacher")
        #expect(absent.code == 65)
        #expect(absent.errors.contains("no weights “teacher”; it has “model”, “ema”"))
        #expect(try run("train", "--weights", "ema", "--data", "none").code == 64)
    }

    @Test func inspectListsTensorsThatAreNotRead() throws {
        let outcome = try run("inspect", fixture("beside.pt"), "--height", "5", "--width", "4")
        #expect(outcome.code == 0)
        #expect(outcome.output.contains("not read: uint16\n"))
        #expect(outcome.output.contains("“argparse.Namespace”"))
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

    @Test func aMisspeltSubcommandIsCorrected() throws {
        for (words, message) in [
            (["evalaute", "a.pt", "b.npy"], "no subcommand \"evalaute\"; did you mean evaluate?"),
            (["photos/"], "there are train, evaluate, verify, receptive-field, inspect, convert"),
        ] {
            let outcome = try run(words)
            #expect(outcome.code == 64 && outcome.errors.contains(message), "\(outcome.errors)")
        }
        #expect(try run(["help", "evaluate"]).code == 0)
    }

    @Test func exitCodesFollowSysexits() throws {
        try withFolder { folder in
            let output = folder.path + "/out.safetensors"
            let commands: [(arguments: [String], code: Int32)] = [
                (["inspect"], 64),
                (["inspect", fixture("state.pt"), "--height", "0"], 64),
                (["convert", fixture("state.pt"), folder.path + "/out.pt"], 64),
                (["convert", fixture("complex.pt"), output], 65),
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

    /// Foundation's Process would turn the argument into another.
    @Test func aNameThatIsNotUTF8IsRefusedAndNotRewritten() throws {
        try withFolder { folder in
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/env")
            let script = "cp \"$2\" \"$(printf 'caf\\351.pt')\"; \"$1\" inspect \"$(printf 'caf\\351.pt')\""
            process.arguments = ["sh", "-c", script, "sh", try TrainProgram.path, fixture("module.pt")]
            process.currentDirectoryURL = folder
            let (output, errors) = (Pipe(), Pipe())
            (process.standardOutput, process.standardError) = (output, errors)
            try process.run()
            let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 64 && text.contains("caf\\xE9.pt; rename"), "\(text)")
        }
    }

    @Test func helpHasExamplesAndVersionIsPrinted() throws {
        #expect(try run("inspect", "--help").output.contains("pixelcnn-train inspect pixelcnn.pt"))
        #expect(try run("convert", "--help").output.contains("pixelcnn-train convert pixelcnn.pt"))
        #expect(try run("--version").output == "pixelcnn-train 0.1.0\n")
    }
}
