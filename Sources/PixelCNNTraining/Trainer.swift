// A network that learns: parameters, their gradients, Adam's moments and the average of the weights, and the threads
// that work on them.
//
// The same images in the same order give the same bits for every number of threads: image i of a batch goes to part i
// mod 8, a part takes its images in order, and the parts are added up in order. Threads only choose which of them works
// on which part. Memory: one set of activations per thread, and 8 gradients.

import PixelCNNKernels
import PixelCNNModel

/// Trains one model.
package final class Trainer {
    /// Size of the images and of the network.
    package let hyperparameters: Hyperparameters
    /// Threads that compute.
    package let threads: Int
    /// Bytes that training takes: what the arenas hold, the model as it came, and for a moment a checkpoint's.
    package let byteCount: Int
    /// Whether activations are computed a second time rather than kept, since memory is short.
    package let recomputes: Bool
    /// Steps taken.
    package private(set) var steps = 0

    private let sizes: NetworkSizes
    private let layout: ParameterLayout
    private let origin: Model  // what is under the masks
    private let training: TrainingKernels
    private let arena: Arena  // owns what `state` and `network` point to
    private let state: State
    private let network: PackedNetwork
    private let passes: [ImagePass]
    private let team: Team
    private var isAveragePacked = false

    /// Gradients are summed in this many parts, whatever the number of threads.
    static let parts = 8
    /// Floats that one thread updates at a time.
    private static let chunk = 1 << 15

    /// Flat arrays of layout.count floats.
    struct State {
        let weights, means, squares, averages: UnsafeMutablePointer<Float>
        let gradients: [UnsafeMutablePointer<Float>]  // [parts]

        init(_ arena: Arena, _ layout: ParameterLayout) {
            func flat() -> UnsafeMutablePointer<Float> { arena.floats(layout.count) }
            (weights, means, squares, averages) = (flat(), flat(), flat(), flat())
            gradients = (0..<Trainer.parts).map { _ in flat() }
        }
    }

    /// - Parameters:
    ///   - model: where training starts; the average of the weights starts there, too.
    ///   - threads: how many compute; fewer where memory is short.
    ///   - memory: bytes that training may take.
    ///   - keepsBest: whether a run keeps a model of the best epoch besides.
    /// - Throws: ``TrainingError/notEnoughMemory(needed:allowed:)`` where one thread that keeps little needs more.
    package convenience init(
        model: Model, threads: Int, memory: Int = .max, keepsBest: Bool = false
    ) throws(TrainingError) {
        try self.init(model: model, threads: threads, memory: memory, keepsBest: keepsBest, kernels: .fastest)
    }

    init(
        model: Model, threads: Int, memory: Int, keepsBest: Bool = false, kernels: Kernels
    ) throws(TrainingError) {
        precondition(threads > 0)
        hyperparameters = model.hyperparameters
        let sizes = NetworkSizes(model)
        let layout = ParameterLayout(model.description)
        (self.sizes, self.layout, origin) = (sizes, layout, model)
        training = TrainingKernels(kernels)

        let carve = { (arena: Arena) in
            (
                State(arena, layout),
                PackedNetwork(arena, kernels: kernels, sizes: sizes, layout: layout)
            )
        }
        // The model as it came, and, while a checkpoint is written, its four and one of zeros.
        let models = (keepsBest ? 7 : 6) * model.description.parameterCount * MemoryLayout<Float>.size
        let shared = Arena.measure { _ = carve($0) } + models
        (self.threads, recomputes, byteCount) = try Self.plan(sizes, threads: threads, shared: shared, memory: memory)
        (arena, (state, network)) = Arena.fitting(carve)

        team = Team(threads: self.threads)
        passes = (0..<self.threads).map { [state, network, recomputes] _ in
            ImagePass(
                sizes: sizes, kernels: kernels, layout: layout, network: network, flat: state.weights,
                recomputes: recomputes)
        }
        layout.read(model, into: state.weights)
        layout.read(model, into: state.averages)
        pack(state.weights)
    }

    /// As many threads as memory allows that keep their activations; else as many as it allows that do not.
    private static func plan(
        _ sizes: NetworkSizes, threads: Int, shared: Int, memory: Int
    ) throws(TrainingError) -> (threads: Int, recomputes: Bool, byteCount: Int) {
        let (kept, recomputed) = (
            ImagePass.byteCount(sizes, recomputes: false), ImagePass.byteCount(sizes, recomputes: true)
        )
        for (bytes, recomputes) in [(kept, false), (recomputed, true)] where shared + threads * bytes <= memory {
            return (threads, recomputes, shared + threads * bytes)
        }
        let fitting = (memory - shared) / recomputed
        guard fitting > 0 else { throw .notEnoughMemory(needed: shared + recomputed, allowed: memory) }
        return (fitting, true, shared + fitting * recomputed)
    }

    // MARK: - A step

    /// Takes one step of Adam on the mean loss of a batch.
    ///
    /// - Parameters:
    ///   - images: values (N, C, H, W), 0 … d − 1.
    ///   - labels: their classes, (N), where the network is conditional.
    ///   - optimizer: what kind of step.
    ///   - dropout: what is dropped; nil for nothing.
    /// - Returns: the loss before the step, and the gradient's norm before it is clipped. Where either is not finite,
    ///   nothing has changed.
    package func step(
        _ images: [UInt16], labels: [Int] = [], _ optimizer: OptimizerStep, dropout: Dropout? = nil
    ) -> StepResult {
        let result = gradient(images, labels, dropout)
        guard result.loss.isFinite, result.gradientNorm.isFinite else { return result }
        steps += 1
        let chunk = Self.chunk
        withUnsafePointer(to: optimizer.adam(step: steps, gradientNorm: result.gradientNorm)) { adam in
            team.run(chunks) { _, item in
                let start = item * chunk
                training.adam(
                    adam, gradient: state.gradients[0] + start, weights: state.weights + start,
                    means: state.means + start, squares: state.squares + start, averages: state.averages + start,
                    count: min(chunk, layout.count - start))
            }
        }
        pack(state.weights)
        return result
    }

    /// The mean loss of a batch; its gradient is then in `state.gradients[0]`.
    private func gradient(_ images: [UInt16], _ labels: [Int], _ dropout: Dropout?) -> StepResult {
        if isAveragePacked { pack(state.weights) }
        let size = sizes.channels * sizes.positions
        let count = images.count / size
        precondition(count > 0 && count * size == images.count, "whole images")
        sizes.check(labels, images: count)
        let (used, scale) = (min(Self.parts, count), 1 / Float(images.count))
        var losses = [Double](repeating: 0, count: count)
        images.withUnsafeBufferPointer { images in
            losses.withUnsafeMutableBufferPointer { losses in
                guard let images = images.baseAddress, let losses = losses.baseAddress else { return }
                team.run(used) { worker, part in
                    let gradient = state.gradients[part]
                    gradient.update(repeating: 0, count: layout.count)
                    for image in stride(from: part, to: count, by: Self.parts) {
                        losses[image] = passes[worker].forward(
                            images + image * size, label: labels.isEmpty ? 0 : labels[image], scale: scale,
                            dropout: dropout.map { ($0, image) })
                        passes[worker].backward(images + image * size, into: gradient)
                    }
                }
            }
        }
        return StepResult(loss: losses.reduce(0, +) / Double(count), gradientNorm: addParts(used).squareRoot())
    }

    /// Adds the parts up in `state.gradients[0]`; the sum of the squares.
    private func addParts(_ used: Int) -> Double {
        var squares = [Double](repeating: 0, count: chunks)
        let chunk = Self.chunk
        squares.withUnsafeMutableBufferPointer { squares in
            guard let squares = squares.baseAddress else { return }
            team.run(chunks) { _, item in
                let start = item * chunk
                let parts: [UnsafePointer<Float>] = state.gradients[..<used].map { UnsafePointer($0 + start) }
                squares[item] = training.sumParts(
                    parts, into: state.gradients[0] + start, count: min(chunk, layout.count - start))
            }
        }
        return squares.reduce(0, +)
    }

    private var chunks: Int { (layout.count + Self.chunk - 1) / Self.chunk }

    private func pack(_ flat: UnsafePointer<Float>) {
        let matrices = network.matrices
        team.run(matrices.count) { matrices[$1].pack(flat) }
        for pass in passes { pass.flat = flat }
        isAveragePacked = flat == UnsafePointer(state.averages)
    }

    // MARK: - What has been learnt

    /// The model as it stands: the weights, or their running average.
    /// - Throws: `ModelFileError` where a weight is no longer finite.
    package func model(averaged: Bool) throws(ModelFileError) -> Model {
        try model(of: averaged ? state.averages : state.weights, over: origin)
    }

    private func model(of flat: UnsafePointer<Float>, over other: Model) throws(ModelFileError) -> Model {
        try Model(
            hyperparameters: hyperparameters, description: origin.description,
            tensors: layout.tensors(flat, over: other), labelNames: origin.labelNames)
    }

    /// All that further steps depend on.
    func snapshot() throws(ModelFileError) -> TrainerSnapshot {
        let zero = Model.zero(like: origin)
        return TrainerSnapshot(
            steps: steps, weights: try model(averaged: false), averages: try model(averaged: true),
            means: try model(of: state.means, over: zero), squares: try model(of: state.squares, over: zero))
    }

    /// Goes on from a snapshot of a trainer of the same network.
    func restore(_ snapshot: TrainerSnapshot) {
        steps = snapshot.steps
        layout.read(snapshot.weights, into: state.weights)
        layout.read(snapshot.averages, into: state.averages)
        layout.read(snapshot.means, into: state.means)
        layout.read(snapshot.squares, into: state.squares)
        pack(state.weights)
    }

    /// Sums of −ln p of each image, one per colour channel, in nats: (N, C).
    ///
    /// - Parameters:
    ///   - images: values (N, C, H, W), 0 … d − 1.
    ///   - labels: their classes, (N), where the network is conditional.
    ///   - averaged: whether the average of the weights is used, rather than the weights.
    package func losses(_ images: [UInt16], labels: [Int] = [], averaged: Bool) -> [[Double]] {
        if averaged != isAveragePacked { pack(averaged ? state.averages : state.weights) }
        return passes.losses(images, labels, team)
    }

    /// The gradient of the mean loss of a batch, tensor by tensor; zero under masks. The weights stay as they are.
    func gradientTensors(
        _ images: [UInt16], labels: [Int] = [], dropout: Dropout? = nil
    ) -> (result: StepResult, tensors: [Tensor]) {
        (gradient(images, labels, dropout), layout.tensors(state.gradients[0], over: .zero(like: origin)))
    }
}

extension Model {
    /// The same network of zeros.
    static func zero(like other: Model) -> Model {
        let zeros = other.description.parameters.map {
            Tensor(name: $0.name, shape: $0.shape, floats: Array(repeating: 0, count: $0.count))
        }
        do {
            return try Model(
                hyperparameters: other.hyperparameters, description: other.description, tensors: zeros)
        } catch {
            preconditionFailure("zeros are a model: \(error)")
        }
    }
}
