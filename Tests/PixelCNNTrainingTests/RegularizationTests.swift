// What a run drops, moves, draws and sets aside: each a function of seed and place, and what it says it is.

import Foundation
import TestSupport
import Testing

@testable import PixelCNNTraining

@Suite struct RegularizationTests {
    /// By what the units of some positions are multiplied.
    private func mask(
        _ dropout: Dropout, image: Int = 0, block: Int = 0, count: Int = 13, positions: Int = 4000
    ) -> [Float] {
        (0..<positions).flatMap { position in
            var units = [Float](repeating: 1, count: count)
            units.withUnsafeMutableBufferPointer { units in
                guard let base = units.baseAddress else { return }
                dropout.mask(image: image, block: block).apply(to: base, count: count, position: position)
            }
            return units
        }
    }

    @Test(arguments: [0.1, 0.25, 0.5, 0.95]) func aShareIsDroppedAndTheMeanStays(_ share: Double) {
        let units = mask(Dropout(share: share, seed: 1, step: 2))
        let kept = units.filter { $0 != 0 }
        let error = (share * (1 - share) / Double(units.count)).squareRoot()
        #expect(abs(1 - Double(kept.count) / Double(units.count) - share) < 5 * error)
        #expect(kept.allSatisfy { abs(Double($0) - 1 / (1 - share)) < 2e-3 })
        // Of every channel, and of every other position.
        for channel in 0..<13 {
            let own = stride(from: channel, to: units.count, by: 13).filter { units[$0] == 0 }.count
            #expect(abs(Double(own) / 4000 - share) < 5 * error * 13.0.squareRoot())
        }
    }

    @Test func everyPlaceDropsItsOwnUnits() {
        func dropout(seed: UInt64 = 1, step: Int = 2) -> Dropout { Dropout(share: 0.5, seed: seed, step: step) }
        let masks = [
            mask(dropout()), mask(dropout(seed: 2)), mask(dropout(step: 3)), mask(dropout(), image: 1),
            mask(dropout(), block: 1),
        ]
        #expect(mask(dropout()) == masks[0])
        for (i, one) in masks.enumerated() {
            for other in masks[..<i] {
                let same = Double(zip(one, other).filter { $0 == $1 }.count) / Double(one.count)
                #expect(abs(same - 0.5) < 0.02)
            }
        }
    }

    @Test func nothingIsDroppedInEvaluation() throws {
        let model = SmallModels.colour
        let images = (0..<3).flatMap { SmallModels.image(for: model, seed: $0) }
        let trainer = try Trainer(model: model, threads: 1)
        let before = trainer.losses(images, averaged: false)
        let dropped = trainer.gradientTensors(images, dropout: Dropout(share: 0.5, seed: 1, step: 0)).result.loss
        #expect(trainer.losses(images, averaged: false) == before)
        #expect(dropped != trainer.gradientTensors(images).result.loss)
    }

    /// What older checkpoints have, and nothing else: they go on.
    @Test func settingsThatAreOffAreNoConditions() {
        var settings = TrainingSettings()
        #expect(
            settings.described.map(\.name) == [
                "seed", "lr", "epochs", "batch-size", "clip-grad", "warmup", "schedule", "ema", "flip",
            ])
        (settings.dropout, settings.shift, settings.binarizes) = (0.3, 2, true)
        (settings.validation, settings.patience) = (0.1, 7)
        #expect(
            settings.described.dropFirst(9).map { "\($0.name) \($0.value)" } == [
                "dropout 0.3", "shift 2", "binarize true", "validation 0.1", "patience 7",
            ])
    }

    // MARK: - Images

    private func ramp(count: Int) -> ImageSet {
        ImageSet(channels: 1, height: 16, width: 16, levels: (0..<count * 256).map { UInt8($0 % 256) })
    }

    @Test func pixelsAreDrawnWithTheirLevelsProbability() throws {
        let set = try ramp(count: 1000).binarized(seed: 4, "ramp")
        var ones = [Int](repeating: 0, count: 256)
        for (place, pixel) in set.values[0..<256_000].enumerated() { ones[place % 256] += Int(pixel) }
        #expect(ones[0] == 0 && ones[255] == 1000)
        for (level, count) in ones.enumerated() {
            let p = Double(level) / 255
            #expect(abs(Double(count) / 1000 - p) <= 5.5 * (p * (1 - p) / 1000).squareRoot())
        }
        let same = try ramp(count: 1000).binarized(seed: 4, "ramp")
        #expect(same == set)
        #expect(try ramp(count: 1000).binarized(seed: 5, "ramp") != set)
        // An image's pixels do not depend on the others'.
        #expect(try ramp(count: 3).binarized(seed: 4, "ramp").values[0..<768] == set.values[0..<768])
        #expect(set.values[0..<256] != set.values[256..<512])
    }

    @Test func everyEpochDrawsAnew() throws {
        var settings = TrainingSettings()
        settings.binarizes = true
        let images = ramp(count: 2)
        func drawn(_ epoch: Int) -> [UInt16] {
            let augmentation = Augmentation(settings, epoch: epoch, images: images)
            return images.batch(0..<2) { augmentation($0, $1) }
        }
        #expect(drawn(0) == drawn(0) && drawn(0) != drawn(1))
        #expect(Set(drawn(0)) == [0, 1])
        let heldOut = try images.binarized(seed: settings.seed, "ramp")
        #expect(heldOut.values[0..<512] != drawn(0))
    }

    /// Each image is one that is moved as a plain definition says, and all movements occur.
    @Test func imagesAreMovedAndTheirEdgesRepeated() {
        var settings = TrainingSettings()
        settings.shift = 2
        let (height, width) = (5, 4)
        let image = (0..<2 * height * width).map { UInt16($0) }
        let images = ImageSet(channels: 2, height: height, width: width, values: .words(image))
        var offsets: [[Int]: Int] = [:]
        for epoch in 0..<1000 {
            let moved = Augmentation(settings, epoch: epoch, images: images)(image, 0)
            let found = (-2...2).flatMap { r in (-2...2).map { [r, $0] } }.filter { offset in
                (0..<2 * height * width).allSatisfy { place in
                    let (channel, row, column) = (place / (height * width), place / width % height, place % width)
                    let r = max(0, min(height - 1, row - offset[0]))
                    let c = max(0, min(width - 1, column - offset[1]))
                    return moved[place] == image[(channel * height + r) * width + c]
                }
            }
            #expect(found.count == 1)
            for offset in found { offsets[offset, default: 0] += 1 }
        }
        #expect(offsets.count == 25 && offsets.values.allSatisfy { (10...80).contains($0) })
    }

    @Test func aShareIsSetAsideWithItsClasses() throws {
        var images = ImageSet(channels: 1, height: 1, width: 1, levels: (0..<50).map { UInt8($0) })
        images.labels = try Labels((0..<50).map { $0 % 7 }, names: [], source: "test")
        let (train, validation) = try images.split(0.1, seed: 3, "test")
        #expect((train.count, validation.count) == (45, 5))
        let values = train.values[0..<45] + validation.values[0..<5]
        #expect(values.sorted() == (0..<50).map { UInt16($0) })
        for set in [train, validation] {
            #expect(set.labels?.values == set.values[0..<set.count].map { Int($0) % 7 })
            #expect(set.values[0..<set.count] == set.values[0..<set.count].sorted())
        }
        #expect(try images.split(0.1, seed: 3, "test").validation == validation)
        #expect(try images.split(0.1, seed: 4, "test").validation != validation)
        for share in [0.001, 0.999] {
            let error = #expect(throws: DataError.self) { try images.split(share, seed: 3, "test") }
            #expect("\(error.map { "\($0)" } ?? "")".contains("50 images, which a --validation of \(share)"))
        }
    }
}
