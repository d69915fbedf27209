// Files as people have them, each written by PyTorch, Lightning, accelerate or safetensors itself: what PyTorch loads
// with weights_only=True, and holds the network, loads here, to the same numbers. Tests/Oracle/checkpoints.py is the
// table.

import Foundation
import TestSupport
import Testing

@testable import PixelCNNModel

@Suite(.enabled(if: PyTorch.isAvailable, Comment(rawValue: PyTorch.absence)))
struct CheckpointTableTests {
    private struct Case: Decodable {
        let file: String
        let weights: String?
        let weightsOnly: Bool
        let state: String?
        let size: [Int]?
        let says: [String]

        enum CodingKeys: String, CodingKey {
            case file, weights, state, size, says
            case weightsOnly = "weights_only"
        }
    }

    @Test func everyFileIsReadAsPyTorchReadsIt() throws {
        let folder = try TemporaryFolder()
        let made = try PyTorch.run(["checkpoints.py", folder.url.path])
        try #require(made.status == 0, "\(made.output)")
        print(made.output)
        let cases = try JSONDecoder().decode(
            [Case].self, from: Data(contentsOf: folder.url.appending(path: "cases.json")))
        #expect(cases.count { $0.state != nil } >= 60)
        for item in cases {
            do throws(ModelFileError) {
                let model = try Model.load(path: folder.path(item.file), weights: item.weights)
                try check(model, item, in: folder)
            } catch {
                #expect(item.state == nil, "\(error)")
                print("\(error)".replacing(folder.url.path + "/", with: ""))
                for text in [item.file] + item.says { #expect("\(error)".contains(text), "\(error)") }
                #expect(!"\(error)".contains("\n"))
            }
        }
    }

    private func check(_ model: Model, _ item: Case, in folder: TemporaryFolder) throws(ModelFileError) {
        guard let state = item.state, let bytes = try? Data(contentsOf: folder.url.appending(path: state)) else {
            Issue.record("\(item.file) is not refused")
            return
        }
        var offset = 0
        for spec in model.hyperparameters.parameters {
            let floats = model[spec.name].floats()
            let same = bytes[offset..<offset + 4 * spec.count].elementsEqual(floats.withUnsafeBytes { Array($0) })
            #expect(same, "\(item.file): \(spec.name) differs from PyTorch's")
            offset += 4 * spec.count
        }
        #expect(offset == bytes.count)

        let warnings = model.source.warnings
        for text in item.says {
            #expect(warnings.contains { "\($0)".contains(text) }, "\(item.file): \(text) is not in \(warnings)")
        }
        let size = model.source.isSizeAssumed ? nil : [model.hyperparameters.height, model.hyperparameters.width]
        #expect(size == item.size, "\(item.file)")
        // What PyTorch takes names no class that it does not know.
        let namesClasses = warnings.contains { if case .unreadClasses = $0 { true } else { false } }
        if item.weightsOnly { #expect(!namesClasses, "\(item.file): \(warnings)") }
    }
}
