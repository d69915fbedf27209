// Files that people give for a model and that are none: told by their first bytes, by the names in an archive, or by
// the file's own name where it is one part of several. Each gets one line: what it is, and the next step of someone
// who has only this file. A kind is a line of `signatures`, or a case of one of the functions below it.
//
// Reads a few hundred bytes, or an archive's directory.

import Glibc
import Support

/// What a file is instead of a model, and what to do with it.
package struct ForeignFile: Sendable, Equatable, CustomStringConvertible {
    /// What the file is, as the end of "the file is …".
    package let found: String
    /// What to do.
    package let next: String

    init(_ found: String, _ next: String) {
        self.found = found
        self.next = next
    }

    package var description: String { "the file is \(found); \(next)" }

    /// Tells what a file is; nil where nothing is known of its kind.
    static func recognised(_ file: ModelFile) -> ForeignFile? {
        let bytes = file.bytes
        for signature in signatures where signature.matches(bytes) {
            return ForeignFile(signature.found, signature.next(file.path))
        }
        return onnx(file) ?? pickle(file) ?? text(file) ?? zeros(bytes)
    }

    // MARK: - First bytes

    /// A kind that a few bytes at one place tell.
    private struct Signature: Sendable {
        let bytes: [UInt8]
        var offset = 0
        let found: String
        let next: @Sendable (_ path: String) -> String

        init(_ bytes: [UInt8], at offset: Int = 0, _ found: String, _ next: @escaping @Sendable (String) -> String) {
            self.bytes = bytes
            self.offset = offset
            self.found = found
            self.next = next
        }

        init(
            _ text: String, at offset: Int = 0, _ found: String, _ next: @escaping @Sendable (String) -> String
        ) {
            self.init(Array(text.utf8), at: offset, found, next)
        }

        func matches(_ file: UnsafeRawBufferPointer) -> Bool {
            file.count >= offset + bytes.count && file[offset..<offset + bytes.count].elementsEqual(bytes)
        }
    }

    private static let signatures: [Signature] = [
        Signature("version https://git-lfs", "a Git-LFS pointer, not the model that it stands for") { _ in
            "fetch the model with git lfs pull, or download it by its own link"
        },
        Signature([0x1f, 0x8b], "compressed with gzip") { "unpack it: \(unpacking("gunzip", "tar -xzf", $0))" },
        Signature("BZh", "compressed with bzip2") { "unpack it: \(unpacking("bunzip2", "tar -xjf", $0))" },
        Signature([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], "compressed with xz") {
            "unpack it: \(unpacking("unxz", "tar -xJf", $0))"
        },
        Signature([0x28, 0xb5, 0x2f, 0xfd], "compressed with zstd") {
            "unpack it: \(unpacking("unzstd", "tar --zstd -xf", $0))"
        },
        Signature([0x04, 0x22, 0x4d, 0x18], "compressed with lz4") { "unpack it: unlz4 \(word($0))" },
        Signature([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], "a 7-Zip archive") { "unpack it: 7z x \(word($0))" },
        Signature("Rar!\u{1a}\u{7}", "a RAR archive") { "unpack it: unrar x \(word($0))" },
        // PyTorch wrote tar archives before its first release on PyPI, and still reads them.
        Signature("sys_info\0", "a tar archive that a PyTorch of 2016 wrote") {
            python($0, "torch.save(torch.load(FILE, map_location=\"cpu\", weights_only=False), OUT)")
        },
        Signature("ustar", at: 257, "a tar archive") { "unpack it, then name the model in it: tar -xf \(word($0))" },
        Signature([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a], "HDF5, as Keras and h5py write it") { _ in
            "only PyTorch's files and safetensors are read: get the model from whoever trained it in PyTorch"
        },
        Signature("GGUF", "GGUF, a language model of llama.cpp") { _ in "it holds no PixelCNN: name another file" },
        Signature("lmgg", "GGML, a language model of llama.cpp") { _ in "it holds no PixelCNN: name another file" },
        Signature("TFL3", at: 4, "a TensorFlow Lite program") { _ in
            "only PyTorch's files and safetensors are read: get the model from whoever trained it in PyTorch"
        },
        Signature([0x93] + Array("NUMPY".utf8), "one NumPy array") { _ in
            "a model has many: name the model's file, and give arrays of images to evaluate or score"
        },
        Signature([0x89] + Array("PNG".utf8), "a PNG picture", picture),
        Signature([0xff, 0xd8, 0xff], "a JPEG picture", picture),
        Signature("GIF8", "a GIF picture", picture),
        Signature("WEBP", at: 8, "a WebP picture", picture),
        Signature([0x49, 0x49, 0x2a, 0], "a TIFF picture", picture),
        Signature([0x4d, 0x4d, 0, 0x2a], "a TIFF picture", picture),
        Signature("%PDF", "a PDF document") { _ in "name the model's file" },
        Signature([0x7f] + Array("ELF".utf8), "a program") { _ in "name the model's file" },
        Signature("SQLite format 3\0", "an SQLite database") { _ in "name the model's file" },
        Signature("MATLAB", "a MATLAB file") { _ in
            "only PyTorch's files and safetensors are read: get the model from whoever trained it in PyTorch"
        },
    ]

    private static let picture: @Sendable (String) -> String = { _ in
        "name the model's file; pixelcnn score and pixelcnn-train evaluate take pictures after it"
    }

    /// A protocol buffer that begins with ir_version and the producer's name.
    private static func onnx(_ file: ModelFile) -> ForeignFile? {
        let bytes = file.bytes
        guard bytes.count > 8, bytes[0] == 0x08, (3...32).contains(bytes[1]), bytes[2] == 0x12 else { return nil }
        return ForeignFile(
            "ONNX, an exported program",
            "if the export kept PyTorch's names, take the weights out: "
                + python(
                    file.path,
                    "torch.save({t.name: torch.tensor(onnx.numpy_helper.to_array(t)) "
                        + "for t in onnx.load(FILE).graph.initializer}, OUT)",
                    importing: "onnx, torch"))
    }

    /// A pickle without the magic number that PyTorch's pickles of before 1.6 start with.
    private static func pickle(_ file: ModelFile) -> ForeignFile? {
        guard file.bytes.count > 1, file.bytes[0] == 0x80, (2...5).contains(file.bytes[1]) else { return nil }
        return ForeignFile(
            "a bare pickle, as pickle.dump writes it",
            "if you trust it (reading it runs what it says), take its tensors out: "
                + python(
                    file.path,
                    "torch.save({k: torch.as_tensor(v) for k, v in pickle.load(open(FILE, \"rb\")).items()}, OUT)",
                    importing: "pickle, torch"))
    }

    private static func unpacking(_ command: String, _ archive: String, _ path: String) -> String {
        let isArchive = [".tar", ".tgz", ".tbz", ".txz"].contains { path.contains($0) }
        return "\(isArchive ? archive : command) \(word(path))"
    }

    // MARK: - Text

    /// An HTML page, an index of parts, a configuration, or the words of a server that had no such file.
    private static func text(_ file: ModelFile) -> ForeignFile? {
        let start = file.bytes.prefix(4096)
        let text = String(decoding: start, as: UTF8.self)
        // The last character may have been cut.
        let beginning = text.unicodeScalars.prefix(60)
        guard
            beginning.allSatisfy({
                ($0.isPrintable || "\t\n\r\u{feff}".unicodeScalars.contains($0)) && $0 != "\u{fffd}"
            })
        else { return nil }
        let plain = text.drop { $0.isWhitespace || $0 == "\u{feff}" }
        let lower = plain.prefix(64).lowercased()
        if lower.hasPrefix("<!doctype html") || lower.hasPrefix("<html") {
            return ForeignFile(
                "an HTML page, not what it links to",
                "download the model by its own link: on GitHub “raw”, on Hugging Face “resolve” in place of “blob”")
        }
        if plain.hasPrefix("{"), text.contains("\"weight_map\"") { return index(file.path, text) }
        let isJSON = plain.hasPrefix("{") || plain.hasPrefix("[")
        return ForeignFile(
            (isJSON ? "JSON" : "a text") + " that begins "
                + quoted(plain.prefix(40).split(whereSeparator: \.isWhitespace).joined(separator: " ")),
            "name the file of the weights; if this came from a download, look at what the server says in it")
    }

    /// The index of a model in several files.
    private static func index(_ path: String, _ text: String) -> ForeignFile {
        let isSafetensors = text.contains(".safetensors\"")
        let parts = "set(json.load(open(FILE))[\"weight_map\"].values())"
        let folder = "(pathlib.Path(FILE).parent / f)"
        return ForeignFile(
            "the index of a model in several files",
            "join them: "
                + (isSafetensors
                    ? python(
                        path,
                        "torch.save({k: v for f in \(parts) for k, v in load_file\(folder).items()}, OUT)",
                        importing: "json, pathlib, torch; from safetensors.torch import load_file")
                    : python(
                        path,
                        "torch.save({k: v for f in \(parts) for k, v in torch.load\(folder).items()}, OUT)",
                        importing: "json, pathlib, torch")))
    }

    /// A file whose place was reserved and whose bytes never came.
    private static func zeros(_ bytes: UnsafeRawBufferPointer) -> ForeignFile? {
        guard bytes.count >= 64, bytes.prefix(4096).allSatisfy({ $0 == 0 }) else { return nil }
        return ForeignFile("nothing but zeros at its start", "its copy is not complete: copy or download it again")
    }

    // MARK: - Archives

    /// What a ZIP archive is, if not what torch.save writes; nil where that, or a damaged archive, is left to
    /// PyTorchFile.
    static func inArchive(_ file: ModelFile) -> ForeignFile? {
        guard let names = try? ZIPDirectory(file.bytes).entries.map(\.name) else { return nil }
        func has(_ part: String) -> Bool { names.contains { $0.contains(part) } }
        func hasEntry(_ name: String) -> Bool { names.contains { $0 == name || $0.hasSuffix("/" + name) } }
        let path = file.path
        let pickle = names.first { $0 == "data.pkl" || $0.hasSuffix("/data.pkl") }
        if pickle != nil, hasEntry("constants.pkl") || has("/code/") {
            return ForeignFile(
                "a TorchScript archive, which holds a program",
                "take its weights out: "
                    + python(path, "torch.save(torch.jit.load(FILE, map_location=\"cpu\").state_dict(), OUT)"))
        }
        if let pickle {
            guard pickle.count(where: { $0 == "/" }) != 1 else { return nil }
            return ForeignFile(
                "a ZIP archive around a PyTorch file's folder, \(quoted(pickle))",
                "unpack it, and pack the folder that holds data.pkl: zip -0 -r model.pt FOLDER")
        }
        if hasEntry("archive_format") || has("exported_program.json") {
            return ForeignFile(
                "a program of torch.export",
                "take its weights out: " + python(path, "torch.save(dict(torch.export.load(FILE).state_dict), OUT)"))
        }
        if hasEntry("model.weights.h5") {
            return ForeignFile(
                "a Keras model", "only PyTorch's files and safetensors are read: get it from PyTorch, or its author")
        }
        if !names.isEmpty, names.allSatisfy({ $0.hasSuffix(".npy") }) {
            return ForeignFile(
                "a NumPy archive of \(listed(names.map { String($0.dropLast(4)) }))",
                "images go to evaluate or score; if these are weights under PyTorch's names: "
                    + python(
                        path, "torch.save({k: torch.tensor(v) for k, v in numpy.load(FILE).items()}, OUT)",
                        importing: "numpy, torch"))
        }
        let files = names.filter { !$0.hasSuffix("/") }
        let endings = [".pt", ".pth", ".ckpt", ".safetensors", ".bin", ".tar", ".pkl"]
        let models = files.filter { name in endings.contains(where: name.hasSuffix) }
        guard !models.isEmpty else {
            return ForeignFile(
                files.isEmpty ? "an empty ZIP archive" : "a ZIP archive that holds \(listed(files))",
                "name the model's own file, as torch.save wrote it, or a safetensors file")
        }
        return ForeignFile(
            "a ZIP archive that holds \(listed(models))", "unpack it, then name that file: unzip \(word(path))")
    }

    // MARK: - Parts and folders

    /// A file that is one of several, by its name, such as `model-00001-of-00003.safetensors`.
    static func part(_ path: String) -> ForeignFile? {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        let halves = name.split(separator: ".", maxSplits: 1)
        guard halves.count == 2 else { return nil }
        let words = halves[0].split(separator: "-")
        guard words.count > 3, words[words.count - 2] == "of", let count = Int(words[words.count - 1]), count > 1,
            words.suffix(3).first?.count == 5, let number = Int(words[words.count - 3])
        else { return nil }
        let (stem, ending) = (words.dropLast(3).joined(separator: "-"), halves[1])
        let folder = path.dropLast(name.count)
        let all = "glob.glob(FILE)"
        let pattern = "\(folder)\(stem)-?????-of-\(words[words.count - 1]).\(ending)"
        let out = "\(folder)\(stem).pt"
        return ForeignFile(
            "part \(number) of a model in \(count) files",
            "join them: "
                + (ending == "safetensors"
                    ? python(
                        pattern, "torch.save({k: v for f in \(all) for k, v in load_file(f).items()}, OUT)",
                        importing: "glob, torch; from safetensors.torch import load_file", out: out)
                    : python(
                        pattern, "torch.save({k: v for f in \(all) for k, v in torch.load(f).items()}, OUT)",
                        importing: "glob, torch", out: out)))
    }

    /// What a folder is, given for a file.
    static func folder(_ path: String) -> String {
        let names = Self.names(in: path)
        let folder = path.hasSuffix("/") ? String(path.dropLast()) : path
        if names.contains("data.pkl") {
            return "it is a folder, a PyTorch file that was unpacked; pack it again from the folder above: "
                + "zip -0 -r model.pt \(word(folder.split(separator: "/").last.map(String.init) ?? folder))"
        }
        if names.contains(".metadata"), names.contains(where: { $0.hasSuffix(".distcp") }) {
            return "it is a folder, a distributed checkpoint; make one file of it: "
                + "python3 -m torch.distributed.checkpoint.format_utils dcp_to_torch \(word(folder)) model.pt"
        }
        let models = names.filter { name in [".pt", ".pth", ".ckpt", ".safetensors"].contains(where: name.hasSuffix) }
        return models.isEmpty
            ? "it is a folder, without a .pt, .pth, .ckpt or .safetensors file in it; name the model's file"
            : "it is a folder; name the file in it: \(listed(models.sorted()))"
    }

    private static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while names.count < 10_000, let entry = readdir(stream) {
            names.append(
                withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        return names
    }

    // MARK: - Words

    /// The first three of some names, and how many more there are.
    static func listed(_ names: [String]) -> String {
        names.prefix(3).map(quoted).joined(separator: ", ") + (names.count > 3 ? " and \(names.count - 3) more" : "")
    }

    /// A path as a word of a shell's command.
    private static func word(_ path: String) -> String {
        isPlain(path) && !path.contains(" ") ? path : isPlain(path) ? "'\(path)'" : "FILE"
    }

    /// One command that runs Python: `FILE` in the code stands for this file, `OUT` for a new one beside it.
    static func python(_ path: String, _ code: String, importing modules: String = "torch", out: String? = nil)
        -> String
    {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        let stem = name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name
        let out = out ?? "\(path.dropLast(name.count))\(stem)-weights.pt"
        let (file, target) = isPlain(path) ? (path, out) : ("FILE", "weights.pt")
        let line = code.replacing("FILE", with: "\"\(file)\"").replacing("OUT", with: "\"\(target)\"")
        return "python3 -c 'import \(modules); \(line)'"
    }

    /// Whether a path means itself to a shell and to Python between quotes.
    private static func isPlain(_ path: String) -> Bool {
        path.utf8.count <= 200
            && path.unicodeScalars.allSatisfy { $0.isPrintable && !["'", "\"", "\\", "$", "`"].contains($0) }
    }
}
