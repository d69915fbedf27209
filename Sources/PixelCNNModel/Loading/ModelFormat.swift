// The forms a model comes in; raw values are what a person reads.

/// The form of a model's file.
package enum ModelFormat: String, Sendable {
    /// `torch.save(model, path)`.
    case pyTorchModule = "PyTorch module"
    /// `torch.save(model.state_dict(), path)`, or a checkpoint dictionary that holds it.
    case pyTorchStateDictionary = "PyTorch state_dict"
    /// A safetensors file.
    case safetensors
    /// No file: made in this process.
    case memory = "in memory"
}
