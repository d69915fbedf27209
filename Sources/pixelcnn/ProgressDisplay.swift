// What a person sees while requests are in flight: a bar, pictures, or where there is no terminal a line now and then;
// and the lines that are reported meanwhile, which must not be painted over. Requests in flight together share one.

import Foundation
import ImageFormats
import Support
import Synchronization

final class ProgressDisplay: Sendable {
    enum Style: Equatable {
        /// Nothing is shown.
        case silent
        /// Whole lines, for logs.
        case lines
        /// Redrawn in place.
        case live(bar: Bool)
    }

    private struct State {
        var progress: Progress
        var preview: Preview?
        let display: LiveDisplay
        var lastNote: String?
    }

    let style: Style
    private let isQuiet: Bool
    private let repeatsNotes: Bool
    private let state: Mutex<State>

    /// A display of `images` images with `imageValues` values each, which shows nothing yet.
    ///
    /// - Parameter repeatsNotes: whether a line is reported again before anything has come of the first; requests in
    ///   flight together have the same to report.
    init(style: Style, isQuiet: Bool, images: Int, imageValues: Int, repeatsNotes: Bool = false) {
        self.style = style
        self.isQuiet = isQuiet
        self.repeatsNotes = repeatsNotes
        let display =
            switch style {
            case .silent: LiveDisplay(style: .silent, interval: .zero)
            case .lines: LiveDisplay(style: .lines, interval: .seconds(1))
            case .live: LiveDisplay(style: .live, interval: .milliseconds(100))
            }
        state = Mutex(State(progress: Progress(images: images, imageValues: imageValues), display: display))
    }

    /// Reports a line; what is redrawn in place moves below it.
    func note(_ line: String) {
        if isQuiet { return }
        state.withLock { state in
            defer { state.lastNote = line }
            guard repeatsNotes || state.lastNote != line else { return }
            state.display.note { say(line) }
        }
    }

    /// Shows that `images` more images are done.
    func add(images: Int) {
        state.withLock { state in
            state.progress.imagesDone += images
            state.progress.valuesDone += images * state.progress.imageValues
            state.lastNote = nil
            refresh(&state)
        }
    }

    /// Sets how much is done; it shows with the next refresh.
    func set(imagesDone: Int, valuesDone: Int) {
        state.withLock { state in
            state.progress.imagesDone = imagesDone
            state.progress.valuesDone = valuesDone
        }
    }

    /// Shows the pictures of these images, too, or none where nil.
    func show(_ preview: Preview?) { state.withLock { $0.preview = preview } }

    /// Draws a row of a picture that is shown; it shows with the next refresh.
    func draw(row: Int, of image: Int, values: [UInt16]) {
        state.withLock { $0.preview?.draw(row: row, of: image, values: values) }
    }

    /// Shows the state, not more often than eyes can follow.
    func refresh() { state.withLock { refresh(&$0) } }

    private func refresh(_ state: inout State) {
        state.display.refresh(
            lines: {
                let size = Terminal.size()
                let pictures = state.preview?.lines(size: size) ?? []
                return pictures + (style == .live(bar: true) ? [state.progress.bar(columns: size.columns)] : [])
            }, log: { say(state.progress.line) })
    }

    /// Takes the bar away and leaves the pictures.
    func end() {
        state.withLock { state in
            let pictures = state.preview?.lines(size: Terminal.size()) ?? []
            if pictures.isEmpty { return state.display.clear() }
            state.display.end(with: pictures)
        }
    }

    /// Takes everything away.
    func clear() { state.withLock { $0.display.clear() } }
}

/// How much is done, in words and as a bar that fits a terminal's line.
private struct Progress {
    /// Images requested.
    let images: Int
    /// Values of one image.
    let imageValues: Int
    var imagesDone = 0
    var valuesDone = 0
    private let start = ContinuousClock.now

    init(images: Int, imageValues: Int) {
        self.images = images
        self.imageValues = imageValues
    }

    private var fraction: Double {
        min(1, Double(valuesDone) / Double(max(1, images * imageValues)))
    }

    /// `12/64 images`
    private var count: String { "\(imagesDone)/\(images) images" }

    /// `18%  41.2 images/s  ETA 0:03`, or that nothing is done yet; in the first second a rate would mean nothing.
    private var speed: String {
        guard valuesDone > 0 else { return "waiting" }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let rate = Double(valuesDone) / Double(imageValues) / max(seconds, 1e-3)
        let rest = Double(images) * (1 - fraction) / rate
        let percent = Int(100 * fraction)
        guard seconds >= 1 else { return "\(percent)%" }
        return "\(percent)%  \(Self.format(rate)) images/s  ETA \(Durations.clock(rest))"
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
    private static func format(_ rate: Double) -> String {
        rate < 10 ? String(format: "%.2f", rate) : rate < 100 ? String(format: "%.1f", rate) : "\(Int(rate))"
    }
}
