// The two kinds of masked convolution: they differ in what they see at their own pixel, and only there.

/// What a masked convolution sees at its own pixel.
package enum MaskType: Sendable, Equatable {
    /// Only earlier colour groups: the first layers, whose input is the pixel being predicted.
    case a
    /// Earlier colour groups and its own: all later layers.
    case b
}
