// What one request is answered from: a model's description, its limits, and who computes with it. They belong together,
// so they are one value, which a request takes once, at its start: a reload in the middle of it changes nothing for it.

import PixelCNNAPI
import PixelCNNScheduler

/// A model as it is served. Compared by identity: a file loaded twice is two of them.
package final class ServedModel: Sendable {
    /// The model, with the limits.
    package let model: ModelDescription
    /// The most that one request may ask for.
    package let limits: RequestLimits

    let backend: any ComputeBackend

    /// A model whose images `backend` computes.
    package init(model: ModelDescription, backend: any ComputeBackend, limits: RequestLimits = .init()) {
        var model = model
        model.limits = limits
        (self.model, self.limits, self.backend) = (model, limits, backend)
    }

    /// Pixels of the images that `status` counts.
    func pixels(_ status: SchedulerStatus) -> UInt64 { status.valuesDrawn / UInt64(model.channels) }
}
