// Weights that a file holds as what PyTorch computes them from: weight normalisation, spectral normalisation and
// pruning, as torch.nn.utils saves them, in the old form (`weight_g`) and in that of torch.nn.utils.parametrize
// (`parametrizations.weight.original0`). They are computed as PyTorch's own removal computes them, once, when a file is
// loaded.
//
// Pruning is a product and exact. The two norms are sums, which PyTorch takes in float32 and in an order of its own,
// and which are taken in float64 here: a weight may differ from PyTorch's by the rounding of its sum, by 2^-19 of
// itself in ReparametrizationTests. Costs one float32 copy of each such weight.

import Support

/// How PyTorch computes a weight from other tensors.
package enum Reparametrization: String, Sendable, CaseIterable {
    case pruning
    case weightNorm = "weight_norm"
    case spectralNorm = "spectral_norm"

    /// The endings of the tensors that stand for a weight, in each form.
    fileprivate var forms: [[String]] {
        switch self {
        case .pruning: [["_orig", "_mask"]]
        case .weightNorm: [["_g", "_v"], [".original0", ".original1"]]
        case .spectralNorm: [["_orig", "_u", "_v"], [".original", ".0._u", ".0._v"]]
        }
    }

    /// The weight; nil where the tensors' shapes are not those that PyTorch saves.
    fileprivate func weight(_ name: String, of parts: [Tensor]) -> Tensor? {
        let floats: [Float]?
        switch self {
        case .pruning: floats = Self.pruned(parts[0], mask: parts[1])
        case .weightNorm: floats = Self.normalised(parts[1], length: parts[0])
        case .spectralNorm: floats = Self.divided(parts[0], left: parts[1], right: parts[2])
        }
        guard let floats else { return nil }
        return Tensor(name: name, shape: self == .weightNorm ? parts[1].shape : parts[0].shape, floats: floats)
    }

    private static func pruned(_ weight: Tensor, mask: Tensor) -> [Float]? {
        guard weight.shape == mask.shape else { return nil }
        return zip(weight.floats(), mask.floats()).map { $0 * $1 }
    }

    /// v · (g / ‖v‖), with a norm for each index along the one axis that g has, or one for all.
    private static func normalised(_ v: Tensor, length g: Tensor) -> [Float]? {
        let axes = g.shape.indices.filter { g.shape[$0] > 1 }
        guard g.shape.isEmpty || g.shape.count == v.shape.count, axes.count <= 1 else { return nil }
        let axis = axes.first
        // PyTorch's one norm for all has no axes; with axes of one element, one of v's has one, too.
        guard axis != nil || g.shape.isEmpty || v.shape.contains(1), v.count > 0 else { return nil }
        if let axis, g.shape[axis] != v.shape[axis] { return nil }
        // The norm of element i is that of (i / inner) % count.
        let count = axis.map { v.shape[$0] } ?? 1
        let inner = axis.map { v.shape[($0 + 1)...].reduce(1, *) } ?? v.count
        let (values, lengths) = (v.floats(), g.floats())
        var squares = [Double](repeating: 0, count: count)
        for (i, value) in values.enumerated() { squares[i / inner % count] += Double(value) * Double(value) }
        let factors = zip(lengths, squares).map { $0 / Float($1.squareRoot()) }
        return values.enumerated().map { $1 * factors[$0 / inner % count] }
    }

    /// W / (u · W v), W as a matrix of its outputs.
    private static func divided(_ weight: Tensor, left: Tensor, right: Tensor) -> [Float]? {
        guard let rows = weight.shape.first, weight.shape.count > 1, left.shape == [rows], rows > 0,
            right.shape == [weight.count / rows]
        else { return nil }
        let (values, u, v) = (weight.floats(), left.floats(), right.floats())
        var sigma = 0.0
        for row in 0..<rows {
            var sum = 0.0
            for column in v.indices { sum += Double(values[row * v.count + column]) * Double(v[column]) }
            sigma += Double(u[row]) * sum
        }
        return values.map { $0 / Float(sigma) }
    }
}

extension Reparametrization {
    /// What stands between a module's name and its parametrised tensors' in the new form.
    private static let section = "parametrizations."

    /// The tensors with each reparametrised weight in place of what it is computed from, and how many there are of each
    /// kind. What is none, or has another step that the file does not say, stays as it is.
    static func folded(_ tensors: [Tensor]) -> (tensors: [Tensor], counts: [Reparametrization: Int]) {
        var found = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
        var names = tensors.map(\.name)
        guard found.count == tensors.count else { return (tensors, [:]) }  // refused for it later
        var counts: [Reparametrization: Int] = [:]
        for kind in allCases {
            for form in kind.forms {
                for (i, first) in names.enumerated() where first.hasSuffix(form[0]) {
                    let stem = String(first.dropLast(form[0].count))
                    let parts = form.compactMap { found[stem + $0] }
                    guard parts.count == form.count, parts.allSatisfy(\.holdsNumbers),
                        let name = weightName(stem, among: found, parts: form.count), found[name] == nil,
                        let weight = kind.weight(name, of: parts)
                    else { continue }
                    for ending in form { found[stem + ending] = nil }
                    found[name] = weight
                    names[i] = name
                    counts[kind, default: 0] += 1
                }
            }
        }
        return counts.isEmpty ? (tensors, [:]) : (names.compactMap { found[$0] }, counts)
    }

    /// The name of the weight that the tensors named `stem` with an ending stand for; nil where there are further such
    /// tensors, which belong to another step of the computation.
    private static func weightName(_ stem: String, among tensors: [String: Tensor], parts: Int) -> String? {
        guard let range = stem.ranges(of: section).first else {
            let all = Set(allCases.flatMap(\.forms).flatMap(\.self).filter { $0.hasPrefix("_") })
            return all.count(where: { tensors[stem + $0] != nil }) == parts ? stem : nil
        }
        guard tensors.keys.count(where: { $0.hasPrefix(stem + ".") }) == parts else { return nil }
        return String(stem[..<range.lowerBound] + stem[range.upperBound...])
    }

    /// A tensor that a weight which is not in the file is computed from.
    static func source(of name: String, among tensors: [Tensor]) -> String? {
        let dot = name.lastIndex(of: ".").map { name.index(after: $0) } ?? name.startIndex
        let stems = [name[..<dot] + section + name[dot...] + ".", name + "_"]
        return tensors.first { tensor in stems.contains(where: tensor.name.hasPrefix) }?.name
    }
}

extension Tensor {
    /// Whether a weight can be computed from it.
    fileprivate var holdsNumbers: Bool {
        elementType.isFloatingPoint || [.bool, .u8, .i8, .i16, .i32, .i64].contains(elementType)
    }
}
