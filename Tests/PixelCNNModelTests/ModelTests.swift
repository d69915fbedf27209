// Models and tensors in memory: validation, random weights, conversions.

import Testing

@testable import PixelCNNModel

@Suite struct ModelTests {
    private func tensors() throws -> [Tensor] {
        let model = Model.random(try Fixture.hyperparameters(), seed: 1)
        return model.hyperparameters.parameters.map { model[$0.name] }
    }

    private func problem(_ tensors: [Tensor]) throws -> ModelFileError.Problem? {
        let hyperparameters = try Fixture.hyperparameters()
        do throws(ModelFileError) {
            _ = try Model(hyperparameters: hyperparameters, tensors: tensors)
            return nil
        } catch {
            return error.problem
        }
    }

    @Test func tensorsInMemoryMakeAModel() throws {
        let tensors = try tensors()
        let model = try Model(hyperparameters: Fixture.hyperparameters(), tensors: tensors)
        for tensor in tensors { #expect(model[tensor.name].floats() == tensor.floats()) }
        #expect(model.source.format == .memory)
        #expect(model.source.sha256 == Model.random(try Fixture.hyperparameters(), seed: 1).source.sha256)
        #expect(model.source.warnings == [])
    }

    @Test func namesTheTensorThatIsMissingMisshapenOrTwice() throws {
        var list = try tensors()
        #expect(try problem(Array(list.dropLast())) == .model(.missingTensor("out_conv.2.bias")))
        #expect(try problem(list + [list[0]]) == .model(.duplicateTensor("in_conv.0.weight")))
        list[1] = Tensor(name: "in_conv.0.bias", shape: [3, 2], floats: [Float](repeating: 0, count: 6))
        #expect(
            try problem(list) == .model(.shapeMismatch(tensor: "in_conv.0.bias", expected: "(6,)", found: [3, 2])))
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity])
    func namesThePlaceOfANumberThatIsNotFinite(value: Float) throws {
        var list = try tensors()
        list[1] = Tensor(name: "in_conv.0.bias", shape: [6], floats: [0, 0, 0, value, 0, 0])
        #expect(try problem(list) == .model(.notFinite(tensor: "in_conv.0.bias", position: [3])))
    }

    @Test func checksMasksThatAreGiven() throws {
        let spec = try #require(try Fixture.hyperparameters().description.masks.last)
        guard case .mask(let mask) = spec.role else {
            Issue.record("not a mask")
            return
        }
        var floats = mask.values().map { $0 ? Float(1) : 0 }
        #expect(try problem(tensors() + [Tensor(name: spec.name, shape: spec.shape, floats: floats)]) == nil)
        floats[0] = 0
        #expect(
            try problem(tensors() + [Tensor(name: spec.name, shape: spec.shape, floats: floats)])
                == .model(.maskMismatch(tensor: spec.name, position: [0, 0, 0, 0], expected: true)))
    }

    @Test func extraTensorsAreWarningsByName() throws {
        let extra = Tensor(name: "ema.decay", shape: [], floats: [0.9])
        let model = try Model(hyperparameters: Fixture.hyperparameters(), tensors: try tensors() + [extra])
        #expect(model.source.warnings.contains { $0.description.contains("“ema.decay”") })
    }

    @Test func randomModelsFollowTheirSeedAndScale() throws {
        let network = try Fixture.hyperparameters()
        let models = [Model.random(network, seed: 5), .random(network, seed: 5), .random(network, seed: 6)]
        #expect(models[0].source.sha256 == models[1].source.sha256)
        #expect(models[0].source.sha256 != models[2].source.sha256)
        let one = models[0]["gated_layers.1.v_conv.weight"].floats()
        let three = Model.random(network, seed: 5, scale: 3)["gated_layers.1.v_conv.weight"].floats()
        #expect(zip(one, three).allSatisfy { abs(3 * $0 - $1) <= 1e-6 })
        // Variance 1 / fan-in, fan-in 36; 432 numbers put it within a quarter with room to spare.
        let variance = one.reduce(0) { $0 + $1 * $1 } / Float(one.count)
        #expect((0.75..<1.25).contains(variance * 36))
        #expect(models[0]["h_norm_layers.0.weight"].floats().allSatisfy { abs($0 - 1) < 0.6 })
    }

    @Test func viewsConvertEveryElementType() throws {
        let bytes: [UInt8] = [0x00, 0x3c, 0x80, 0xbf, 0, 0, 0x80, 0x3f, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 1, 0xff]
        try Fixture.withFile(bytes) { path in
            let file = try ModelFile(path: path)
            func floats(_ type: ElementType, _ range: Range<Int>) -> [Float]? {
                Tensor(
                    name: "t", elementType: type, shape: [range.count / type.size], strides: [1], elementOffset: 0,
                    file: file, bytes: range)?.floats()
            }
            #expect(floats(.f16, 0..<2) == [1])
            #expect(floats(.bf16, 2..<4) == [-1])
            #expect(floats(.f32, 4..<8) == [1])
            #expect(floats(.f64, 8..<16) == [1])
            #expect(floats(.u8, 16..<18) == [1, 255])
            #expect(floats(.i8, 16..<18) == [1, -1])
            #expect(floats(.i16, 16..<18) == [-255])
            #expect(floats(.i32, 4..<8) == [0x3f80_0000])
            #expect(floats(.i64, 8..<16) == [0x3ff0_0000_0000_0000])
            #expect(floats(.bool, 16..<17) == [1])
            #expect(floats(.f32, 15..<19) == nil)
        }
    }

    @Test func unalignedFloatsAreCopiedNotMisread() throws {
        var bytes: [UInt8] = [0]
        for value in [1.5, -2, 3] as [Float] { bytes.appendLittleEndian(value.bitPattern) }
        try Fixture.withFile(bytes) { path in
            let file = try ModelFile(path: path)
            let tensor = try #require(
                Tensor(
                    name: "t", elementType: .f32, shape: [3], strides: [1], elementOffset: 0, file: file, bytes: 1..<13)
            )
            #expect(tensor.withFloats(Array.init) == [1.5, -2, 3])
        }
    }

    @Test func windowsMustLieInsideTheirStorage() throws {
        try Fixture.withFile([UInt8](repeating: 1, count: 16)) { path in
            let file = try ModelFile(path: path)
            func fits(_ shape: [Int], _ strides: [Int], _ offset: Int) -> Bool {
                Tensor(
                    name: "t", elementType: .f32, shape: shape, strides: strides, elementOffset: offset, file: file,
                    bytes: 0..<16) != nil
            }
            #expect(fits([4], [1], 0) && fits([2, 2], [1, 2], 0) && fits([], [], 3) && fits([0], [1], 4))
            #expect(!fits([5], [1], 0) && !fits([4], [1], 1) && !fits([2], [4], 0) && !fits([], [], 4))
            #expect(!fits([2], [-1], 3) && !fits([-1], [1], 0) && !fits([1], [1], -1) && !fits([0], [1], 5))
            #expect(!fits([.max, 2], [0, 0], 0) && !fits([2], [.max], 1) && !fits([3, 3], [.max, .max], 0))
            #expect(fits([1, 4], [.max, 1], 0))  // the stride of a single row is never used
        }
    }

    @Test func filesThatAreNotModelsSaySo() throws {
        #expect(try Fixture.problem([]) == .empty)
        #expect(
            try Fixture.problem([1, 2, 3, 4, 0xfe, 0x20, 0x20, 0x77, 0])
                == .unknownFormat(firstBytes: "01 02 03 04 fe 20 20 77"))
        try Fixture.withFolder { folder in
            #expect {
                try Model.load(path: folder.path + "/none.pt")
            } throws: { error in
                (error as? ModelFileError)?.exitCode == .noInput && "\(error)".hasSuffix("none.pt: no such file")
            }
            #expect {
                try Model.load(path: folder.path)
            } throws: { error in
                (error as? ModelFileError)?.exitCode == .noInput && "\(error)".contains("it is a folder, without a .pt")
            }
            #expect {
                try Model.load(path: "/dev/null")
            } throws: { error in
                (error as? ModelFileError)?.problem == .notReadable(reason: "not a regular file")
            }
        }
    }
}
