// Arrays as NumPy users have them, and pictures in other formats than PNG: the same images give the same evaluation, in
// whatever they come. Codes of more than 256 values are trained on and evaluated as they are.

import Foundation
import ImageFormats
import PixelCNNModel
import TestSupport
import Testing

@Suite struct ArrayTests {
    private static let fixtures = Fixture.folder.deletingLastPathComponent().appending(
        path: "ImageImportTests/Fixtures")

    private func write(_ bytes: [UInt8], to name: String, in folder: TemporaryFolder) throws {
        try Data(bytes).write(to: folder.url.appending(path: name))
    }

    /// An NPY file of any type and order.
    private func npy(_ type: String, _ shape: [Int], fortran: Bool = false, _ data: [UInt8]) -> [UInt8] {
        let extents = shape.map(String.init).joined(separator: ", ")
        let order = fortran ? "True" : "False"
        let text = "{'descr': '\(type)', 'fortran_order': \(order), 'shape': (\(extents)), }\n"
        return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.utf8.count), 0] + Array(text.utf8) + data
    }

    private func evaluate(_ model: Model, _ data: String, in folder: TemporaryFolder, _ more: [String] = []) throws
        -> Outcome
    {
        if !FileManager.default.fileExists(atPath: folder.path("model.safetensors")) {
            try model.writeSafetensors(to: folder.path("model.safetensors"))
        }
        return try TrainProgram.run(["evaluate", "model.safetensors", data] + more, in: folder.url)
    }

    private func model(channels: Int, side: (Int, Int), colors: Int) -> Model {
        SmallModels.make(
            channels: channels, height: side.0, width: side.1, colors: colors, blocks: 2, filters: 6 * channels,
            kernelSize: 3, hidden: 12)
    }

    @Test func everyTypeAndOrderOfAnArrayIsTheSameImages() throws {
        let folder = try TemporaryFolder()
        let model = model(channels: 3, side: (4, 5), colors: 256)
        let values = (0..<2 * 60).map { UInt8(truncatingIfNeeded: $0 * 37) }
        try write(NPYArray.encode(values, shape: [2, 3, 4, 5]), to: "u1.npy", in: folder)
        let expected = try evaluate(model, "u1.npy", in: folder)
        #expect(expected.code == 0, "\(expected.errors)")
        var fortran: [UInt8] = []
        for x in 0..<5 {
            for y in 0..<4 {
                for c in 0..<3 {
                    for n in 0..<2 { fortran.append(values[((n * 3 + c) * 4 + y) * 5 + x]) }
                }
            }
        }
        let shape = [2, 3, 4, 5]
        for (name, bytes) in [
            ("i4.npy", npy("<i4", shape, values.flatMap { (value: UInt8) -> [UInt8] in [value, 0, 0, 0] })),
            (
                "i8.npy",
                npy("<i8", shape, values.flatMap { (value: UInt8) -> [UInt8] in [value, 0, 0, 0, 0, 0, 0, 0] })
            ),
            ("big.npy", npy(">i2", shape, values.flatMap { (value: UInt8) -> [UInt8] in [0, value] })),
            ("u2.npy", npy("<u2", shape, values.flatMap { (value: UInt8) -> [UInt8] in [value, 0] })),
            ("fortran.npy", npy("|u1", shape, fortran: true, fortran)),
        ] {
            try write(bytes, to: name, in: folder)
            let outcome = try evaluate(model, name, in: folder)
            #expect(outcome.code == 0 && outcome.output == expected.output, "\(name): \(outcome.errors)")
        }
        // NumPy's own container, of the images 0, 1, 2 …
        let plain = (0..<120).map { UInt8($0) }
        try write(NPYArray.encode(plain, shape: shape), to: "plain.npy", in: folder)
        let plainExpected = try evaluate(model, "plain.npy", in: folder)
        for name in ["stored.npz", "deflated.npz", "fortran.npz", "deflated.npz/images"] {
            let outcome = try evaluate(model, Self.fixtures.appending(path: name).path, in: folder)
            #expect(outcome.code == 0 && outcome.output == plainExpected.output, "\(name): \(outcome.errors)")
        }
    }

    @Test func oneChannelNeedsNoAxis() throws {
        let folder = try TemporaryFolder()
        let model = model(channels: 1, side: (4, 5), colors: 256)
        let values = (0..<60).map { UInt8(truncatingIfNeeded: $0 * 37) }
        try write(NPYArray.encode(values, shape: [3, 1, 4, 5]), to: "n1hw.npy", in: folder)
        try write(NPYArray.encode(values, shape: [3, 4, 5]), to: "nhw.npy", in: folder)
        let expected = try evaluate(model, "n1hw.npy", in: folder)
        let outcome = try evaluate(model, "nhw.npy", in: folder)
        #expect(outcome.code == 0 && outcome.output == expected.output, "\(outcome.errors)")
        // Booleans are black and white.
        try write(npy("|b1", [3, 4, 5], values.map { $0 & 1 }), to: "bool.npy", in: folder)
        let levels: [UInt8] = values.map { $0 & 1 == 1 ? 255 : 0 }
        try write(NPYArray.encode(levels, shape: [3, 4, 5]), to: "white.npy", in: folder)
        #expect(try evaluate(model, "bool.npy", in: folder).output == evaluate(model, "white.npy", in: folder).output)
    }

    @Test func picturesOfOtherFormatsAreTrainedOnAndEvaluated() throws {
        let folder = try TemporaryFolder()
        let model = model(channels: 3, side: (9, 7), colors: 256)
        // The same picture without loss, in four formats.
        var outputs: Set<String> = []
        for name in ["rgb.bmp", "rgb.tiff", "lossless.webp", "lzw.tiff"] {
            let data = folder.url.appending(path: name + "-data")
            try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
            try FileManager.default.copyItem(at: Self.fixtures.appending(path: name), to: data.appending(path: name))
            let outcome = try evaluate(model, data.path, in: folder)
            #expect(outcome.code == 0 && outcome.output.contains("1 of 3 × 9 × 7"), "\(name): \(outcome.errors)")
            outputs.insert(outcome.output)
        }
        #expect(outputs.count == 1)
        let mixed = folder.url.appending(path: "mixed")
        try FileManager.default.createDirectory(at: mixed, withIntermediateDirectories: true)
        for name in ["rgb.jpg", "lossy.webp", "rgb.bmp", "rgb.tiff"] {
            try FileManager.default.copyItem(at: Self.fixtures.appending(path: name), to: mixed.appending(path: name))
        }
        let trained = try TrainProgram.run(
            ["--data", "mixed", "--blocks", "1", "--filters", "6", "--epochs", "1", "--output", "out.safetensors"],
            in: folder.url)
        #expect(trained.code == 0 && trained.errors.contains("4 images of 3 × 9 × 7"), "\(trained.errors)")
    }

    @Test func codesOfMoreThan256ValuesAreLearntAndEvaluated() throws {
        let folder = try TemporaryFolder()
        // Two pictures that a network learns by heart, with codes up to 599.
        let codes: [UInt16] = (0..<32 * 16).map { (i: Int) -> UInt16 in
            let place = i % 16
            return UInt16(i / 16 % 2 == 0 ? place * 40 : place * 39)
        }
        try write(NPYArray.encode(codes, shape: [32, 4, 4]), to: "codes.npy", in: folder)
        let options = [
            "--blocks", "1", "--filters", "8", "--epochs", "5", "--batch-size", "2", "--lr", "3e-3", "--output",
            "prior.safetensors",
        ]
        let trained = try TrainProgram.run(["--data", "codes.npy", "--colors", "601"] + options, in: folder.url)
        #expect(trained.code == 0 && trained.errors.contains("32 images of 1 × 4 × 4"), "\(trained.errors)")
        let model = try Model.load(path: folder.path("prior.safetensors"))
        #expect(model.hyperparameters.colors == 601 && model.hyperparameters.channels == 1)
        // Samples are codes, too, which no picture shows.
        let samples = try NPYArray(parsing: Array(Data(contentsOf: folder.url.appending(path: "prior.samples.npy"))))
        #expect(samples.shape == [16, 1, 4, 4] && samples.elementType == .uint16)
        #expect(try samples.integers().allSatisfy((0..<601).contains))
        #expect(!FileManager.default.fileExists(atPath: folder.path("prior.samples.png")))

        // Far less than the log2 601 = 9.23 of an untrained network; the same for every form of the codes.
        let evaluation = try TrainProgram.run(["evaluate", "prior.safetensors", "codes.npy"], in: folder.url)
        let mean = try #require(evaluation.output.split(separator: "\n").first { $0.hasPrefix("mean") })
        let bits = try #require(mean.split(separator: " ").dropFirst().first.flatMap { Double($0) })
        #expect(bits < 8, "\(evaluation.output)")
        try write(
            npy(
                "<i8", [32, 1, 4, 4],
                codes.flatMap { (code: UInt16) -> [UInt8] in [UInt8(code & 255), UInt8(code >> 8), 0, 0, 0, 0, 0, 0] }),
            to: "i8.npy", in: folder)
        #expect(
            try TrainProgram.run(["evaluate", "prior.safetensors", "i8.npy"], in: folder.url).output
                == evaluation.output)
        let verified = try TrainProgram.run(["verify", "prior.safetensors", "codes.npy"], in: folder.url)
        #expect(verified.code == 0, "\(verified.output)\(verified.errors)")
        // It goes on from its checkpoint to the same model, and from its weights.
        let more = try TrainProgram.run(
            ["--data", "codes.npy", "--init", "prior.safetensors", "--epochs", "1", "--output", "more.safetensors"],
            in: folder.url)
        #expect(more.code == 0, "\(more.errors)")
        let same = try TrainProgram.run(
            ["--data", "codes.npy", "--colors", "601", "--resume"] + options, in: folder.url)
        #expect(same.code == 0, "\(same.errors)")
    }

    /// All of its images are of the one class, whoever reads them.
    @Test func aPriorOfOneClassNeedsNoLabels() throws {
        let folder = try TemporaryFolder()
        let codes = (0..<16 * 16).map { UInt16($0 * 7 % 40) }
        try write(NPYArray.encode(codes, shape: [16, 4, 4]), to: "codes.npy", in: folder)
        let trained = try TrainProgram.run(
            [
                "--network", "vqvae-prior", "--data", "codes.npy", "--colors", "40", "--blocks", "1", "--filters", "8",
                "--epochs", "1", "--output", "prior.pt",
            ], in: folder.url)
        #expect(trained.code == 0, "\(trained.errors)")
        for command in ["evaluate", "verify"] {
            let outcome = try TrainProgram.run([command, "prior.pt", "codes.npy"], in: folder.url)
            #expect(outcome.code == 0, "\(command): \(outcome.errors)")
        }
    }

    @Test func wrongArraysAreNamedWithTheNextStep() throws {
        let folder = try TemporaryFolder()
        let bytes = [UInt8](repeating: 7, count: 2 * 60)
        try write(NPYArray.encode(bytes, shape: [2, 4, 5, 3]), to: "nhwc.npy", in: folder)
        try write(NPYArray.encode(bytes, shape: [2, 60]), to: "flat.npy", in: folder)
        try write(
            NPYArray.encode([UInt16](repeating: 511, count: 60), shape: [1, 3, 4, 5]), to: "codes.npy", in: folder)
        try write(npy("|i1", [1, 3, 4, 5], [UInt8](repeating: 255, count: 60)), to: "negative.npy", in: folder)
        try write(
            NPYArray.encode([Float](repeating: 0.5, count: 60), shape: [1, 3, 4, 5]), to: "float.npy", in: folder)
        let several = Self.fixtures.appending(path: "several.npz").path
        let picture = Self.fixtures.appending(path: "cmyk.jpg").path
        try FileManager.default.createDirectory(
            at: folder.url.appending(path: "cmyk"), withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: picture, toPath: folder.path("cmyk/a.jpg"))
        let model = model(channels: 3, side: (4, 5), colors: 256)
        for (data, words) in [
            ("nhwc.npy", ["[2, 4, 5, 3]", "save x.transpose(0, 3, 1, 2)"]),
            ("flat.npy", ["[2, 60]", "(n, height, width)"]),
            ("codes.npy", ["values up to 511", "--colors"]), ("negative.npy", ["value -1 at [0, 0, 0, 0]"]),
            ("float.npy", ["float32", "astype(\"uint8\")"]), (several, ["say which", "/x_train"]),
            ("\(several)/no", ["no array “no”"]), ("cmyk", ["cmyk/a.jpg", "CMYK", "PNG"]),
        ] {
            let outcome = try evaluate(model, data, in: folder)
            print(outcome.errors, terminator: "")
            #expect(outcome.code == 65 && outcome.output.isEmpty, "\(data): \(outcome.errors)")
            #expect(outcome.errors.split(separator: "\n").count == 1)
            for word in words { #expect(outcome.errors.contains(word), "\(data): \(outcome.errors)") }
        }
        // Pictures and fewer codes for a network of codes.
        try write(NPYArray.encode([UInt16](repeating: 700, count: 20), shape: [1, 4, 5]), to: "beyond.npy", in: folder)
        for (arguments, words) in [
            (["--data", "beyond.npy", "--colors", "512"], ["values up to 700", "0 to 511"]),
            (["--data", "beyond.npy"], ["values up to 700", "--colors", "701 or more"]),
            (["--data", Self.fixtures.path, "--colors", "512"], ["pictures"]),
        ] {
            let outcome = try TrainProgram.run(
                arguments + ["--blocks", "1", "--filters", "6", "--epochs", "1", "--output", "out.safetensors"],
                in: folder.url)
            #expect(outcome.code == 65, "\(outcome.errors)")
            if arguments[1] == Self.fixtures.path { continue }  // other pictures there are refused first
            for word in words { #expect(outcome.errors.contains(word), "\(outcome.errors)") }
        }
        let sized = try TrainProgram.run(["--data", "beyond.npy", "--colors", "1024", "--size", "2"], in: folder.url)
        #expect(sized.code == 64 && sized.errors.contains("no mean"), "\(sized.errors)")
    }
}
