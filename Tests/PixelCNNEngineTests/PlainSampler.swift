// The sampling contract once more, from its text alone and in double precision: what a draw must be, and whether it
// lies so near a boundary that rounding may decide. Shares no code with the engine.

import Foundation

@testable import PixelCNNEngine

enum PlainSampler {
    /// The value that `u` picks; `isNearBoundary` where logits off by `tolerance` could pick another.
    /// They move a boundary F by at most half as much: dF = 2 ε F (1 − F) where the two sides move by ε each.
    static func draw(
        _ logits: [Float], u: Float, parameters: SamplingParameters, tolerance: Double
    ) -> (value: Int, isNearBoundary: Bool) {
        let t = Double(parameters.temperature)
        let largest = Double(logits.max() ?? 0)
        var weights = logits.map { exp((Double($0) - largest) / t) }
        let slack = tolerance / t / 2
        var isNear = false
        var order = Array(logits.indices)
        order.sort { (logits[$0], $1) > (logits[$1], $0) }
        if let k = parameters.topK, k < order.count {
            isNear = isNear || Double(logits[order[k - 1]] - logits[order[k]]) < tolerance
            order = Array(order[..<k])
        }
        if let p = parameters.topP.map(Double.init) {
            let total = order.reduce(0) { $0 + weights[$1] }
            var (sum, count) = (0.0, 0)
            while count < order.count && sum < p * total {
                sum += weights[order[count]]
                count += 1
                isNear = isNear || abs(sum / total - p) < slack
            }
            order = Array(order[..<max(count, 1)])
        }
        let kept = Set(order)
        for v in weights.indices where !kept.contains(v) { weights[v] = 0 }
        let total = weights.reduce(0, +)
        var sum = 0.0
        for v in weights.indices where kept.contains(v) {
            let before = sum / total
            sum += weights[v]
            let after = sum / total
            if after > Double(u) {
                isNear = isNear || after - Double(u) < slack || Double(u) - before < slack && before > 0
                return (v, isNear)
            }
        }
        return (kept.max() ?? 0, true)
    }
}
