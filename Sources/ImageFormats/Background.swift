// What lies behind the transparent parts of a picture, if whoever gives the picture says it: nothing is assumed, for
// white and black are different pictures to a network.

/// A colour behind a picture.
package struct Background: Sendable, Equatable, CustomStringConvertible {
    /// Red, green and blue.
    private let levels: [UInt8]

    package init(red: UInt8, green: UInt8, blue: UInt8) { levels = [red, green, blue] }

    /// `white`, `black`, `gray`, or hexadecimal digits: `ff8000`, `f80`, with or without #, which shells take for a
    /// comment.
    package init?(_ text: String) {
        switch text.lowercased() {
        case "white": self.init(red: 255, green: 255, blue: 255)
        case "black": self.init(red: 0, green: 0, blue: 0)
        case "gray", "grey": self.init(red: 128, green: 128, blue: 128)
        default:
            let digits = (text.hasPrefix("#") ? text.dropFirst() : text[...]).map(\.hexDigitValue)
            let values = digits.compactMap(\.self)
            guard values.count == digits.count, [3, 6].contains(values.count) else { return nil }
            let levels =
                values.count == 3 ? values.map { 17 * $0 } : [0, 2, 4].map { 16 * values[$0] + values[$0 + 1] }
            self.init(red: UInt8(levels[0]), green: UInt8(levels[1]), blue: UInt8(levels[2]))
        }
    }

    /// Six hexadecimal digits.
    package var description: String {
        levels.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private var isGray: Bool { Set(levels).count == 1 }

    /// A picture with alpha on this colour, each level rounded to the nearest; gray on gray stays gray.
    ///
    /// - Parameter pixels: (height, width, `channels` + 1), the last is alpha.
    package func behind(_ pixels: [UInt8], width: Int, height: Int, channels: Int) -> Picture {
        let shown = channels == 1 && isGray ? 1 : 3
        var result: [UInt8] = []
        result.reserveCapacity(width * height * shown)
        for start in stride(from: 0, to: pixels.count, by: channels + 1) {
            let alpha = Int(pixels[start + channels])
            for channel in 0..<shown {
                let level = Int(pixels[start + (channels == 1 ? 0 : channel)])
                result.append(UInt8((2 * (level * alpha + Int(levels[channel]) * (255 - alpha)) + 255) / 510))
            }
        }
        return Picture(width: width, height: height, channels: shown, pixels: result)
    }
}
