// What one step of the optimiser does: Adam as PyTorch has it, after clipping the gradient's norm, and the running
// average of the weights.

import PixelCNNKernels

#if canImport(Glibc)
    import Glibc
#endif

/// One step of Adam.
package struct OptimizerStep: Sendable {
    /// Learning rate of this step.
    package var rate: Double
    /// Largest norm of the gradient; a longer one is scaled down to it.
    package var clip: Double
    /// The average keeps this share of what it was: 0 is no average, the weights themselves.
    package var averageDecay: Double

    /// Decay of the moments, and what keeps the division finite: PyTorch's defaults.
    static let (beta1, beta2, epsilon) = (0.9, 0.999, 1e-8)

    /// A step as given.
    package init(rate: Double, clip: Double = 1, averageDecay: Double = 0) {
        (self.rate, self.clip, self.averageDecay) = (rate, clip, averageDecay)
    }

    /// The kernel's constants for the step with this number, from 1.
    func adam(step: Int, gradientNorm: Double) -> AdamStep {
        AdamStep(
            gradient_scale: Float(min(1, clip / (gradientNorm + 1e-6))),
            rate: Float(rate / (1 - pow(Self.beta1, Double(step)))), beta1: Float(Self.beta1), beta2: Float(Self.beta2),
            root_correction: Float(1 / (1 - pow(Self.beta2, Double(step))).squareRoot()),
            epsilon: Float(Self.epsilon), average_decay: Float(averageDecay))
    }
}

/// What a step found.
package struct StepResult: Sendable, Equatable {
    /// Mean of −ln p over all values of the batch, in nats.
    package let loss: Double
    /// Norm of the gradient, before it was clipped.
    package let gradientNorm: Double
}
