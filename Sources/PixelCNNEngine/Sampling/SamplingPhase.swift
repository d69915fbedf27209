// Where a step's time goes, for `make bench`: a session tells an observer which phase begins. Without an observer that
// is a branch, some ten times a pixel.

/// What a session computes at the moment.
package enum SamplingPhase: Int, Sendable, CaseIterable {
    /// The vertical stack: a row of every block.
    case vertical
    /// `in_conv` and the horizontal stack, and whatever belongs to no other phase.
    case horizontal
    /// The two output layers.
    case output
    /// Drawing the values, and telling the images about them.
    case draw
}
