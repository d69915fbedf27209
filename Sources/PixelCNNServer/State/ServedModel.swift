// What one request is answered from: a model's description, its limits, and who computes with it. They belong together, so
// they are one value, which a request takes once, at its start: a reload in the middle of it changes nothing for it.

public import PixelCNNAPI
import PixelCNNScheduler

/// A model as it is served. Compared by identity: a file loaded twice is two of them.
public final class ServedModel: Sendable {
    /// The model, with the limits.
    public let model: ModelDescription
    /// The most that one request may ask for.
    public let limits: RequestLimits

    let backend: any ComputeBackend

    /// A model whose images `backend` computes.
    public init(model: ModelDescription, backend: any ComputeBackend, limits: RequestLimits = .init()) {
        var model = model
        model.limits = limits
        (self.model, self.limits, self.backend) = (model, limits, backend)
    }

    /// Pixels of the images that `status` counts.
    func pixels(_ status: SchedulerStatus) -> UInt64 { status.valuesDrawn / UInt64(self.model.channels) }
}
