// The C kernels of one instruction set, on whole images. Every table computes the same bits, so a training run does not
// depend on which of them this processor has.

import CPixelKernels

/// The kernels of this processor's fastest instruction set.
struct Kernels: @unchecked Sendable {
    /// C tables: constant, valid for as long as the program runs.
    let network: UnsafePointer<pixel_kernels>
    let training: UnsafePointer<training_kernels>

    /// The table at `position`, the fastest first; nil past the last.
    init?(position: Int = 0) {
        guard let network = pixel_kernels_available(position) else { return nil }
        (self.network, training) = (network, training_kernels_of(network))
    }

    /// The fastest that this processor can run.
    static let fastest: Kernels = {
        guard let kernels = Kernels() else { preconditionFailure("every processor runs the portable kernels") }
        return kernels
    }()
}
