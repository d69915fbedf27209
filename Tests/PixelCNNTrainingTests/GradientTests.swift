// Gradients and Adam's steps against PyTorch, gradients against finite differences, and what may not change a bit.

import Foundation
import PixelCNNKernels
import PixelCNNModel
import TestSupport
import Testing

@testable import PixelCNNReference
@testable import PixelCNNTraining

@Suite struct GradientTests {
    /// Within 1e-3 relative or 1e-6 absolute, number by number.
    private func expectEqual(_ tensors: [Tensor], _ expected: Model, relative: Float, absolute: Float) {
        #expect(tensors.count == expected.hyperparameters.parameters.count)
        for tensor in tensors {
            let worst = zip(tensor.floats(), expected[tensor.name].floats()).map { found, expected in
                abs(found - expected) - max(absolute, relative * abs(expected))
            }.max()
            #expect(worst ?? 0 <= 0, "\(tensor.name)")
        }
    }

    /// Sizes that no kernel likes, with three classes.
    private func conditional() throws -> Model {
        let size = try Hyperparameters(
            channels: 3, height: 4, width: 5, colors: 11, blocks: 3, filters: 15, kernelSize: 3, hidden: 21, labels: 3)
        return .random(size, seed: 7, scale: 0.5)
    }

    /// A prior over codes, of three classes and sizes that no kernel likes: a table, kernels of two sizes, biases, a
    /// link that does not see the class.
    private func prior() throws -> Model {
        let size = try Hyperparameters(
            [
                .channels: 1, .height: 4, .width: 5, .colors: 11, .blocks: 3, .filters: 10, .kernelSize: 3, .hidden: 21,
                .labels: 3,
            ], network: .vqvaePrior)
        let description = NetworkDescription.vqvaePrior(
            colors: 11, filters: 10, kernels: [7, 3, 3], hidden: 21, labels: 3)
        return .random(size, description, seed: 7, scale: 0.5)
    }

    /// Classes for `count` images.
    private func labels(_ model: Model, _ count: Int) -> [Int] {
        model.hyperparameters.isConditional ? (0..<count).map { $0 * 2 % model.hyperparameters.labels } : []
    }

    private func expectPyTorchs(_ fixture: TrainingFixture) throws {
        let trainer = try Trainer(model: fixture.start, threads: 2)
        let (result, gradient) = trainer.gradientTensors(fixture.batches[0], labels: fixture.labels[0])
        expectEqual(gradient, fixture.gradient, relative: 1e-3, absolute: 1e-6)
        #expect(abs(result.gradientNorm - fixture.norms[0]) <= 1e-4 * fixture.norms[0])
        for (i, batch) in fixture.batches.enumerated() {
            let result = trainer.step(batch, labels: fixture.labels[i], OptimizerStep(rate: TrainingFixture.rate))
            #expect(abs(result.loss - fixture.losses[i]) <= 1e-4)
        }
        let learnt = try trainer.model(averaged: false)
        let tensors = learnt.hyperparameters.parameters.map { learnt[$0.name] }
        expectEqual(tensors, fixture.end, relative: 0, absolute: 1e-4)
        // Steps of 3e-4 could hide behind that bound.
        let moved = learnt["gated_layers.1.v_conv.weight"].floats()
        #expect(largestDifference(moved, fixture.start["gated_layers.1.v_conv.weight"].floats()) > 1e-3)
    }

    @Test(arguments: ["training", "training-conditional"])
    func gradientsLossesAndStepsArePyTorchs(_ name: String) throws {
        try expectPyTorchs(TrainingFixture(name))
    }

    @Test(.enabled(if: PyTorch.isAvailable, "\(PyTorch.absence)"))
    func gradientsLossesAndStepsArePyTorchsWith256Colours() throws {
        let folder = try TemporaryFolder()
        let run = try PyTorch.run(["../Fixtures/make_training.py", "training-tiny", folder.url.path])
        try #require(run.status == 0, "\(run.output)")
        try expectPyTorchs(TrainingFixture("training-tiny", in: folder.url))
    }

    @Test(.enabled(if: PyTorch.isAvailable, "\(PyTorch.absence)"))
    func gradientsOfAPriorArePyTorchs() throws {
        let folder = try TemporaryFolder()
        let model = try prior()
        let (images, labels) = ((0..<5).flatMap { SmallModels.image(for: model, seed: $0) }, [0, 2, 1, 1, 0])
        try model.writePyTorch(to: folder.path("prior.pt"))
        try Data(images.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }).write(to: folder.url.appending(path: "codes"))
        let run = try PyTorch.run(["prior_gradient.py", folder.url.path, "4", "5"] + labels.map(String.init))
        try #require(run.status == 0, "\(run.output)")
        let trainer = try Trainer(model: model, threads: 2)
        let (result, gradient) = trainer.gradientTensors(images, labels: labels)
        let expected = try ModelContents.read(path: folder.path("gradient.safetensors"))
        let loss = try #require(expected.metadata["loss"].flatMap(Double.init))
        #expect(abs(result.loss - loss) <= 1e-5)
        #expect(gradient.count == expected.tensors.count)
        for tensor in gradient {
            let other = try #require(expected.tensors.first { $0.name == tensor.name }).floats()
            let worst = zip(tensor.floats(), other).map { abs($0 - $1) - max(1e-6, 1e-3 * abs($1)) }.max()
            #expect(worst ?? 0 <= 0, "\(tensor.name)")
        }
    }

    /// With the units that a step drops given to PyTorch, which multiplies them before `htoh`.
    @Test(.enabled(if: PyTorch.isAvailable, "\(PyTorch.absence)"))
    func gradientsWithDropoutArePyTorchs() throws {
        let folder = try TemporaryFolder()
        let model = try conditional()
        let size = model.hyperparameters
        let (images, labels) = ((0..<5).flatMap { SmallModels.image(for: model, seed: $0) }, [0, 2, 1, 1, 0])
        let dropout = Dropout(share: 0.4, seed: 3, step: 17)
        let masks = (0..<5).flatMap { image in
            (0..<size.blocks).flatMap { block in
                // (H, W, F)
                (0..<size.height * size.width).flatMap { position in
                    var units = [Float](repeating: 1, count: size.filters)
                    units.withUnsafeMutableBufferPointer { units in
                        guard let base = units.baseAddress else { return }
                        dropout.mask(image: image, block: block).apply(
                            to: base, count: units.count, position: position)
                    }
                    return units
                }
            }
        }
        #expect(Set(masks) == [0, dropout.scale])
        try model.writeSafetensors(to: folder.path("model.safetensors"))
        try Data(images.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }).write(to: folder.url.appending(path: "images"))
        try masks.withUnsafeBytes { Data($0) }.write(to: folder.url.appending(path: "masks"))
        let run = try PyTorch.run(["dropout_gradient.py", folder.url.path] + labels.map(String.init))
        try #require(run.status == 0, "\(run.output)")
        let trainer = try Trainer(model: model, threads: 2)
        let (result, gradient) = trainer.gradientTensors(images, labels: labels, dropout: dropout)
        let expected = try ModelContents.read(path: folder.path("gradient.safetensors"))
        let loss = try #require(expected.metadata["loss"].flatMap(Double.init))
        #expect(abs(result.loss - loss) <= 1e-5)
        #expect(abs(trainer.gradientTensors(images, labels: labels).result.loss - loss) > 1e-4)
        #expect(gradient.count == expected.tensors.count)
        for tensor in gradient {
            let other = try #require(expected.tensors.first { $0.name == tensor.name }).floats()
            let worst = zip(tensor.floats(), other).map { abs($0 - $1) - max(1e-6, 1e-3 * abs($1)) }.max()
            #expect(worst ?? 0 <= 0, "\(tensor.name)")
        }
    }

    /// The loss as the reference network has it, which shares no code with the training pass.
    private func loss(_ tensors: [Tensor], _ model: Model, _ images: [[UInt16]]) throws -> Double {
        let size = model.hyperparameters
        let network = ReferenceNetwork(
            model: try Model(hyperparameters: size, description: model.description, tensors: tensors))
        let labels = labels(model, images.count)
        return images.enumerated().reduce(0) {
            let label = labels.isEmpty ? nil : labels[$1.offset]
            return $0
                + network.bitsPerDimension($1.element, height: size.height, width: size.width, label: label) * log(2)
        } / Double(images.count)
    }

    /// Along the gradient of one tensor the loss rises by step · |gradient|; steps are long enough to rise above
    /// Float's rounding, short enough that the fifth derivative, which the differences leave, stays below the
    /// tolerance. The rest of the tolerance is for ReLUs that turn within a step.
    @Test(arguments: SmallModels.all.map(\.name) + ["conditional", "prior"])
    func gradientsAreTheSlopesOfTheReferenceNetwork(_ name: String) throws {
        // A narrower spread than the other tests': the wide one bends within any step that Float can see.
        let origin = try SmallModels.all.first { $0.name == name }?.model ?? (name == "prior" ? prior() : conditional())
        let model = Model.random(origin.hyperparameters, origin.description, seed: 7, scale: 0.5)
        let images = (0..<3).map { SmallModels.image(for: model, seed: $0) }
        let trainer = try Trainer(model: model, threads: 2)
        let (_, gradient) = trainer.gradientTensors(images.flatMap { $0 }, labels: labels(model, images.count))
        try expectSlopes(gradient, model) { try loss($0, model, images) }
    }

    /// Of the training pass itself, which alone knows what a step drops.
    @Test(arguments: ["conditional", "prior"])
    func gradientsWithDropoutAreSlopes(_ name: String) throws {
        let model = try name == "prior" ? prior() : conditional()
        let images = (0..<3).flatMap { SmallModels.image(for: model, seed: $0) }
        let (labels, dropout) = (labels(model, 3), Dropout(share: 0.5, seed: 1, step: 0))
        let (_, gradient) = try Trainer(model: model, threads: 2).gradientTensors(
            images, labels: labels, dropout: dropout)
        try expectSlopes(gradient, model) { tensors in
            let moved = try Model(
                hyperparameters: model.hyperparameters, description: model.description, tensors: tensors)
            return try Trainer(model: moved, threads: 1).gradientTensors(images, labels: labels, dropout: dropout)
                .result.loss
        }
    }

    private func expectSlopes(_ gradient: [Tensor], _ model: Model, loss: ([Tensor]) throws -> Double) throws {
        let start = model.description.parameters.map { model[$0.name] }
        for (i, spec) in model.description.parameters.enumerated() {
            let slope = try #require(gradient.first { $0.name == spec.name }).floats()
            let norm = slope.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            guard norm > 0 else { continue }
            let step = 0.002
            func moved(_ sign: Double) throws -> Double {
                var tensors = start
                let floats = zip(start[i].floats(), slope).map { Float(Double($0) + sign * step * Double($1) / norm) }
                tensors[i] = Tensor(name: spec.name, shape: spec.shape, floats: floats)
                return try loss(tensors)
            }
            let difference = try (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * step)
            #expect(abs(difference - norm) <= 0.02 * norm + 1e-3, "\(spec.name): \(difference), \(norm)")
        }
    }

    @Test func maskedWeightsStayAsTheyCame() throws {
        let model = SmallModels.colour
        let trainer = try Trainer(model: model, threads: 1)
        for seed in UInt64(0)..<3 {
            _ = trainer.step(SmallModels.image(for: model, seed: seed), OptimizerStep(rate: 0.1))
        }
        let learnt = try trainer.model(averaged: false)
        for spec in model.hyperparameters.parameters {
            guard case .weight(let mask?) = spec.role else { continue }
            let (before, after) = (model[spec.name].floats(), learnt[spec.name].floats())
            for (i, isVisible) in mask.values().enumerated() where !isVisible { #expect(before[i] == after[i]) }
            #expect(before != after)
        }
    }

    @Test func onlyTheColumnsOfABatchsClassesLearn() throws {
        let model = try conditional()
        let trainer = try Trainer(model: model, threads: 1)
        _ = trainer.step(SmallModels.image(for: model, seed: 0), labels: [1], OptimizerStep(rate: 0.1))
        let learnt = try trainer.model(averaged: false)
        for name in ["gated_layers.0.v_label.weight", "gated_layers.2.h_label.weight"] {
            let (before, after) = (model[name].floats(), learnt[name].floats())
            for i in before.indices { #expect((before[i] != after[i]) == (i % 3 == 1)) }
        }
    }

    /// Eleven images, so that the parts are unequal; two threads and one; all activations kept or computed again.
    @Test(arguments: ["colour", "conditional", "prior"], [0, 0.3])
    func threadsAndMemoryChangeNoBit(_ name: String, share: Double) throws {
        let model = try name == "colour" ? SmallModels.colour : name == "prior" ? prior() : conditional()
        let labels = labels(model, 11)
        let batch = (0..<11).flatMap { SmallModels.image(for: model, seed: $0) }
        func learn(threads: Int, memory: Int = .max) throws -> (Trainer, [Float]) {
            let trainer = try Trainer(model: model, threads: threads, memory: memory)
            for step in 0..<3 {
                let dropout = share > 0 ? Dropout(share: share, seed: 5, step: step) : nil
                _ = trainer.step(
                    batch, labels: labels, OptimizerStep(rate: 0.01, averageDecay: 0.9), dropout: dropout)
            }
            let models = [try trainer.model(averaged: false), try trainer.model(averaged: true)]
            return (
                trainer,
                models.flatMap { model in model.description.parameters.flatMap { model[$0.name].floats() } }
            )
        }
        let (one, expected) = try learn(threads: 1)
        #expect(!one.recomputes)
        for threads in [2, 3, 8] { #expect(try learn(threads: threads).1 == expected) }
        let (short, weights) = try learn(threads: 2, memory: one.byteCount - 1)
        #expect(short.recomputes && short.byteCount < one.byteCount)
        #expect(weights == expected)
        #expect(throws: TrainingError.self) { try learn(threads: 2, memory: 1000) }
    }

    @Test(arguments: SmallModels.all.map(\.name))
    func instructionSetsChangeNoBit(_ name: String) throws {
        let model = try #require(SmallModels.all.first { $0.name == name }).model
        let batch = (0..<2).flatMap { SmallModels.image(for: model, seed: $0) }
        let learnt = try Kernels.available.map { kernels in
            let trainer = try Trainer(model: model, threads: 1, memory: .max, kernels: kernels)
            for step in 0..<2 {
                let dropout = Dropout(share: 0.3, seed: 5, step: step)
                _ = trainer.step(batch, OptimizerStep(rate: 0.01), dropout: step == 0 ? nil : dropout)
            }
            let learnt = try trainer.model(averaged: false)
            return model.hyperparameters.parameters.flatMap { learnt[$0.name].floats() }
        }
        for other in learnt.dropFirst() { #expect(other == learnt[0]) }
    }

    @Test func lossesAreTheReferenceNetworks() throws {
        let model = SmallModels.colour
        let size = model.hyperparameters
        let images = (0..<5).map { SmallModels.image(for: model, seed: $0) }
        let trainer = try Trainer(model: model, threads: 2)
        let reference = ReferenceNetwork(model: model)
        for (image, losses) in zip(images, trainer.losses(images.flatMap { $0 }, averaged: true)) {
            let expected = reference.logProbabilities(image, height: size.height, width: size.width)
            for c in 0..<size.channels {
                let positions = size.height * size.width
                let sum = expected[c * positions..<(c + 1) * positions].reduce(0.0) { $0 - Double($1) }
                #expect(abs(losses[c] - sum) <= 1e-4 * Double(positions))
            }
        }
    }
}
