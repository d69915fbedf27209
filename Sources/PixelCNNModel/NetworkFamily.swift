// Networks of other kinds than those served, by the names of a few of their tensors: published code names its layers in
// its own way, so two names tell whose a state_dict is. One line per family; the class of a whole module tells nothing,
// since several have the same. What is neither in this table nor in PublishedNetworks.swift is "another network".

import Support

/// A published network that is not served.
package struct NetworkFamily: Sendable, Equatable {
    /// Whose network it is, for people.
    package let name: String
    /// Beginnings of names; a file has a tensor for each of them, and no other family has all.
    let evidence: [String]

    private init(_ name: String, _ evidence: String...) {
        self.name = name
        self.evidence = evidence
    }

    /// What to do with a file of this family.
    package var next: String { "draw from it with the code that trained it" }

    /// The families that are known.
    static let known: [NetworkFamily] = [
        NetworkFamily("the PixelCNN++ of pclucas14/pixel-cnn-pp", "ul_init.0.conv.", "nin_out.lin_a."),
        NetworkFamily("the PixelCNN++ of kamenbliznashki/pixel_models", "ul_input_dr.", "up_ul_modules.0."),
        NetworkFamily("the PixelSNAIL of kamenbliznashki/pixel_models", "ul_input_dr.", "ul_modules.0.in_proj_kv."),
        NetworkFamily(
            "the PixelSNAIL of rosinality/vq-vae-2-pytorch", "horizontal.conv.conv.", "blocks.0.resblocks.0."),
        NetworkFamily("the PixelSNAIL of EugenHotaj/pytorch-generative", "_input.", "_pixel_snail_blocks.0."),
        NetworkFamily("the PixelCNN of EugenHotaj/pytorch-generative", "_input.", "_causal_layers.0._net."),
    ]

    /// A stack of masked convolutions, of which there are too many to name: their order is in nobody's file.
    private static let singleStack = NetworkFamily("a PixelCNN of masked convolutions in a single stack", ".mask")

    /// Beginnings of names that only the original's network has.
    private static let own = ["in_conv.0.", "gated_layers.0.", "out_conv.2."]

    /// Refuses tensors that are not those of the original's network, before a shape that does not fit would speak in
    /// riddles: by their family, where it is known, and by two or three of them.
    static func check(_ tensors: [Tensor]) throws(ModelDataError) {
        guard !tensors.contains(where: { tensor in own.contains(where: tensor.name.hasPrefix) }) else { return }
        for family in known {
            if let found = family.tensors(among: tensors) {
                throw .otherNetwork(family, evidence: described(found, of: found.count))
            }
        }
        let masked = maskedConvolutions(tensors)
        guard masked.isEmpty else {
            throw .otherNetwork(singleStack, evidence: described(masked, of: masked.count))
        }
        throw .otherNetwork(nil, evidence: described(tensors.filter { $0.shape.count > 1 }, of: tensors.count))
    }

    /// The tensors that show this family, one for each name; nil where one is missing. All have the same prefix, such
    /// as `module.`.
    private func tensors(among tensors: [Tensor]) -> [Tensor]? {
        guard let first = evidence.first else { return nil }
        let prefixes = Set(
            tensors.compactMap { tensor -> String? in
                if tensor.name.hasPrefix(first) { return "" }
                return tensor.name.ranges(of: "." + first).first.map { tensor.name[..<$0.lowerBound] + "." }
            })
        for prefix in prefixes.sorted() {
            let found = evidence.compactMap { name in tensors.first { $0.name.hasPrefix(prefix + name) } }
            if found.count == evidence.count { return found }
        }
        return nil
    }

    /// Weights of convolutions beside masks of the same shape.
    private static func maskedConvolutions(_ tensors: [Tensor]) -> [Tensor] {
        let shapes = Dictionary(tensors.map { ($0.name, $0.shape) }) { first, _ in first }
        return tensors.filter { tensor in
            guard tensor.shape.count == 4, tensor.name.hasSuffix("mask") else { return false }
            return shapes[tensor.name.dropLast(4) + "weight"] == tensor.shape
        }
    }

    /// The first three of `tensors` with their shapes, and how many more of `count` there are.
    private static func described(_ tensors: [Tensor], of count: Int) -> String {
        let shown = tensors.prefix(3)
        guard !shown.isEmpty else { return "\(count) tensors" }
        return shown.map { "\(quoted($0.name)) \(Shape.text($0.shape))" }.joined(separator: ", ")
            + (count > shown.count ? " and \(count - shown.count) more" : "")
    }
}
