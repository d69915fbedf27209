// How far a drawing is, in words and as a bar that fits a terminal's line.

import Foundation

struct DrawingProgress {
    /// Images asked for.
    let images: Int
    /// Values of one image.
    let imageValues: Int
    var imagesDone = 0
    var valuesDone = 0
    private let start = ContinuousClock.now

    init(images: Int, imageValues: Int) {
        (self.images, self.imageValues) = (images, imageValues)
    }

    /// So many more images are done.
    mutating func add(images: Int) {
        imagesDone += images
        valuesDone += images * imageValues
    }

    private var fraction: Double {
        min(1, Double(valuesDone) / Double(max(1, images * imageValues)))
    }

    /// `12/64 images`
    private var count: String { "\(imagesDone)/\(self.images) images" }

    /// `18%  41.2 images/s  ETA 0:03`, or that nothing is done yet; in the first second a rate would mean nothing.
    private var speed: String {
        guard valuesDone > 0 else { return "waiting" }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let rate = Double(valuesDone) / Double(imageValues) / max(seconds, 1e-3)
        let rest = Double(self.images) * (1 - fraction) / rate
        let percent = Int(100 * fraction)
        guard seconds >= 1 else { return "\(percent)%" }
        return "\(percent)%  \(Self.format(rate)) images/s  ETA \(Self.clock(rest))"
    }

    /// One line without the bar.
    var line: String { "\(count)  \(speed)" }

    /// One line of at most `columns` characters.
    func bar(columns: Int) -> String {
        let (count, speed) = (self.count, self.speed)
        let room = min(columns - 1 - count.count - speed.count - 4, 60)
        guard room >= 4 else { return String(line.prefix(max(0, columns - 1))) }
        let filled = Int(Double(room - 2) * fraction)
        let bar = String(repeating: "=", count: filled) + (filled < room - 2 ? ">" : "")
        return "\(count)  [\(bar.padding(toLength: room - 2, withPad: " ", startingAt: 0))]  \(speed)"
    }

    /// Three digits of a rate.
    static func format(_ rate: Double) -> String {
        rate < 10 ? String(format: "%.2f", rate) : rate < 100 ? String(format: "%.1f", rate) : "\(Int(rate))"
    }

    /// `0:03`, `12:34`, `1:02:03`
    static func clock(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 1e9 else { return "?" }
        let total = Int(seconds.rounded(.up))
        let (hours, minutes, rest) = (total / 3600, total / 60 % 60, total % 60)
        return hours > 0
            ? String(format: "%d:%02d:%02d", hours, minutes, rest) : String(format: "%d:%02d", minutes, rest)
    }
}
