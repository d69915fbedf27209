// Files that are given for a model and are none: each kind is named in one line, with the next step. The line is
// printed, and the Python in it is run where PyTorch is installed: what it writes must load.

import Foundation
import TestSupport
import Testing

@testable import PixelCNNModel

@Suite struct ForeignFileTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        let line: [String]
        let bytes: [UInt8]
        var testDescription: String { name }

        init(_ name: String, _ bytes: [UInt8], _ line: String...) {
            self.name = name
            self.line = line
            self.bytes = bytes
        }

        init(_ name: String, _ text: String, _ line: String...) {
            self.name = name
            self.line = line
            bytes = Array(text.utf8)
        }
    }

    private static func zip(_ names: String..., method: UInt16 = 0) -> [UInt8] {
        var builder = ZIPBuilder(names.map { ($0, [1, 2, 3]) })
        for i in builder.entries.indices { builder.entries[i].method = method }
        return builder.bytes()
    }

    private static func padded(_ bytes: [UInt8], to count: Int = 300) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: count - bytes.count)
    }

    private static let tar = padded(
        padded(Array("cifar10/model.pt".utf8), to: 257) + Array("ustar\u{0}00".utf8), to: 1024)

    private static let rows: [Row] = [
        Row("lfs.pt", "version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git-LFS pointer", "git lfs pull"),
        Row("lfs.safetensors", "version https://git-lfs.github.com/spec/v1\n", "Git-LFS pointer", "git lfs pull"),
        Row("page.pt", "\n <!DOCTYPE html>\n<html lang=\"en\">", "HTML page", "“raw”", "“resolve”"),
        Row("page.safetensors", "<HTML><head>", "HTML page", "link"),
        Row("words.pt", "Entry not found", "a text that begins “Entry not found”", "server"),
        Row("umlaut.pt", "Datei nicht gefunden: Prüfen Sie …", "a text that begins “Datei nicht"),
        Row("error.pt", "{\"error\":\"Repository not found\"}", "JSON that begins “{\"error\"", "weights"),
        Row("config.json", "{\n  \"filters\": 120\n}\n", "JSON that begins", "weights"),
        Row("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"b.safetensors\"}}", "index", "load_file"),
        Row("pytorch_model.bin.index.json", "{\"weight_map\": {\"a\": \"b.bin\"}}", "index", "torch.load"),
        Row("model.pt.gz", padded([0x1f, 0x8b, 8, 0]), "gzip", "gunzip model.pt.gz"),
        Row("models.tar.gz", padded([0x1f, 0x8b, 8, 0]), "gzip", "tar -xzf models.tar.gz"),
        Row("model.pt.bz2", "BZh91AY&SY", "bzip2", "bunzip2"),
        Row("model.pt.xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 4], "xz", "unxz"),
        Row("model.pt.zst", [0x28, 0xb5, 0x2f, 0xfd, 0, 1], "zstd", "unzstd"),
        Row("model.pt.lz4", [0x04, 0x22, 0x4d, 0x18, 0, 1], "lz4", "unlz4"),
        Row("model.7z", [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c, 0], "7-Zip", "7z x"),
        Row("model.rar", "Rar!\u{1a}\u{7}\u{1}", "RAR", "unrar x"),
        Row("models.tar", tar, "tar archive", "tar -xf models.tar"),
        Row("weights.h5", padded([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]), "HDF5", "PyTorch"),
        Row("weights.gguf", padded(Array("GGUF".utf8)), "GGUF", "another file"),
        Row("net.onnx", padded([8, 7, 0x12, 7] + Array("pytorch".utf8)), "ONNX", "onnx.load"),
        Row("net.tflite", padded([0x1c, 0, 0, 0] + Array("TFL3".utf8)), "TensorFlow Lite", "PyTorch"),
        Row("images.npy", padded([0x93] + Array("NUMPY".utf8) + [1, 0]), "NumPy array", "score"),
        Row("image.png", padded([0x89] + Array("PNG\r\n\u{1a}\n".utf8)), "PNG", "score"),
        Row("image.jpg", padded([0xff, 0xd8, 0xff, 0xe0]), "JPEG", "score"),
        Row("image.gif", padded(Array("GIF89a".utf8)), "GIF", "score"),
        Row("image.webp", padded(Array("RIFF".utf8) + [1, 2, 0, 0] + Array("WEBPVP8 ".utf8)), "WebP", "score"),
        Row("image.tif", padded([0x49, 0x49, 0x2a, 0]), "TIFF", "score"),
        Row("paper.pdf", "%PDF-1.7\n", "PDF"),
        Row("a.out", padded([0x7f] + Array("ELF".utf8)), "a program"),
        Row("runs.db", "SQLite format 3\u{0}\u{10}", "SQLite"),
        Row("weights.mat", "MATLAB 5.0 MAT-file", "MATLAB"),
        Row("model.pkl", [0x80, 4, 0x4e, 0x2e], "bare pickle", "if you trust it", "pickle.load"),
        Row("zeros.pt", [UInt8](repeating: 0, count: 5000), "zeros", "again"),
        Row("zeros.safetensors", [UInt8](repeating: 0, count: 5000), "zeros", "again"),
        Row(
            "script.pt", zip("script/data.pkl", "script/code/a.py", "script/constants.pkl"), "TorchScript",
            "torch.jit.load"),
        Row("script8.pt", zip("script/data.pkl", "script/code/a.py", method: 8), "TorchScript", "torch.jit.load"),
        Row("program.pt2", zip("program/archive_format", "program/models/model.json"), "torch.export", "state_dict"),
        Row("release.zip", zip("README.md", "pixelcnn.pt"), "holds “pixelcnn.pt”", "unzip release.zip"),
        Row("deflated.zip", zip("models/a.ckpt", "b.safetensors", method: 8), "“models/a.ckpt”, “b.safetensors”"),
        Row("twice.pt", zip("a/b/data.pkl", "a/b/data/0"), "“a/b/data.pkl”", "zip -0 -r"),
        Row("flat.pt", zip("data.pkl", "data/0"), "“data.pkl”", "zip -0 -r"),
        Row("images.npz", zip("arr_0.npy"), "NumPy archive of “arr_0”", "numpy.load"),
        Row("net.keras", zip("config.json", "model.weights.h5"), "Keras", "PyTorch"),
        Row("photos.zip", zip("a.jpg", "b.jpg", "c.jpg", "d.jpg"), "“a.jpg”, “b.jpg”, “c.jpg” and 1 more"),
        Row("nothing.zip", ZIPBuilder([]).bytes(), "an empty ZIP"),
    ]

    @Test(arguments: rows) func aFileIsNamedByItsKindWithTheNextStep(_ row: Row) throws {
        try Fixture.withFile(row.bytes, name: row.name) { path in
            do throws(ModelFileError) {
                _ = try Model.load(path: path)
                Issue.record("\(row.name): loaded")
            } catch {
                let line = "\(error)".replacing(path.dropLast(row.name.count), with: "")
                print(line)
                guard case .foreign = error.problem else {
                    Issue.record("\(error)")
                    return
                }
                #expect(error.exitCode == .dataError)
                #expect(!line.contains("\n") && line.count < 500)
                for part in row.line { #expect(line.contains(part)) }
            }
        }
    }

    @Test func aFolderSaysWhatIsInIt() throws {
        try Fixture.withFolder { (url: URL) throws in
            func refusal(_ files: String...) throws -> String {
                let folder = url.appending(path: UUID().uuidString)
                try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
                for file in files { try Data().write(to: folder.appending(path: file)) }
                let error = #expect(throws: ModelFileError.self) { try Model.load(path: folder.path) }
                #expect(error?.exitCode == .noInput)
                return error.map { "\($0)" } ?? ""
            }
            #expect(try refusal("b.pt", "a.safetensors", "c.txt").hasSuffix("file in it: “a.safetensors”, “b.pt”"))
            #expect(try refusal("data.pkl", "version").contains("zip -0 -r model.pt "))
            #expect(try refusal(".metadata", "__0_0.distcp").contains("dcp_to_torch"))
            #expect(try refusal("notes.txt").contains("name the model's file"))
        }
    }

    /// A path that means something to a shell is not put into a command.
    @Test func commandsAreSafeToCopy() {
        #expect(
            ForeignFile.python("a/b.pt", "f(FILE, OUT)") == #"python3 -c 'import torch; f("a/b.pt", "a/b-weights.pt")'"#
        )
        for path in ["a'b.pt", "$(rm).pt", "a\"b.pt", "`x`.pt", "a\nb.pt", "a\\b.pt"] {
            #expect(ForeignFile.python(path, "f(FILE, OUT)") == #"python3 -c 'import torch; f("FILE", "weights.pt")'"#)
        }
    }

    // MARK: - Other networks

    private static let networks: [(names: [String], family: String)] = [
        (["u_init.conv.weight_g", "ul_init.0.conv.weight_v", "nin_out.lin_a.weight_g"], "PixelCNN++ of pclucas14"),
        (["ul_input_dr.weight_v", "up_ul_modules.0.c1.weight_v"], "PixelCNN++ of kamenbliznashki"),
        (["ul_input_dr.weight_v", "ul_modules.0.in_proj_kv.0.c1.weight_v"], "PixelSNAIL of kamenbliznashki"),
        (
            ["horizontal.conv.conv.weight_v", "blocks.0.resblocks.0.conv1.conv.conv.weight_v"],
            "PixelSNAIL of rosinality"
        ),
        (["_input.weight", "_pixel_snail_blocks.0._residual.0._input_conv.weight"], "PixelSNAIL of EugenHotaj"),
        (["_input.weight", "_input.mask", "_causal_layers.0._net.1.weight"], "the PixelCNN of EugenHotaj"),
        (["0.weight", "0.mask", "2.weight", "2.mask"], "single stack"),
        (["conv1.weight", "layer1.0.conv1.weight", "fc.weight", "fc.bias"], "another network (it has “conv1.weight”"),
    ]

    @Test(arguments: networks.indices, ["", "module.", "prior.net."])
    func otherNetworksAreNamedByTheirTensors(_ index: Int, _ prefix: String) throws {
        let (names, family) = Self.networks[index]
        let header = names.enumerated().map { i, name in
            "\"\(prefix)\(name)\":{\"dtype\":\"F32\",\"shape\":[2,1,1,1],\"data_offsets\":[\(8 * i),\(8 * i + 8)]}"
        }
        let json = Array("{\(header.joined(separator: ","))}".utf8)
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(UInt64(json.count))
        bytes += json + [UInt8](repeating: 0, count: 8 * names.count)
        let problem = try #require(try Fixture.problem(bytes, name: "other.safetensors"))
        if prefix == "" { print("other.safetensors: \(problem)") }
        #expect("\(problem)".contains("another network"))
        #expect(
            "\(problem)".replacing(prefix + "conv1", with: "conv1").contains(family)
                && "\(problem)".contains("(2, 1, 1, 1)"))
    }

    // MARK: - PyTorch

    /// Every command in a refusal is run, and what it writes is the network.
    @Test(.enabled(if: PyTorch.isAvailable, Comment(rawValue: PyTorch.absence)))
    func thePythonInARefusalTakesTheWeightsOut() throws {
        let folder = try PyTorchForms.written()
        let expected = try Model.load(path: folder.path("state.pt"), height: 6, width: 5)
        let foreign = folder.url.appending(path: "foreign")
        let names = try FileManager.default.contentsOfDirectory(atPath: foreign.path).sorted()
        #expect(names.count == 13)
        for name in names {
            let path = foreign.appending(path: name).path
            let error = try #require(throws: ModelFileError.self) { try Model.load(path: path) }
            let code = try #require("\(error)".split(separator: "python3 -c '").last?.dropLast())
            let target = try #require(code.split(separator: "\"").last { $0.hasSuffix(".pt") })
            let run = try PyTorch.run(["-c", String(code)])
            #expect(run.status == 0, "\(name): \(run.output)")
            let model = try Model.load(path: String(target), height: 6, width: 5)
            #expect(PyTorchForms.largestDifference(model, expected) == 0, "\(name)")
        }
    }
}
