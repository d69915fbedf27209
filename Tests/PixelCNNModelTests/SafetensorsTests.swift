// Safetensors read and written: Python's files, ours, and one wrong header for each rule.

import Foundation
import Testing

@testable import PixelCNNModel

@Suite struct SafetensorsTests {
    /// A file of this header and so many data bytes.
    private func file(_ header: String, data: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(UInt64(header.utf8.count))
        return bytes + Array(header.utf8) + [UInt8](repeating: 0, count: data)
    }

    private func problem(_ header: String, data: Int) throws -> ModelFileError.Problem? {
        try Fixture.problem(file(header, data: data), name: "model.safetensors")
    }

    @Test func readsWhatPythonWrites() throws {
        let model = try Model.load(path: Fixture.path("python.safetensors"), height: 5, width: 4)
        #expect(model.source.format == .safetensors)
        #expect(model.hyperparameters == (try Fixture.hyperparameters()))
        for (name, floats) in try Fixture.expected() { #expect(model[name].floats() == floats) }
    }

    @Test(arguments: ["module.pt", "f16.pt", "strided.pt", "python.safetensors"])
    func whatIsWrittenReadsBackEqual(source: String) throws {
        let model = try Model.load(path: Fixture.path(source), height: 6, width: 8)
        try Fixture.withFolder { folder in
            let path = folder.appending(path: "out.safetensors").path
            try model.writeSafetensors(to: path)
            let written = try Model.load(path: path)
            #expect(written.hyperparameters == model.hyperparameters)  // the image size too, from metadata
            #expect(written.source.warnings == [])
            for spec in model.hyperparameters.parameters {
                #expect(written[spec.name].floats() == model[spec.name].floats())
            }
            let contents = try ModelContents.read(path: path)
            #expect(Set(contents.tensors.map(\.name)) == Set(model.hyperparameters.description.tensors.map(\.name)))
            for tensor in contents.tensors where tensor.elementType == .f32 {
                // Aligned, so that reading copies nothing.
                let bytes = try #require(tensor.contiguousBytes)
                #expect(tensor.withFloats { UnsafeRawPointer($0.baseAddress) } == bytes.baseAddress)
            }
        }
    }

    @Test func theSameModelGivesTheSameBytes() throws {
        let model = try Model.load(path: Fixture.path("module.pt"))
        try Fixture.withFolder { folder in
            let files = ["a.safetensors", "b.safetensors"].map { folder.appending(path: $0) }
            for file in files { try model.writeSafetensors(to: file.path) }
            #expect(try Data(contentsOf: files[0]) == Data(contentsOf: files[1]))
        }
    }

    @Test func writingReplacesAFileAndLeavesNothingElse() throws {
        let model = try Model.load(path: Fixture.path("module.pt"))
        try Fixture.withFolder { folder in
            let file = folder.appending(path: "out.safetensors")
            try Data("old".utf8).write(to: file)
            try model.writeSafetensors(to: file.path)
            #expect(try Model.load(path: file.path).source.format == .safetensors)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["out.safetensors"])
        }
    }

    @Test func failedWritesLeaveNothing() throws {
        let model = try Model.load(path: Fixture.path("module.pt"))
        try Fixture.withFolder { folder in
            try FileManager.default.createDirectory(
                at: folder.appending(path: "taken.safetensors"), withIntermediateDirectories: false)
            for name in ["taken.safetensors", "missing/out.safetensors", ""] {
                #expect {
                    try model.writeSafetensors(to: folder.path + "/" + name)
                } throws: { error in
                    (error as? ModelFileError)?.exitCode == .cannotCreate
                }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["taken.safetensors"])
        }
    }

    @Test func refusesHeadersThatDoNotFitTheFile() throws {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(UInt64(1 << 40))
        bytes += Array("{}".utf8)
        #expect(
            try Fixture.problem(bytes, name: "m.safetensors")
                == .safetensors(.headerOutOfRange(announced: 1 << 40, fileBytes: 10)))
        #expect(
            try Fixture.problem([0xff, 0xff], name: "m.safetensors")
                == .safetensors(.headerOutOfRange(announced: .max, fileBytes: 2)))
    }

    @Test(arguments: [
        "", "[]", "{", "{\"a\"}", "{\"a\":1}", "{\"a\":{}}", "{}x", "{\"a\":{\"dtype\":\"F32\"", "{\"a\\x\":{}}",
        "{\"a\":{\"shape\":[1,],\"dtype\":\"F32\",\"data_offsets\":[0,4]}}",
        "{\"a\":{\"shape\":[-1],\"dtype\":\"F32\",\"data_offsets\":[0,4]}}",
        "{\"a\":{\"shape\":[1.0],\"dtype\":\"F32\",\"data_offsets\":[0,4]}}",
        "{\"a\":{\"shape\":[01],\"dtype\":\"F32\",\"data_offsets\":[0,4]}}",
        "{\"a\":{\"shape\":[9223372036854775808],\"dtype\":\"F32\",\"data_offsets\":[0,4]}}",
        "{\"a\":{\"shape\":[\(repeatElement("1", count: 65).joined(separator: ","))],\"dtype\":\"F32\"}}",
        "{\"a\":{\"shape\":[[1]],\"dtype\":\"F32\",\"data_offsets\":[0,4]}}",
        "{\"a\":{\"shape\":[1],\"dtype\":\"F32\",\"data_offsets\":[0,4],\"more\":1}}",
        "{\"__metadata__\":{\"a\":1}}", "{\"\\ud800\":{}}", "{\"\n\":{}}",
    ])
    func refusesMalformedHeaders(header: String) throws {
        guard case .safetensors(.malformedHeader)? = try problem(header, data: 4) else {
            Issue.record("\(header) is not refused as malformed")
            return
        }
    }

    @Test(arguments: ["[", "{\"a\":", "{\"__metadata__\":", "{\"a\":{\"shape\":["])
    func refusesDeeplyNestedHeaders(opening: String) throws {
        guard
            case .safetensors(.malformedHeader)? =
                try problem("{\"a\":" + String(repeating: opening, count: 100_000), data: 4)
        else {
            Issue.record("\(opening) is not refused as malformed")
            return
        }
    }

    private func tensor(_ name: String, _ shape: String, _ begin: Int, _ end: Int, type: String = "F32") -> String {
        "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":[\(shape)],\"data_offsets\":[\(begin),\(end)]}"
    }

    @Test func refusesDuplicateNamesAndFields() throws {
        let twice = "{\(tensor("a", "1", 0, 4)),\(tensor("a", "1", 4, 8))}"
        #expect(try problem(twice, data: 8) == .safetensors(.duplicateKey("a")))
        let escaped = "{\(tensor("a", "1", 0, 4)),\(tensor("\\u0061", "1", 4, 8))}"
        #expect(try problem(escaped, data: 8) == .safetensors(.duplicateKey("a")))
        let field = "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,4]}}"
        #expect(try problem(field, data: 4) == .safetensors(.duplicateKey("a: dtype")))
        let metadata = "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}"
        #expect(try problem(metadata, data: 0) == .safetensors(.duplicateKey("a")))
    }

    @Test func refusesMissingFieldsAndUnknownTypes() throws {
        #expect(
            try problem("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", data: 4)
                == .safetensors(.missingField(tensor: "a", field: "shape")))
        #expect(
            try problem("{\(tensor("a", "4", 0, 4, type: "F8_E4M3"))}", data: 4)
                == .model(.missingTensor("in_conv.0.weight")))
        #expect(
            try problem("{\(tensor("in_conv.0.weight", "4", 0, 4, type: "F8_E4M3"))}", data: 4)
                == .model(.unreadTensor(UnreadTensor(name: "in_conv.0.weight", type: "F8_E4M3", format: .safetensors))))
    }

    @Test func rejectsHeaderWithOverlappingOffsets() throws {
        #expect(
            try problem("{\(tensor("b", "2", 4, 12)),\(tensor("a", "2", 0, 8))}", data: 12)
                == .safetensors(.overlappingTensors("a", "b")))
    }

    @Test func rejectsBytesThatBelongToNoTensor() throws {
        #expect(
            try problem("{\(tensor("a", "1", 0, 4)),\(tensor("b", "1", 8, 12))}", data: 12)
                == .safetensors(.hole(before: "b", bytes: 4)))
        #expect(try problem("{\(tensor("a", "1", 0, 4))}", data: 7) == .safetensors(.trailingBytes(3)))
    }

    @Test func rejectsOffsetsOutsideTheFile() throws {
        #expect(
            try problem("{\(tensor("a", "2", 0, 8))}", data: 4)
                == .safetensors(.offsetsOutOfRange(tensor: "a", begin: 0, end: 8, dataBytes: 4)))
        #expect(
            try problem("{\(tensor("a", "1", 4, 0))}", data: 4)
                == .safetensors(.offsetsOutOfRange(tensor: "a", begin: 4, end: 0, dataBytes: 4)))
    }

    @Test func rejectsShapesThatDoNotFitTheirBytes() throws {
        #expect(
            try problem("{\(tensor("a", "3", 0, 8))}", data: 8)
                == .safetensors(.sizeMismatch(tensor: "a", shape: [3], type: .f32, bytes: 8)))
        let huge = 1 << 62
        #expect(
            try problem("{\(tensor("a", "\(huge),4", 0, 8))}", data: 8)
                == .safetensors(.sizeMismatch(tensor: "a", shape: [huge, 4], type: .f32, bytes: 8)))
        #expect(
            try problem("{\(tensor("a", "0,\(huge),4", 0, 0))}", data: 0)
                == .safetensors(.sizeMismatch(tensor: "a", shape: [0, huge, 4], type: .f32, bytes: 0)))
    }

    @Test func rejectsMetadataThatIsNoNumberOrContradictsShapes() throws {
        let model = try Model.load(path: Fixture.path("module.pt"))
        try Fixture.withFolder { folder in
            let file = folder.appending(path: "m.safetensors")
            try model.writeSafetensors(to: file.path)
            let bytes = [UInt8](try Data(contentsOf: file))
            #expect(
                try Fixture.problem(
                    bytes.replacing("\"pixelcnn.colors\":\"4\"", with: "\"pixelcnn.colors\":\"x\""),
                    name: "m.safetensors")
                    == .safetensors(.malformedMetadata(key: "pixelcnn.colors", found: "x")))
            #expect(
                try Fixture.problem(
                    bytes.replacing("\"pixelcnn.filters\":\"6\"", with: "\"pixelcnn.filters\":\"9\""),
                    name: "m.safetensors")
                    == .model(.contradiction(field: "filters", declared: 9, shapes: 6, tensor: "in_conv.0.weight")))
            #expect(
                try Fixture.problem(
                    bytes.replacing("\"pixelcnn.height\":\"5\"", with: "\"pixelcnn.height\":\"0\""),
                    name: "m.safetensors")
                    == .hyperparameters(.outOfRange(field: "height", found: 0, allowed: 1...4096)))
        }
    }

    @Test func everyTruncationAndFlippedByteIsReadOrRefused() throws {
        let bytes = try Fixture.bytes("python.safetensors")
        for length in stride(from: 1, to: bytes.count, by: 29) {
            #expect(try Fixture.problem([UInt8](bytes.prefix(length)), name: "m.safetensors") != nil)
        }
        for index in 0..<2000 {
            var bad = bytes
            bad[index] ^= UInt8(1 << (index % 8))
            if let problem = try Fixture.problem(bad, name: "m.safetensors") { #expect(!problem.description.isEmpty) }
        }
    }
}
