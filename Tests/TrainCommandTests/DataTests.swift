// The forms that training data comes in, and what is said of data that is wrong. CIFAR-10 comes as a small archive of
// the same layout from a real HTTP server on this machine.

import Foundation
import ImageFormats
import TestSupport
import Testing

@Suite struct DataTests {
    private func write(_ bytes: [UInt8], to name: String, in folder: TemporaryFolder) throws {
        let url = folder.url.appending(path: name)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
    }

    private func bigEndian(_ words: Int...) -> [UInt8] {
        words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) } }
    }

    private func train(_ data: String, _ more: [String] = [], in folder: TemporaryFolder) throws -> Outcome {
        try TrainProgram.run(
            ["--data", data, "--blocks", "1", "--filters", "6", "--epochs", "1", "--output", "out.safetensors"]
                + ["--force"] + more, in: folder.url)
    }

    private func picture(_ width: Int, seed: UInt8) throws -> [UInt8] {
        try PNG.encode(
            Picture(
                width: width, height: 3, channels: 3, pixels: (0..<UInt8(9 * width)).map { $0 &* 7 &+ seed }))
    }

    @Test func aFolderOfPicturesIsReadWithItsSubfolders() throws {
        let folder = try TemporaryFolder()
        for (i, name) in ["a/1.png", "a/2.PNG", "b/1.png"].enumerated() {
            try write(picture(4, seed: UInt8(i)), to: "images/\(name)", in: folder)
        }
        try write([1], to: "images/readme.txt", in: folder)
        // Damaged ones are left out; the first by name, one of two in its class.
        try write(Array(picture(4, seed: 3).dropLast(9)), to: "images/a/0.png", in: folder)
        try write(Array("<!DOCTYPE html>".utf8), to: "images/b/page.jpg", in: folder)
        let outcome = try train("images", ["--conditional"], in: folder)
        #expect(outcome.code == 0 && outcome.errors.contains("3 images of 3 × 3 × 4"), "\(outcome.errors)")
        #expect(outcome.errors.contains("classes: a 2, b 1\n"), "\(outcome.errors)")
        #expect(
            outcome.errors.contains("left out pictures that cannot be decoded: 2 (a/0.png, b/page.jpg); files of"),
            "\(outcome.errors)")
    }

    /// Pictures of three sizes, an array and digits: all become what --size says, rows first.
    @Test func imagesOfOtherSizesAreResizedOnRequest() throws {
        let folder = try TemporaryFolder()
        for (i, width) in [2, 4, 9].enumerated() {
            try write(picture(width, seed: UInt8(i)), to: "images/\(i).png", in: folder)
        }
        let values = (0..<5 * 3 * 8 * 6).map { UInt8(truncatingIfNeeded: $0) }
        try write(NPYArray.encode(values, shape: [5, 3, 8, 6]), to: "images.npy", in: folder)
        try write(bigEndian(0x803, 6, 5, 4) + values[..<120], to: "digits.idx", in: folder)
        for (data, size, shape) in [
            ("images", "4x6", "3 images of 3 × 4 × 6"), ("images.npy", "4", "5 images of 3 × 4 × 4"),
            ("digits.idx", "7", "6 images of 1 × 7 × 7"), ("images.npy", "8x6", "5 images of 3 × 8 × 6"),
        ] {
            let outcome = try train(data, ["--size", size, "--test-data", data], in: folder)
            #expect(outcome.code == 0 && outcome.errors.contains(shape), "\(outcome.errors)")
            let evaluation = try TrainProgram.run(
                ["evaluate", "out.safetensors", data, "--size", size], in: folder.url)
            #expect(evaluation.output.hasPrefix("images      \(shape.replacing("images ", with: ""))"))
        }
        for size in ["0", "4x", "x4", "4x4x4", "-1", "four", "9999999"] {
            let outcome = try train("images", ["--size=\(size)"], in: folder)
            #expect(outcome.code == 64 && outcome.errors.contains("--size"), "\(outcome.errors)")
        }
    }

    @Test func digitsAreReadAndTested() throws {
        let folder = try TemporaryFolder()
        let pixels = (0..<6 * 20).map { UInt8($0) }
        try write(bigEndian(0x803, 6, 5, 4) + pixels, to: "digits/train-images-idx3-ubyte", in: folder)
        try write(bigEndian(0x803, 2, 5, 4) + pixels[..<40], to: "digits/t10k-images-idx3-ubyte", in: folder)
        let outcome = try train("digits", in: folder)
        #expect(outcome.code == 0 && outcome.errors.contains("6 images of 1 × 5 × 4"), "\(outcome.errors)")
        #expect(outcome.output.contains("test "))
    }

    /// The names that MNIST's files go by, as they are downloaded and unpacked.
    @Test func digitsAreReadUnderEveryNamePackedOrNot() throws {
        let folder = try TemporaryFolder()
        let pixels = (0..<6 * 20).map { UInt8(truncatingIfNeeded: $0 * $0) }
        let files = [
            ("train-images", "idx3", bigEndian(0x803, 6, 5, 4) + pixels),
            ("train-labels", "idx1", bigEndian(0x801, 6) + [0, 1, 2, 0, 1, 2]),
            ("t10k-images", "idx3", bigEndian(0x803, 2, 5, 4) + pixels[..<40]),
            ("t10k-labels", "idx1", bigEndian(0x801, 2) + [1, 0]),
        ]
        var outputs: Set<String> = []
        for (data, dot, isPacked) in [
            ("plain", "-", false), ("dotted", ".", false), ("packed", "-", true), ("both", ".", true),
        ] {
            for (stem, kind, bytes) in files {
                let name = "\(data)/\(stem)\(dot)\(kind)-ubyte"
                try write(bytes, to: name, in: folder)
                guard isPacked else { continue }
                let gzip = try Process.run(URL(filePath: "/bin/gzip"), arguments: [folder.path(name)])
                gzip.waitUntilExit()
                #expect(gzip.terminationStatus == 0)
            }
            let outcome = try train(data, ["--conditional"], in: folder)
            #expect(outcome.code == 0 && outcome.errors.contains("6 images of 1 × 5 × 4"), "\(outcome.errors)")
            #expect(outcome.errors.contains("classes: 0 2, 1 2, 2 2\n"), "\(outcome.errors)")
            outputs.insert(outcome.output)
            // One of the files by its own name.
            let file = "\(data)/t10k-images\(dot)idx3-ubyte\(isPacked ? ".gz" : "")"
            let scored = try TrainProgram.run(["evaluate", "out.safetensors", file], in: folder.url)
            #expect(scored.code == 0 && scored.output.contains("2 of 1 × 5 × 4"), "\(scored.errors)")
            outputs.insert(scored.output)
        }
        #expect(outputs.count == 2, "\(outputs)")
        // A packed file that is cut short, or whose checksum is wrong.
        let whole = Array(try Data(contentsOf: folder.url.appending(path: "packed/t10k-images-idx3-ubyte.gz")))
        var wrong = whole
        wrong[wrong.count - 6] ^= 1
        for bytes in [Array(whole.dropLast(20)), wrong] {
            try write(bytes, to: "torn.gz", in: folder)
            let outcome = try TrainProgram.run(["evaluate", "out.safetensors", "torn.gz"], in: folder.url)
            #expect(outcome.code == 65 && outcome.errors.contains("torn.gz"), "\(outcome.errors)")
        }
    }

    /// CIFAR-10 as its page has it for Python, byte for byte as cPickle wrote it, with four images a file.
    private func pythonBatch(_ number: Int) -> [UInt8] {
        func text(_ text: String) -> [UInt8] { [UInt8(ascii: "U"), UInt8(text.utf8.count)] + Array(text.utf8) }
        func name(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }
        let images = (0..<4).flatMap { image in (0..<3072).map { UInt8(truncatingIfNeeded: image * 50 + $0 * number) } }
        var pickle: [UInt8] = [0x80, 2] + Array("}q\u{1}(".utf8) + text("batch_label") + text("batch \(number)")
        pickle += text("labels") + Array("](K\u{0}K\u{1}K\u{2}K\u{9}e".utf8)
        pickle += text("data") + name("numpy.core.multiarray", "_reconstruct") + name("numpy", "ndarray")
        pickle += [UInt8(ascii: "K"), 0, 0x85] + text("b") + [0x87, UInt8(ascii: "R")]
        pickle +=
            Array("(K\u{1}".utf8) + [UInt8(ascii: "K"), 4, UInt8(ascii: "M"), 0, 12, 0x86] + name("numpy", "dtype")
        pickle += text("u1") + [UInt8(ascii: "K"), 0, UInt8(ascii: "K"), 1, 0x87, UInt8(ascii: "R")]
        pickle += Array("(K\u{3}".utf8) + text("|") + Array("NNN".utf8)
        pickle += [UInt8(ascii: "J"), 255, 255, 255, 255, UInt8(ascii: "J"), 255, 255, 255, 255]
        pickle += Array("K\u{0}tb".utf8) + [0x89, UInt8(ascii: "T"), 0, 0x30, 0, 0] + images + Array("tb".utf8)
        return pickle + text("filenames") + Array("](".utf8) + text("a.png") + text("b.png") + Array("eu.".utf8)
    }

    @Test func cifarIsReadInPythonsForm() throws {
        let folder = try TemporaryFolder()
        for (i, name) in ((1...5).map { "data_batch_\($0)" } + ["test_batch"]).enumerated() {
            try write(pythonBatch(i + 1), to: "python/\(name)", in: folder)
            var records: [UInt8] = []
            for (image, label) in [0, 1, 2, 9].enumerated() {
                records += [UInt8(label)] + (0..<3072).map { UInt8(truncatingIfNeeded: image * 50 + $0 * (i + 1)) }
            }
            try write(records, to: "binary/\(name).bin", in: folder)
        }
        let classes = (0..<10).map { "class\($0)" }
        let names = classes.flatMap { [UInt8(ascii: "U"), UInt8($0.utf8.count)] + Array($0.utf8) }
        try write(
            [0x80, 2] + Array("}(U\u{B}label_names](".utf8) + names + Array("eu.".utf8), to: "python/batches.meta",
            in: folder)
        try write(Array(classes.joined(separator: "\n").utf8), to: "binary/batches.meta.txt", in: folder)
        var models: [Data] = []
        for data in ["binary", "python"] {
            let outcome = try train(data, ["--conditional"], in: folder)
            #expect(outcome.code == 0 && outcome.errors.contains("20 images of 3 × 32 × 32"), "\(outcome.errors)")
            #expect(outcome.errors.contains("classes: class0 5, class1 5, class2 5, class3 0,"), "\(outcome.errors)")
            models.append(try Data(contentsOf: folder.url.appending(path: "out.safetensors")))
        }
        #expect(models[0] == models[1])
        // Another dictionary, and code that a pickle would have Python run.
        for (bytes, words) in [
            ([0x80, 2] + Array("}(U\u{6}labels]u.".utf8), "no batch of CIFAR-10"),
            (Array("cos\nsystem\n(U\u{9}touch badtR.".utf8), "no batch of CIFAR-10"), ([0x80, 9], "protocol"),
        ] {
            try write(bytes, to: "python/test_batch", in: folder)
            let outcome = try train("python", in: folder)
            #expect(outcome.code == 65 && outcome.errors.contains("python/test_batch"), "\(outcome.errors)")
            #expect(outcome.errors.contains(words), "\(outcome.errors)")
        }
        #expect(!FileManager.default.fileExists(atPath: folder.path("bad")))
    }

    /// A gray picture is one in colour, too, and a picture is as good as a folder of it.
    @Test func grayPicturesAmongColouredOnesAndOnePictureAlone() throws {
        let folder = try TemporaryFolder()
        let grays = (0..<12).map { UInt8($0 * 20) }
        for data in ["mixed", "coloured"] {
            let isGray = data == "mixed"
            let pixels = isGray ? grays : grays.flatMap { [$0, $0, $0] }
            let gray = Picture(width: 4, height: 3, channels: isGray ? 1 : 3, pixels: pixels)
            try write(PNG.encode(gray), to: "\(data)/0.png", in: folder)
            try write(picture(4, seed: 3), to: "\(data)/1.png", in: folder)
            try write(PNG.encode(gray), to: "\(data)/2.png", in: folder)
        }
        var models: [Data] = []
        for data in ["mixed", "coloured"] {
            let outcome = try train(data, in: folder)
            #expect(outcome.code == 0 && outcome.errors.contains("3 images of 3 × 3 × 4"), "\(outcome.errors)")
            models.append(try Data(contentsOf: folder.url.appending(path: "out.safetensors")))
        }
        #expect(models[0] == models[1])
        var outputs: Set<String> = []
        try write(Array(Data(contentsOf: folder.url.appending(path: "mixed/0.png"))), to: "alone/0.png", in: folder)
        for data in ["mixed/0.png", "coloured/0.png", "alone"] {
            let outcome = try TrainProgram.run(["evaluate", "out.safetensors", data], in: folder.url)
            #expect(outcome.code == 0 && outcome.output.contains("1 of 3 × 3 × 4"), "\(data): \(outcome.errors)")
            outputs.insert(outcome.output)
            #expect(try TrainProgram.run(["verify", "out.safetensors", data], in: folder.url).code == 0)
        }
        #expect(outputs.count == 1, "\(outputs)")
    }

    @Test func transparentPicturesNeedABackground() throws {
        let folder = try TemporaryFolder()
        let clear = Fixture.folder.deletingLastPathComponent().appending(path: "ImageImportTests/Fixtures/clear.webp")
        try write(Array(Data(contentsOf: clear)), to: "clear/a.webp", in: folder)
        let refused = try train("clear", in: folder)
        #expect(refused.code == 65 && refused.errors.contains("--background"), "\(refused.errors)")
        for color in ["white", "#ffe0c0"] {
            let outcome = try train("clear", ["--background", color], in: folder)
            #expect(outcome.code == 0, "\(outcome.errors)")
            for command in ["evaluate", "verify"] {
                let arguments = [command, "out.safetensors", "clear/a.webp", "--background", color]
                #expect(try TrainProgram.run(arguments, in: folder.url).code == 0)
            }
        }
        let wrong = try train("clear", ["--background", "-1"], in: folder)
        #expect(wrong.code == 64 && wrong.errors.contains("--background"), "\(wrong.errors)")
    }

    @Test func wrongDataIsNamedInOneLine() throws {
        let folder = try TemporaryFolder()
        try write(picture(4, seed: 0), to: "mixed/1.png", in: folder)
        try write(picture(5, seed: 0), to: "mixed/2.png", in: folder)
        try write(Array(picture(4, seed: 0).dropLast(9)), to: "cut/1.png", in: folder)
        try write(bigEndian(0x803, 6, 5, 4) + [1, 2, 3], to: "short.idx", in: folder)
        try write(bigEndian(0x801, 6) + [1, 2, 3, 4, 5, 6], to: "labels.idx", in: folder)
        try write([0x1f, 0x8b, 8, 0], to: "packed.gz", in: folder)
        try write(NPYArray.encode([UInt8](repeating: 0, count: 12), shape: [3, 4]), to: "flat.npy", in: folder)
        try write(NPYArray.encode([Float](repeating: 0, count: 12), shape: [1, 3, 2, 2]), to: "float.npy", in: folder)
        try write(Array("not an array".utf8), to: "text.npy", in: folder)
        try write(picture(4, seed: 0), to: "fits/1.png", in: folder)
        try write(picture(5, seed: 0), to: "large/1.png", in: folder)
        try write([], to: "empty/nothing.txt", in: folder)
        let record = 3073
        var labelled = [UInt8](repeating: 1, count: 2 * record)
        labelled[record] = 10
        for i in 1...5 { try write(labelled, to: "label/data_batch_\(i).bin", in: folder) }
        try write(labelled, to: "label/test_batch.bin", in: folder)
        try write([1, 2, 3], to: "batch/data_batch_1.bin", in: folder)
        let before = try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted()
        for (data, code, words) in [
            ("none", 66, ["no such file or folder"]),
            ("mixed", 65, ["mixed/2.png", "3 × 3 × 5", "3 × 3 × 4", "--size"]),
            ("cut", 65, ["cut/: left out pictures that cannot be decoded: 1 (1.png)"]),
            ("short.idx", 65, ["19 bytes", "136"]), ("labels.idx", 65, ["0x801"]),
            ("packed.gz", 65, ["packed.gz", "gzip", "damaged"]), ("flat.npy", 65, ["[3, 4]"]),
            ("float.npy", 65, ["float32"]),
            ("text.npy", 65, ["text.npy"]), ("empty", 65, ["not known as data"]),
            ("label", 65, ["data_batch_1.bin", "record 1 has label 10"]), ("batch", 65, ["3 bytes", "3073"]),
        ] as [(String, Int32, [String])] {
            let outcome = try train(data, in: folder)
            #expect(outcome.code == code, "\(data): \(outcome.code) \(outcome.errors)")
            #expect(words.allSatisfy { outcome.errors.contains($0) }, "\(data): \(outcome.errors)")
            #expect(outcome.errors.split(separator: "\n").count == 1 && outcome.output.isEmpty)
        }
        for (more, words) in [
            (["--data", "cut/1.png"], ["cut/1.png"]),
            (["--data", "large/../fits", "--test-data", "large"], ["large", "3 × 3 × 5", "3 × 3 × 4", "--size"]),
        ] {
            let outcome = try train("none", more, in: folder)
            #expect(outcome.code == 65 && words.allSatisfy { outcome.errors.contains($0) }, "\(outcome.errors)")
            #expect(outcome.errors.split(separator: "\n").count == 1 && outcome.output.isEmpty)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted() == before)
    }

    /// CIFAR-10's layout with four images a file, and a server for it.
    private final class Server {
        let folder = try? TemporaryFolder()
        let md5, tornMD5: String
        let port: Int
        private let process = Process()

        init() throws {
            let script = """
                import hashlib, http.server, io, sys, tarfile
                archive = tarfile.open("cifar.tar.gz", "w:gz")
                for name in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
                    images = [[image] + [(image * 50 + p) % 256 for p in range(3072)] for image in range(4)]
                    data = bytes(v for image in images for v in image)
                    entry = tarfile.TarInfo("cifar-10-batches-bin/" + name)
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))
                entry = tarfile.TarInfo("cifar-10-batches-bin/batches.meta.txt")
                archive.addfile(entry)
                archive.close()
                open("torn.tar.gz", "wb").write(open("cifar.tar.gz", "rb").read()[:300])
                server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
                for name in ("cifar", "torn"):
                    print(hashlib.md5(open(name + ".tar.gz", "rb").read()).hexdigest())
                print(server.server_address[1], flush=True)
                server.serve_forever()
                """
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = ["python3", "-c", script]
            process.currentDirectoryURL = folder?.url
            let output = Pipe()
            process.standardOutput = output
            process.standardError = FileHandle.nullDevice
            try process.run()
            var text = ""
            while text.split(separator: "\n").count < 3 || !text.hasSuffix("\n") {
                let more = output.fileHandleForReading.availableData
                guard !more.isEmpty else { break }
                text += String(decoding: more, as: UTF8.self)
            }
            let lines = text.split(separator: "\n").map(String.init)
            try #require(lines.count == 3)
            (md5, tornMD5, port) = (lines[0], lines[1], try #require(Int(lines[2])))
        }

        deinit { process.terminate() }

        func options(_ name: String, md5: String) -> [String] {
            ["--cifar-url", "http://127.0.0.1:\(port)/\(name)", "--cifar-md5", md5]
        }
    }

    private func trainOnCIFAR(_ options: [String], in folder: TemporaryFolder) throws -> Outcome {
        try TrainProgram.run(
            options + ["--blocks", "1", "--filters", "6", "--epochs", "1", "--output", "out.safetensors", "--force"],
            in: folder.url)
    }

    @Test func cifarIsDownloadedOnceAndGoesOnWhereItWasCut() throws {
        let server = try Server()
        let folder = try TemporaryFolder()
        // A part of an earlier attempt; this server cannot go on in the middle, so the archive is fetched anew.
        let whole = try Data(contentsOf: try #require(server.folder).url.appending(path: "cifar.tar.gz"))
        try write(Array(whole.prefix(100)), to: "datasets/cifar-10-binary.tar.gz.part", in: folder)
        let options = server.options("cifar.tar.gz", md5: server.md5)
        let first = try trainOnCIFAR(options, in: folder)
        #expect(first.code == 0 && first.errors.contains("20 images of 3 × 32 × 32"), "\(first.errors)")
        #expect(first.output.contains("test "))
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path("datasets")).sorted()
        #expect(names == ["cifar-10-batches-bin", "cifar-10-binary.tar.gz"])
        // What is there is not fetched again.
        let second = try trainOnCIFAR(server.options("none", md5: server.md5), in: folder)
        #expect(second.code == 0, "\(second.errors)")
    }

    @Test func anArchivePutThereByHandIsCheckedAndAFolderMadeWhole() throws {
        let server = try Server()
        let folder = try TemporaryFolder()
        let whole = try Data(contentsOf: try #require(server.folder).url.appending(path: "cifar.tar.gz"))
        let options = server.options("none", md5: server.md5)
        // Cut short by whoever copied it: nothing is read of it, and it is theirs to remove.
        let archive = "datasets/cifar-10-binary.tar.gz"
        try write(Array(whole.dropLast(9)), to: archive, in: folder)
        let refused = try trainOnCIFAR(options, in: folder)
        #expect(refused.code == 65 && refused.errors.contains("expected \(server.md5)"), "\(refused.errors)")
        #expect(try Data(contentsOf: folder.url.appending(path: archive)) == whole.dropLast(9))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("datasets")).count == 1)
        try write(Array(whole), to: archive, in: folder)
        #expect(try trainOnCIFAR(options, in: folder).code == 0)
        // An unpacking that was interrupted: a file is cut short, the next ones are missing.
        let batches = folder.path("datasets/cifar-10-batches-bin")
        let third = try Data(contentsOf: URL(filePath: "\(batches)/data_batch_3.bin"))
        try write(Array(third.dropLast(100)), to: "datasets/cifar-10-batches-bin/data_batch_3.bin", in: folder)
        for name in ["data_batch_4.bin", "test_batch.bin"] {
            try FileManager.default.removeItem(atPath: "\(batches)/\(name)")
        }
        try write([7], to: "datasets/cifar-10-batches-bin/notes.txt", in: folder)
        let repaired = try trainOnCIFAR(options, in: folder)
        #expect(repaired.code == 0 && repaired.errors.contains("20 images"), "\(repaired.errors)")
        #expect(try Data(contentsOf: URL(filePath: "\(batches)/data_batch_3.bin")) == third)
        #expect(try FileManager.default.contentsOfDirectory(atPath: batches).count == 8)
    }

    @Test func wrongArchivesLeaveNothingBehind() throws {
        let server = try Server()
        for (name, md5, code, word) in [
            ("none.tar.gz", server.md5, 66, "404"), ("cifar.tar.gz", server.tornMD5, 65, "has MD5 \(server.md5)"),
            ("torn.tar.gz", server.tornMD5, 65, "cannot be unpacked"),
        ] as [(String, String, Int32, String)] {
            let folder = try TemporaryFolder()
            let outcome = try trainOnCIFAR(server.options(name, md5: md5), in: folder)
            #expect(outcome.code == code && outcome.errors.contains(word), "\(outcome.code) \(outcome.errors)")
            #expect(outcome.errors.split(separator: "\n").count == 1)
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.path("datasets"))
            #expect(left.filter { $0 != "cifar-10-binary.tar.gz" } == [])
            #expect(!FileManager.default.fileExists(atPath: folder.path("out.safetensors")))
        }
    }
}
