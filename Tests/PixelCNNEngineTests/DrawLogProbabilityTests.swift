// What is said of drawn values: under the model what scoring says, bit for bit; under another distribution what its
// definition says, computed here in Double from the logits.

import Foundation
import PixelCNNModel
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite struct DrawLogProbabilityTests {
    private static let parameters = [
        SamplingParameters(), SamplingParameters(temperature: 0.8), SamplingParameters(temperature: 2, topK: 5),
        SamplingParameters(topP: 0.7), SamplingParameters(temperature: 1.5, topK: 6, topP: 0.9),
        SamplingParameters(temperature: 0), SamplingParameters(topK: 1),
    ]

    /// A task of each kind of parameters, size and given pixels, with its label.
    private func tasks(_ model: Model, measuresDraws: Bool) -> [ImageTask] {
        let h = model.hyperparameters
        let foreign = SmallModels.image(for: model, seed: 5)
        let mask = (0..<h.height * h.width).map { $0 % 3 == 1 || $0 >= (h.height - 1) * h.width }
        let given: [GivenPixels?] = [
            nil, GivenPixels(height: h.height, width: h.width, values: foreign, kept: .rows(2)),
            GivenPixels(height: h.height, width: h.width, values: foreign, kept: .mask(mask)),
        ]
        return Self.parameters.flatMap { parameters in
            var parameters = parameters
            parameters.topK = parameters.topK.map { min($0, h.colors) }
            return given.map { given in
                ImageTask(
                    height: h.height, width: h.width, label: h.isConditional ? 1 : nil,
                    source: .sample(seed: 9, index: 2, parameters: parameters, given: given),
                    measuresDraws: measuresDraws)
            }
        }
    }

    @Test(arguments: SmallModels.all.indices)
    func underTheModelTheyAreTheScoresAndNothingElseChanges(_ index: Int) {
        let model = SmallModels.all[index].model
        let engine = Engine(model: model)
        let pixels = engine.hyperparameters.height * engine.hyperparameters.width
        let tasks = self.tasks(model, measuresDraws: true)
        let measured = engine.run(tasks)
        let plain = engine.run(self.tasks(model, measuresDraws: false))
        for (i, task) in tasks.enumerated() {
            guard case .measuredValues(let values, let logProbabilities) = measured[i] else {
                Issue.record("nothing is measured")
                return
            }
            #expect(plain[i] == .values(values), "task \(i)")
            let scoring = ImageTask(
                height: task.height, width: task.width, label: task.label, source: .score(values: values))
            guard case .logProbabilities(let scores) = engine.run([scoring])[0] else {
                Issue.record("no scores")
                return
            }
            let isGiven = values.indices.map { place in
                switch task.given?.kept {
                case .rows(let rows): place % pixels < rows * task.width
                case .mask(let mask): mask[place % pixels]
                case nil: false
                }
            }
            let expected = scores.indices.map { isGiven[$0] ? 0 : scores[$0] }
            #expect(logProbabilities.model.map(\.bitPattern) == expected.map(\.bitPattern), "task \(i)")
            #expect(engine.runWithHelp(task) == measured[i], "task \(i), two threads")
            guard case .sample(_, _, let parameters, _) = task.source else { return }
            let isChanged = parameters.changeDistribution(of: engine.hyperparameters.colors)
            #expect(logProbabilities.proposal.isEmpty == !isChanged, "task \(i)")
            for place in logProbabilities.proposal.indices where isGiven[place] {
                #expect(logProbabilities.proposal[place] == 0, "task \(i), value \(place)")
            }
        }
    }

    /// log q of each value at a place, in Double; nil for those that cannot be drawn.
    private func proposal(_ logits: [Float], _ parameters: SamplingParameters) -> [Double?] {
        let ranked = logits.indices.sorted { (-logits[$0], $0) < (-logits[$1], $1) }
        if parameters.temperature == 0 { return logits.indices.map { $0 == ranked[0] ? 0 : nil } }
        let weights = logits.map { exp((Double($0) - Double(logits[ranked[0]])) / Double(parameters.temperature)) }
        var kept = Array(ranked.prefix(parameters.topK ?? logits.count))
        if let topP = parameters.topP {
            let enough = Double(topP) * kept.reduce(0) { $0 + weights[$1] }
            var sum = 0.0
            kept = Array(
                kept.prefix { value in
                    defer { sum += weights[value] }
                    return sum < enough
                })
        }
        let total = kept.reduce(0) { $0 + weights[$1] }
        return logits.indices.map { kept.contains($0) ? log(weights[$0] / total) : nil }
    }

    @Test(arguments: SmallModels.all.indices)
    func underAnotherDistributionTheyAreItsLogarithms(_ index: Int) {
        let model = SmallModels.all[index].model
        let (engine, h) = (Engine(model: model), model.hyperparameters)
        for task in tasks(model, measuresDraws: true) where task.given == nil {
            guard case .sample(_, _, let parameters, _) = task.source else { return }
            let session = SamplingSession(engine: engine, capacity: 1)
            var logits: [Int: [Float]] = [:]  // by place
            session.inspectLogits = { _, row, column, c, values in
                logits[(c * h.height + row) * h.width + column] = (0..<h.colors).map { values[$0] }
            }
            var result: ImageResult?
            session.add(task, tag: 0)
            while session.count > 0 { session.step { result = $1 } }
            guard case .measuredValues(let values, let measured) = result else { Issue.record("no result"); return }
            for place in measured.proposal.indices {
                let expected = proposal(logits[place] ?? [], parameters)[Int(values[place])]
                // A value at the edge of top-p may be in by the last bit.
                guard let expected else { #expect(parameters.topP != nil); continue }
                let slack = parameters.topP == nil ? 1e-5 : 0.05
                #expect(abs(Double(measured.proposal[place]) - expected) < slack, "value \(place), \(parameters)")
            }
        }
    }
}
