// The values of a channel, 0 … d − 1, as the levels of gray or colour that a PNG shows, 0 … 255, and back. Integer
// arithmetic throughout, so both directions are exact and the same everywhere. A value survives the round trip.

/// How the values of a channel appear as bytes of a picture.
package struct Levels: Sendable, Equatable {
    /// How many values of a channel can be shown.
    package static let range = 2...256

    /// The number of values a channel can take, d.
    package let colors: Int

    /// Levels for values 0 … `colors` − 1. `colors` must be in `Levels.range`.
    package init(colors: Int) {
        precondition(Self.range.contains(colors), "2 … 256 values have levels, not \(colors)")
        self.colors = colors
    }

    /// The byte that shows `value`: 255 · value / (d − 1), rounded half up. `value` must be below `colors`.
    package func level(of value: UInt16) -> UInt8 {
        precondition(value < colors, "value \(value) of \(colors)")
        let steps = colors - 1
        return UInt8((2 * 255 * Int(value) + steps) / (2 * steps))
    }

    /// The value nearest to what `level` shows: level · (d − 1) / 255, rounded. Never a tie, as 255 is odd.
    package func value(of level: UInt8) -> UInt16 {
        UInt16((2 * (colors - 1) * Int(level) + 255) / (2 * 255))
    }
}
