// Real PyTorch files with one thing changed: each is refused with the error for that thing.

import Testing

@testable import PixelCNNModel

@Suite struct DamagedPyTorchFileTests {
    /// The problem with a fixture whose entries `change` has changed.
    private func problem(
        _ fixture: String, _ change: (inout ZIPBuilder) -> Void
    ) throws -> ModelFileError.Problem? {
        var builder = try ZIPBuilder(fixture: fixture)
        change(&builder)
        return try Fixture.problem(builder.bytes())
    }

    private func withPickle(
        _ fixture: String, _ old: String, _ new: String
    ) throws -> ModelFileError.Problem? {
        try problem(fixture) { $0["/data.pkl"].data = $0["/data.pkl"].data.replacing(old.latin1, with: new.latin1) }
    }

    @Test func unchangedFilesLoadAfterRepacking() throws {
        for fixture in ["state.pt", "module.pt"] { #expect(try problem(fixture) { _ in } == nil) }
    }

    @Test func refusesClassesThatTheNetworkNeedsByName() throws {
        #expect(
            try withPickle("state.pt", "torch._utils\n_rebuild_tensor_v2", "os\nsystem")
                == .model(
                    .unreadTensor(
                        UnreadTensor(
                            name: "in_conv.0.weight", type: "a “os.system”", format: .pyTorchStateDictionary))))
        #expect(
            try withPickle("module.pt", "conv2d_gated\nGatedConv2d", "builtins\nexec")
                == .pyTorch(.unexpectedClass("builtins.exec", path: "")))
    }

    @Test func refusesModulesOfAnotherClass() throws {
        #expect(
            try withPickle("module.pt", "cpixelcnn\nPixelCNN", "ctorch.nn.modules.conv\nConv2d")
                == .pyTorch(.unexpectedClass("torch.nn.modules.conv.Conv2d", path: "")))
    }

    @Test func refusesModulesWithoutTheirDictionaries() throws {
        #expect(
            try withPickle("module.pt", "_buffers", "_bufferz")
                == .pyTorch(.malformedModule(path: "", expected: "a dictionary _buffers")))
    }

    @Test func refusesMissingAndShortStorages() throws {
        #expect(
            try problem("state.pt") { $0.remove("/data/0") }
                == .pyTorch(.missingStorage(tensor: "in_conv.0.weight", entry: "state/data/0")))
        #expect(
            try problem("state.pt") { $0["/data/0"].data.removeLast() }
                == .pyTorch(
                    .storageSizeMismatch(
                        tensor: "in_conv.0.weight", entry: "state/data/0", found: 3527, expected: 3528)))
    }

    @Test func refusesWindowsOutsideTheStorage() throws {
        // The first tensor's strides (147, 49, 7, 1), with 147 made 255.
        guard
            case .pyTorch(.tensorOutsideStorage(let tensor, _, let strides, 0, 882))? =
                try withPickle("state.pt", "K\u{93}K\u{31}K\u{7}K\u{1}t", "K\u{ff}K\u{31}K\u{7}K\u{1}t")
        else {
            Issue.record("not refused")
            return
        }
        #expect(tensor == "in_conv.0.weight")
        #expect(strides == [255, 49, 7, 1])
    }

    @Test func refusesSizesThatOverflow() throws {
        // (6, 3, 7, 7) made (2^62, 3, 7, 7): the product does not fit, nor would the window.
        let wide = "\u{8a}\u{8}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{40}"
        guard
            case .pyTorch(.tensorOutsideStorage("in_conv.0.weight", _, _, _, _))? =
                try withPickle("state.pt", "(K\u{6}K\u{3}K\u{7}K\u{7}t", "(\(wide)K\u{3}K\u{7}K\u{7}t")
        else {
            Issue.record("not refused")
            return
        }
    }

    @Test func refusesOtherByteOrders() throws {
        #expect(
            try problem("state.pt") { $0["/byteorder"].data = Array("middle".utf8) }
                == .pyTorch(.unsupportedByteOrder("middle")))
    }

    @Test func bigEndianStoragesAreRead() throws {
        var builder = try ZIPBuilder(fixture: "state.pt")
        builder["/byteorder"].data = Array("big".utf8)
        for index in builder.entries.indices where builder.entries[index].name.contains("/data/") {
            let data = builder.entries[index].data
            // Masks have a byte per element, and an odd name in between must not be swapped.
            guard data.count % 4 == 0, data.contains(where: { $0 > 1 }) else { continue }
            builder.entries[index].data = stride(from: 0, to: data.count, by: 4).flatMap {
                data[$0..<$0 + 4].reversed()
            }
        }
        try Fixture.withFile(builder.bytes()) { path in
            let model = try Model.load(path: path)
            for (name, floats) in try Fixture.expected() { #expect(model[name].floats() == floats) }
        }
    }

    @Test func filesWithoutByteOrderAreLittleEndian() throws {
        #expect(try problem("state.pt") { $0.remove("/byteorder") } == nil)
    }

    @Test func refusesArchivesThatAreNotPyTorch() throws {
        #expect(
            try problem("state.pt") { $0.remove("/data.pkl") }?.description.contains("a ZIP archive that holds") == true
        )
        #expect(
            try problem("state.pt") { $0.entries.append(.init(name: "state/constants.pkl", data: [1])) }?
                .description.contains("a TorchScript archive") == true)
        #expect(
            try problem("state.pt") { $0.entries.append(.init(name: "more/data.pkl", data: [1])) }
                == .pyTorch(.notPyTorchArchive))
    }

    @Test func refusesCompressedArchives() throws {
        #expect(
            try problem("state.pt") { $0["/data/3"].method = 8 }
                == .archive(.compressedEntry("state/data/3", method: 8)))
    }

    @Test func refusesAModuleThatContainsItself() throws {
        var builder = try ZIPBuilder(fixture: "module.pt")
        let root = "cpixelcnn\nPixelCNN\n)\u{81}q\u{1}".latin1
        let dictionaries = "}(U\u{b}_parameters}U\u{8}_buffers}U\u{8}_modules}U\u{1}xh\u{1}sub.".latin1
        builder["/data.pkl"].data = [0x80, 2] + root + dictionaries
        guard case .pyTorch(.tooDeep(_, limit: 16))? = try Fixture.problem(builder.bytes()) else {
            Issue.record("not refused")
            return
        }
    }

    @Test func refusesModulesThatBranchIntoThemselves() throws {
        // Two children, both the module itself: 2^16 paths would fit the depth limit; the work limit ends them.
        var builder = try ZIPBuilder(fixture: "module.pt")
        let children = (0..<200).map { "U\u{3}\(String($0 + 100))h\u{1}" }.joined()
        builder["/data.pkl"].data =
            [0x80, 2]
            + ("cpixelcnn\nPixelCNN\n)\u{81}q\u{1}}(U\u{b}_parameters}U\u{8}_buffers}U\u{8}_modules}(" + children
            + "uub.").latin1
        guard case .pyTorch(.tooDeep(_, limit: 16))? = try Fixture.problem(builder.bytes()) else {
            Issue.record("not refused")
            return
        }
    }

    @Test(arguments: [1, 10_000]) func refusesTensorsWithinTensors(count: Int) throws {
        var builder = try ZIPBuilder(fixture: "state.pt")
        let device = "ctorch._utils\n_rebuild_device_tensor_from_cpu_tensor\nq\u{3}0ctorch\nfloat32\nq\u{4}0"
        let innermost = "ctorch._utils\n_rebuild_parameter\n)Rq\u{1}"
        // Each of the one before; the innermost is then given the outermost.
        let outer = (0..<count).map { _ in "q\u{5}0h\u{3}h\u{5}h\u{4}\u{86}R" }.joined()
        let own = "q\u{2}0h\u{1}(h\u{2}NNNNtb0"
        let items = "}(U\u{10}in_conv.0.weighth\u{2}U\u{11}out_conv.2.weighth\u{2}u."
        builder["/data.pkl"].data = [0x80, 2] + (device + innermost + outer + own + items).latin1
        #expect(try Fixture.problem(builder.bytes()) == .pyTorch(.malformedTensor("in_conv.0.weight")))
    }

    @Test func refusesDeclarationsThatShapesContradict() throws {
        let pickle = try ZIPBuilder(fixture: "module.pt")["/data.pkl"].data
        let start = try #require(pickle.firstRange(of: Array("n_colors".utf8))).upperBound
        let value = try #require(pickle[start...].firstIndex(of: UInt8(ascii: "K"))) + 1
        #expect(pickle[value] == 4)
        #expect(
            try problem("module.pt") { $0["/data.pkl"].data[value] = 9 }
                == .model(.contradiction(field: "colors", declared: 9, shapes: 4, tensor: "out_conv.2.weight")))
    }

    @Test func missingAttributesAreReadOffTheShapes() throws {
        var builder = try ZIPBuilder(fixture: "module.pt")
        for name in ["n_colors", "n_blocks", "in_shape"] {
            builder["/data.pkl"].data = builder["/data.pkl"].data.replacing(name, with: "z" + name.dropFirst())
        }
        try Fixture.withFile(builder.bytes()) { path in
            let model = try Model.load(path: path, height: 5, width: 4)
            #expect(model.hyperparameters == (try Fixture.hyperparameters()))
            #expect(model.source.warnings == [])
            let unsized = try Model.load(path: path)
            #expect((unsized.hyperparameters.height, unsized.hyperparameters.width) == (32, 32))
            #expect(unsized.source.warnings.count == 1)
        }
    }

    @Test func refusesNaNUnderAMask() throws {
        // Last element of in_conv.0.weight: bottom right of the kernel, where every mask is zero.
        let problem = try problem("state.pt") {
            $0["/data/0"].data.replaceSubrange(3524..., with: [0, 0, 0xc0, 0x7f])
        }
        #expect(problem == .model(.notFinite(tensor: "in_conv.0.weight", position: [5, 2, 6, 6])))
    }

    @Test func refusesWrongMasks() throws {
        var builder = try ZIPBuilder(fixture: "state.pt")
        let index = try #require(builder.entries.firstIndex { $0.data.count == 882 })
        builder.entries[index].data[24] = 1  // centre of the first kernel, type A
        #expect(
            try Fixture.problem(builder.bytes())
                == .model(.maskMismatch(tensor: "in_conv.0.mask", position: [0, 0, 3, 3], expected: false)))
    }

    /// Gigabytes of weights, whose tensors repeat one number each: were they unpacked, or computed from one another, a
    /// small file would make a large model.
    @Test(arguments: ["repeated.pt", "repeated-pruned.pt"])
    func refusesManyViewsOfTheSameNumbers(file: String) throws {
        let bytes = try Fixture.bytes(file)
        #expect(bytes.count < 25_000)
        guard case .model(.tensorsExceedFile(_, bytes.count))? = try Fixture.problem(bytes) else {
            Issue.record("not refused")
            return
        }
    }

    @Test func missingMasksAreDerivedWithAWarning() throws {
        var builder = try ZIPBuilder(fixture: "module.pt")
        builder["/data.pkl"].data = builder["/data.pkl"].data.replacing(
            "mask".latin1 + [0x71], with: "mazk".latin1 + [0x71])
        let warnings = try Fixture.withFile(builder.bytes()) {
            try Model.load(path: $0).source.warnings.map(\.description)
        }
        #expect(
            warnings.first == "tensors the network does not have are ignored: "
                + [
                    "in_conv.0.mazk", "gated_layers.0.h_conv.mazk", "gated_layers.0.v1toh.mazk",
                    "gated_layers.0.v2toh.mazk",
                    "gated_layers.0.htoh.mazk", "gated_layers.1.h_conv.mazk", "gated_layers.1.v1toh.mazk",
                    "gated_layers.1.v2toh.mazk",
                ].map { "“\($0)”" }.joined(separator: ", ") + " and 3 more")
        #expect(warnings.last == "the file lacks 11 of the network's masks; they are derived")
    }

    @Test func refusesMissingTensors() throws {
        #expect(
            try withPickle("state.pt", "out_conv.2.bias", "out_conv.2.biaz")
                == .model(.missingTensor("out_conv.2.bias")))
        #expect(
            try withPickle("state.pt", "gated_layers.1.", "gated_layers.2.")
                == .model(.missingTensor("gated_layers.1.v_conv.weight")))
    }

    @Test func everyTruncationIsRefused() throws {
        let bytes = try Fixture.bytes("state.pt")
        for length in stride(from: 2, to: bytes.count, by: 37) {
            #expect(try Fixture.problem([UInt8](bytes.prefix(length))) == .archive(.noEndRecord))
        }
    }

    @Test func flippedBytesAreLoadedOrRefused() throws {
        let bytes = try Fixture.bytes("module.pt")
        for index in stride(from: 0, to: bytes.count, by: 11) {
            var bad = bytes
            bad[index] ^= UInt8(1 << (index % 8))
            if let problem = try Fixture.problem(bad) { #expect(!problem.description.isEmpty) }
        }
    }
}
