// What people give for images, through the client to a real daemon: pictures in other formats than PNG, arrays in .npz,
// with and without the axis of one channel; and a prior of codes from training to scores.

import Foundation
import ImageFormats
import ImageImport
import PixelCNNAPI
import ServerTestSupport
import Support
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct ImportTests {
    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../ImageImportTests/Fixtures").standardized.path

    private func write(_ bytes: [UInt8], _ path: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    @Test func picturesAndContainersAreScoredAndCompleted() async throws {
        try await RunningDaemon.run { daemon in
            func score(_ path: String) async throws -> ScoreResponse {
                let result = try await daemon.client(["score", "--json", path])
                #expect(result.status == 0, "\(path): \(result.errors)")
                return try scores(result.output)
            }
            let bmp = try await score("\(Self.fixtures)/rgb.bmp")
            for name in ["rgb.tiff", "lzw.tiff", "lossless.webp"] {
                #expect(try await score("\(Self.fixtures)/\(name)") == bmp, "\(name)")
            }
            _ = try await score("\(Self.fixtures)/rgb.jpg")
            // A folder of pictures, whatever they are, is one stack.
            let folder = daemon.directory.file("pictures")
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for name in ["rgb.bmp", "rgb.jpg", "lossy.webp", "rgb.tiff"] {
                try FileManager.default.copyItem(atPath: "\(Self.fixtures)/\(name)", toPath: "\(folder)/\(name)")
            }
            let table = try await daemon.client(["score", folder])
            #expect(table.text.split(separator: "\n").count == 5, "\(table.text)")

            let images = (0..<120).map { UInt8($0) }
            try write(NPYArray.encode(images, shape: [2, 3, 4, 5]), daemon.directory.file("images.npy"))
            let expected = try await score(daemon.directory.file("images.npy"))
            for name in ["stored.npz", "deflated.npz", "deflated.npz/images", "fortran.npz"] {
                #expect(try await score("\(Self.fixtures)/\(name)") == expected, "\(name)")
            }

            // The same picture in other formats is completed to the same images.
            var completed: Set<[UInt8]> = []
            for name in ["rgb.bmp", "rgb.tiff", "lossless.webp"] {
                let result = try await daemon.client(
                    ["complete", "--rows", "4", "\(Self.fixtures)/\(name)", "-n", "2", "--seed", "1", "-q", "-o", "-"])
                #expect(result.status == 0, "\(name): \(result.errors)")
                completed.insert(result.output)
            }
            #expect(completed.count == 1)
            try write(Array("GIF89a, say".utf8), daemon.directory.file("a.gif"))
            for (arguments, words) in [
                (["score", "\(Self.fixtures)/clear.webp"], ["clear.webp", "transparency"]),
                (["score", "\(Self.fixtures)/several.npz"], ["several.npz", "say which"]),
                (["score", daemon.directory.file("a.gif")], ["a.gif", "not an image that is read", "PIL"]),
                (["complete", "--rows", "1", daemon.directory.file("a.gif")], ["a.gif", "PIL"]),
                (["complete", "--rows", "1", "\(Self.fixtures)/cmyk.jpg"], ["cmyk.jpg", "CMYK"]),
                (
                    ["complete", "--mask", "\(Self.fixtures)/gray.jpg", "\(Self.fixtures)/rgb.jpg"],
                    ["gray.jpg", "PNG"]
                ),
            ] {
                let result = try await daemon.client(arguments)
                #expect(result.status == SystemExit.dataError.rawValue, "\(result.errors)")
                #expect(words.allSatisfy { result.errors.contains($0) }, "\(result.errors)")
                // A note that the size is not the model's may come first.
                let lines = result.errors.split(separator: "\n").filter { !$0.contains("scored as they are") }
                #expect(lines.count == 1, "\(result.errors)")
            }
        }
    }

    /// A folder with every trap: the client and the companion see the same images, each once, and say what they leave
    /// out. Root may read everything, so the programs run as nobody then.
    @Test func aFolderIsTheSameImagesToAllPrograms() async throws {
        let directory = try TemporaryDirectory()
        let folder = directory.file("data")
        func write(_ name: String, _ bytes: [UInt8]) throws {
            let url = URL(fileURLWithPath: "\(folder)/\(name)")
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(bytes).write(to: url)
        }
        func picture(_ seed: Int) throws -> [UInt8] {
            let pixels = (0..<9 * 7 * 3).map { UInt8(truncatingIfNeeded: $0 * $0 * (seed + 3)) }
            return try PNG.encode(Picture(width: 7, height: 9, channels: 3, pixels: pixels))
        }
        let pictures = [
            "cats/1.png", "cats/2.png", "cats/deep/3.PNG", "dogs-more/1.png", "../far/wolves/1.png", "../far/4.png",
        ]
        for (seed, name) in pictures.enumerated() { try write(name, picture(seed)) }
        for name in ["rgb.jpg", "lossy.webp", "rgb.bmp", "rgb.tiff"] {
            try FileManager.default.copyItem(
                atPath: "\(Self.fixtures)/\(name)", toPath: "\(folder)/dogs-more/\(name)")
        }
        for name in ["cats/.ipynb_checkpoints/1.png", "cats/._1.png", "cats/.DS_Store", "Thumbs.db", "cats/a.gif"] {
            try write(name, [1])
        }
        for name in ["locked/1.png", "cats/locked.png"] { try write(name, picture(99)) }
        try write("cats/cut.png", Array(picture(9).dropLast(9)))
        try write("cats/page.jpg", Array("<!DOCTYPE html>".utf8))
        try write("dogs-more/cut.webp", Array(bytes(ofFile: "\(Self.fixtures)/lossy.webp").dropLast(90)))
        try write("dogs-more/empty.jpg", [])
        for (name, target) in [
            ("wolves", "../far/wolves"), ("wolves-again", "../far/wolves"), ("cats/loop", ".."),
            (
                "cats/4.png",
                "../../far/4.png"
            ), ("dogs-more/none.png", "nowhere"), ("cats/deep/self", "../deep"),
        ] {
            try FileManager.default.createSymbolicLink(atPath: "\(folder)/\(name)", withDestinationPath: target)
        }
        #expect(chmod("\(folder)/locked", 0) == 0 && chmod("\(folder)/cats/locked.png", 0) == 0)
        #expect(chmod(directory.path, 0o777) == 0)
        let expected = [
            "cats/1.png", "cats/2.png", "cats/4.png", "cats/deep/3.PNG", "dogs-more/1.png", "dogs-more/lossy.webp",
            "dogs-more/rgb.bmp", "dogs-more/rgb.jpg", "dogs-more/rgb.tiff", "wolves/1.png",
        ]
        let note =
            "\(folder)/: left out folders that cannot be read: 1 (locked); files that cannot be read: 1 "
            + "(cats/locked.png); links that lead nowhere: 1 (dogs-more/none.png); links to what is there already: 3 "
            + "(cats/deep/self, cats/loop, wolves-again); pictures that cannot be decoded: 4 (cats/cut.png, "
            + "cats/page.jpg, dogs-more/cut.webp, …); files of other kinds: 2 (Thumbs.db, cats/a.gif)"
        func run(_ program: String, _ arguments: [String]) async throws -> CommandResult {
            guard getuid() == 0 else {
                return try await Command.run("\(Programs.folder)/\(program)", arguments)
            }
            return try await Command.run(
                "/usr/bin/env",
                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "\(Programs.folder)/\(program)"]
                    + arguments)
        }
        let model = directory.file("model.safetensors")
        let trained = try await run(
            "pixelcnn-train",
            [
                "--data", folder, "--conditional", "--blocks", "1", "--filters", "6", "--epochs", "1", "--samples", "0",
                "--output", model,
            ])
        #expect(trained.status == 0 && trained.errors.contains("10 images of 3 × 9 × 7"), "\(trained.errors)")
        #expect(trained.errors.contains("classes: cats 4, dogs-more 5, wolves 1\n"), "\(trained.errors)")
        #expect(trained.errors.contains("warning: \(note)\n"), "\(trained.errors)")
        let evaluated = try await run("pixelcnn-train", ["evaluate", model, folder])
        #expect(evaluated.text.contains("10 of 3 × 9 × 7"), "\(evaluated.text)")
        #expect(evaluated.errors.contains("warning: \(note)\n"), "\(evaluated.errors)")
        let plain = directory.file("plain.safetensors")
        let unconditional = try await run(
            "pixelcnn-train",
            [
                "--data", folder, "--blocks", "1", "--filters", "6", "--epochs", "1", "--samples", "0", "--output",
                plain,
            ])
        #expect(unconditional.status == 0, "\(unconditional.errors)")
        let mean = try await run("pixelcnn-train", ["evaluate", plain, folder])
        try await RunningDaemon.run(["--model", plain]) { daemon in
            #expect(chmod(daemon.directory.path, 0o777) == 0 && chmod(daemon.socket, 0o666) == 0)
            let scored = try await run("pixelcnn", ["score", "--socket", daemon.socket, folder])
            #expect(scored.status == 0 && scored.errors.contains("warning: \(note)\n"), "\(scored.errors)")
            let names = scored.text.split(separator: "\n").dropLast().compactMap { $0.split(separator: " ").first }
            #expect(names.map(String.init) == expected.map { "\(folder)/\($0)" }, "\(scored.text)")
            let words = try #require(scored.text.split(separator: "\n").last).split(separator: " ")
            let bits = try #require(words.dropFirst().first.flatMap { Double($0) })
            #expect(mean.text.contains(String(format: "mean        %.4f ± ", bits)), "\(bits): \(mean.text)")
        }
        #expect(chmod("\(folder)/locked", 0o700) == 0)
    }

    /// Photographs of several sizes, for a model of a smaller one: `--size` makes of them what training makes of them.
    @Test func picturesAreResizedAsTrainingResizesThem() async throws {
        let directory = try TemporaryDirectory()
        let folder = directory.file("photos")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (i, (width, height)) in [(12, 9), (7, 30), (4, 6)].enumerated() {
            let pixels = (0..<3 * width * height).map { UInt8(truncatingIfNeeded: $0 * $0 * (i + 3)) }
            try write(
                PNG.encode(Picture(width: width, height: height, channels: 3, pixels: pixels)), "\(folder)/\(i).png")
        }
        for name in ["gray.bmp", "rgb.jpg", "lossless.webp"] {
            try FileManager.default.copyItem(atPath: "\(Self.fixtures)/\(name)", toPath: "\(folder)/\(name)")
        }
        let model = directory.file("model.safetensors")
        func companion(_ arguments: [String]) async throws -> CommandResult {
            let result = try await Command.run("\(Programs.folder)/pixelcnn-train", arguments)
            #expect(result.status == 0, "\(result.errors)")
            return result
        }
        _ = try await companion([
            "--data", folder, "--size", "6x4", "--blocks", "1", "--filters", "6", "--epochs", "1", "--samples", "0",
            "--output", model,
        ])
        let evaluated = try await companion(["evaluate", model, folder, "--size", "6x4"])
        try await RunningDaemon.run(["--model", model]) { daemon in
            let scored = try await daemon.client(["score", "--json", folder, "--size", "6x4"])
            #expect(scored.status == 0 && scored.errors.isEmpty, "\(scored.errors)")
            let mean = try JSONCoding.decode(ScoreResponse.self, from: scored.output).meanBitsPerDimension
            #expect(evaluated.text.contains(String(format: "mean        %.4f ± ", mean)), "\(evaluated.text) \(mean)")

            let size = ImageSize(height: 6, width: 4)
            for name in ["0.png", "rgb.jpg", "gray.bmp"] {
                let output = daemon.directory.file("completed.npy")
                let completed = try await daemon.client(
                    ["complete", "--rows", "2", "--size", "6x4", "\(folder)/\(name)", "-n", "2", "-o", output, "-q"])
                #expect(completed.status == 0 && completed.errors.isEmpty, "\(completed.errors)")
                let images = try NPYArray(parsing: bytes(ofFile: output))
                #expect(images.shape == [2, 3, 6, 4])
                let picture = try #require(Picture.imported(bytes(ofFile: "\(folder)/\(name)")).resized(to: size))
                let values = try images.integers()
                for (index, value) in values.enumerated() where index / 4 % 6 < 2 {
                    let place = index % 24 * picture.channels + min(index / 24 % 3, picture.channels - 1)
                    #expect(value == Int(picture.pixels[place]), "\(name): \(index)")
                }
            }
            // Without it: what would help is said.
            let mixed = try await daemon.client(["score", folder])
            #expect(mixed.status == 65 && mixed.errors.contains("--size brings all to one"), "\(mixed.errors)")
            for arguments in [["complete", "--rows", "2", "-o", "-"], ["score"]] {
                let result = try await daemon.client(arguments + ["\(folder)/0.png"])
                #expect(result.status == 0, "\(result.errors)")
                #expect(result.errors.contains("; --size 6x4 resizes to theirs\n"), "\(result.errors)")
            }
            // An array has the model's values, of which there is no mean that would show the same.
            let array = daemon.directory.file("array.npy")
            try write(NPYArray.encode([UInt8](repeating: 7, count: 3 * 30), shape: [3, 6, 5]), array)
            for arguments in [["score", array], ["complete", "--rows", "1", array]] {
                let result = try await daemon.client(arguments + ["--size", "6x4"])
                #expect(result.status == 65 && result.errors.contains("not arrays"), "\(result.errors)")
                let wrong = try await daemon.client(arguments + ["--size", "0x4"])
                #expect(wrong.status == 64 && wrong.errors.contains("--size"), "\(wrong.errors)")
            }
        }
    }

    @Test func oneChannelNeedsNoAxisAndLastChannelsAreNamed() async throws {
        try await RunningDaemon.run(["--model", ReplaceableModel.gray]) { daemon in
            func file(_ name: String, _ shape: [Int]) throws -> String {
                let values = (0..<UInt8(128)).map { $0 % 17 }
                let path = daemon.directory.file(name)
                try write(NPYArray.encode(Array(values.prefix(shape.reduce(1, *))), shape: shape), path)
                return path
            }
            let stack = try await daemon.client(["score", "--json", file("n1hw.npy", [2, 1, 8, 8])])
            let plain = try await daemon.client(["score", "--json", file("nhw.npy", [2, 8, 8])])
            #expect(try scores(plain.output) == scores(stack.output), "\(plain.errors)")
            let one = try await daemon.client(["score", file("hw.npy", [8, 8])])
            #expect(one.status == 0, "\(one.errors)")
            // The daemon itself says the same of a body.
            for (shape, status) in [([2, 8, 8], 200), ([8, 8], 200), ([2, 8, 8, 1], 422)] {
                let response = try await Curl.send(
                    Endpoint.score, socket: daemon.socket,
                    ["-H", "Content-Type: \(MediaTypeName.npy)", "--data-binary", "@\(file("body.npy", shape))"])
                #expect(response.status == status, "\(response.text)")
                if status == 422 { #expect(response.text.contains("x.transpose(0, 3, 1, 2)")) }
            }
        }
    }

    /// Codes of a VQ-VAE, 512 of them: trained, evaluated, sampled by a daemon and scored again.
    @Test func aPriorOfCodesIsTrainedServedAndScored() async throws {
        let directory = try TemporaryDirectory()
        let model = directory.file("prior.safetensors")
        let codes = (0..<16 * 64).map { UInt16($0 * 131 % 512) }
        try write(NPYArray.encode(codes, shape: [16, 8, 8]), directory.file("codes.npy"))
        let trained = try await Command.run(
            "\(Programs.folder)/pixelcnn-train",
            [
                "--data", directory.file("codes.npy"), "--colors", "512", "--blocks", "2", "--filters", "8", "--epochs",
                "2", "--output", model,
            ])
        #expect(trained.status == 0, "\(trained.errors)")
        try await RunningDaemon.run(["--model", model]) { daemon in
            let samples = daemon.directory.file("samples.npy")
            let drawn = try await daemon.client(["sample", "-n", "5", "--seed", "3", "-q", "-o", samples])
            #expect(drawn.status == 0, "\(drawn.errors)")
            let array = try NPYArray(parsing: bytes(ofFile: samples))
            #expect(array.shape == [5, 1, 8, 8] && array.elementType == .uint16)
            let scores = try await daemon.client(["score", "--json", samples])
            let bits = try JSONCoding.decode(ScoreResponse.self, from: scores.output).meanBitsPerDimension
            // The companion says the same of the same images.
            let evaluated = try await Command.run("\(Programs.folder)/pixelcnn-train", ["evaluate", model, samples])
            #expect(evaluated.text.contains(String(format: "%.4f ± ", bits)), "\(bits): \(evaluated.text)")
            let given = daemon.directory.file("given.npy")
            try write(NPYArray.encode(Array(codes.prefix(64)), shape: [8, 8]), given)
            let completed = daemon.directory.file("completed.npy")
            let result = try await daemon.client(["complete", "--rows", "4", given, "-n", "2", "-q", "-o", completed])
            #expect(result.status == 0, "\(result.errors)")
            #expect(
                try NPYArray(parsing: bytes(ofFile: completed)).integers().prefix(32).elementsEqual(
                    codes.prefix(32).map(Int.init)))
        }
    }
}
