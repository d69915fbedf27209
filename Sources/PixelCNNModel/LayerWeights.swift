// A layer's numbers, out of the tensors that its description names: masks applied, channels in the order in which they
// are computed. The engine and the full forward pass read them so; training reads and writes them by their places.

extension Model {
    /// The effective weights of a convolution: masks applied, channels as they are computed.
    package func weights(of convolution: Convolution) -> ConvolutionWeights {
        ConvolutionWeights(convolution, self[convolution.weightName].floats())
    }

    /// The bias of a convolution, by output; zero where it has none.
    package func bias(of convolution: Convolution) -> [Float] {
        guard convolution.hasBias else { return Array(repeating: 0, count: convolution.outputs.count) }
        let bias = self[convolution.biasName].floats()
        return convolution.outputs.places.map { $0.map { bias[$0] } ?? 0 }
    }

    /// What each class adds, bias included: (classes, outputs).
    package func rows(of table: ClassTable) -> [[Float]] {
        let weights = self["\(table.name).weight"].floats()
        let bias = table.hasBias ? self["\(table.name).bias"].floats() : []
        let (labels, places) = (description.labels, table.outputs.places)
        return (0..<labels).map { label in
            places.map { place in
                guard let place else { return 0 }
                let weight = weights[table.place(output: place, label: label, of: labels)]
                return table.hasBias ? weight + bias[place] : weight
            }
        }
    }

    /// The scale and the shift of a batch norm, per feature.
    package func batchNorm(_ name: String, _ order: ChannelOrder) -> (scale: [Float], shift: [Float]) {
        func values(_ part: String) -> [Double] { self["\(name).\(part)"].floats().map(Double.init) }
        let (weight, bias) = (values("weight"), values("bias"))
        let (mean, variance) = (values("running_mean"), values("running_var"))
        let scale = weight.indices.map { weight[$0] / (variance[$0] + 1e-5).squareRoot() }
        let places = order.places.compactMap(\.self)
        return (places.map { Float(scale[$0]) }, places.map { Float(bias[$0] - mean[$0] * scale[$0]) })
    }
}

/// The numbers of a convolution, by output, input and tap.
package struct ConvolutionWeights {
    private let floats: [Float]
    private let places: ConvolutionPlaces

    init(_ convolution: Convolution, _ floats: [Float]) {
        self.floats = floats
        places = ConvolutionPlaces(convolution)
    }

    /// The weight of an input for an output.
    package func callAsFunction(output: Int, input: Int, tap: Int) -> Float {
        places(output: output, input: input, tap: tap).map { floats[$0] } ?? 0
    }
}

/// Where a convolution's numbers are in its tensor, by output, input and tap.
package struct ConvolutionPlaces: Sendable {
    private let outputs: [Int]  // places in the file; −1 for what is always 0
    private let inputs: [Int]
    private let taps: [Int]
    private let inputCount: Int
    private let kernelCount: Int
    private let centre: Int?  // the tap whose colour groups are masked
    private let outputGroups: [Int]  // of the mask
    private let inputGroups: [Int]
    private let mask: ConvolutionMask?

    package init(_ convolution: Convolution) {
        let outputs = convolution.outputs.places.map { $0 ?? -1 }
        let inputs = convolution.inputs.places.compactMap(\.self)
        self.outputs = outputs
        self.inputs = inputs
        let taps = convolution.taps
        self.taps = taps.map(\.place)
        inputCount = convolution.inputs.fileCount
        kernelCount = convolution.rows * convolution.columns
        mask = convolution.mask
        centre = mask == nil ? nil : taps.firstIndex { $0.row == 0 && $0.column == 0 }
        outputGroups = convolution.mask.map { mask in outputs.map { mask.outputGroup(max($0, 0)) } } ?? []
        inputGroups = convolution.mask.map { mask in inputs.map(mask.inputGroup) } ?? []
    }

    /// The place of the weight of an input for an output; nil where that is always 0.
    package func callAsFunction(output: Int, input: Int, tap: Int) -> Int? {
        guard outputs[output] >= 0 else { return nil }
        if tap == centre, let mask,
            !mask.isVisible(outputGroup: outputGroups[output], inputGroup: inputGroups[input])
        {
            return nil
        }
        return (outputs[output] * inputCount + inputs[input]) * kernelCount + taps[tap]
    }
}
