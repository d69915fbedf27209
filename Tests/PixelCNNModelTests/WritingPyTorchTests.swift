// State_dicts that are written here, read here and by PyTorch.

import Foundation
import Testing

@testable import PixelCNNModel

@Suite struct WritingPyTorchTests {
    @Test func aWrittenStateDictionaryIsReadBack() throws {
        let model = Model.random(try Fixture.hyperparameters(), seed: 3)
        try Fixture.withFolder { folder in
            let path = folder.appending(path: "state.pt").path
            try model.writePyTorch(to: path)
            let read = try Model.load(path: path)
            #expect(read.hyperparameters == model.hyperparameters)
            #expect(read.source.warnings.isEmpty)
            for spec in model.hyperparameters.parameters {
                #expect(read[spec.name].floats() == model[spec.name].floats())
            }
            let names = try ModelContents.read(path: path).tensors.map(\.name)
            #expect(names == model.hyperparameters.description.tensors.map(\.name))
        }
    }

    @Test func theSameModelGivesTheSameBytesAlignedForMapping() throws {
        let model = Model.random(try Fixture.hyperparameters(), seed: 3)
        try Fixture.withFolder { folder in
            let files = ["a.pt", "b.pt"].map { folder.appending(path: $0) }
            for file in files { try model.writePyTorch(to: file.path) }
            let bytes = try files.map { try Data(contentsOf: $0) }
            #expect(bytes[0] == bytes[1])
            let archive = try ZIPArchive(ModelFile(path: files[0].path))
            #expect(archive.entries.values.allSatisfy { $0.lowerBound % 64 == 0 })
        }
    }

    @Test func aFolderThatCannotBeWrittenIsNamed() throws {
        let model = Model.random(try Fixture.hyperparameters(), seed: 3)
        try Fixture.withFolder { folder in
            let path = folder.path + "/none/state.pt"
            let reason = "its folder does not exist; make it first"
            #expect(throws: ModelFileError(file: path, .cannotWrite(reason: reason))) {
                try model.writePyTorch(to: path)
            }
        }
    }
}
