// From a model's tensors to convolutions: masks applied, padding as the description gives it.

import PixelCNNModel

struct Loader {
    let model: Model

    /// A masked 'same' convolution: effective weight = weight · mask.
    func masked(_ name: String, type: MaskType, bias: Bool = false) -> Convolution {
        let tensor = model[name + ".weight"]
        let shape = tensor.shape
        let mask = ConvolutionMask(
            type: type, outputs: shape[0], inputs: shape[1], rows: shape[2], columns: shape[3],
            channels: model.hyperparameters.channels)
        return Convolution(
            weight: zip(tensor.floats(), mask.values()).map { $1 ? $0 : 0 },
            bias: bias ? model[name + ".bias"].floats() : nil, outputs: shape[0], inputs: shape[1],
            kernelHeight: shape[2], kernelWidth: shape[3], top: shape[2] / 2, left: shape[3] / 2)
    }

    /// The class weight of a block, (2F, labels); empty where the network is unconditional.
    func labels(_ name: String) -> [Float] {
        model.hyperparameters.isConditional ? model[name + ".weight"].floats() : []
    }

    /// `v_conv`: output row r sees rows r − p … r − 1 (type A) or r − p … r (type B), and all columns ± p.
    func vertical(_ name: String) -> Convolution {
        let tensor = model[name + ".weight"]
        let (shape, padding) = (tensor.shape, model.hyperparameters.padding)
        return Convolution(
            weight: tensor.floats(), bias: nil, outputs: shape[0], inputs: shape[1], kernelHeight: shape[2],
            kernelWidth: shape[3], top: padding, left: padding)
    }
}
