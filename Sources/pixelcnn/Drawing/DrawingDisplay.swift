// What a person sees while images are drawn: a bar, pictures, or on what is no terminal a line now and then; and the
// lines that are said meanwhile, which must not be painted over.

import Foundation
import ImageFormats

final class DrawingDisplay {
    enum Style: Equatable {
        /// Nothing is shown.
        case silent
        /// Whole lines, for logs.
        case lines
        /// Redrawn in place.
        case live(bar: Bool)
    }

    let style: Style
    var progress: DrawingProgress
    var preview: Preview?
    private let live = LiveLines()
    private var lastDrawn: ContinuousClock.Instant?

    init(style: Style, progress: DrawingProgress) {
        (self.style, self.progress) = (style, progress)
    }

    /// Shows the state, not more often than eyes can follow.
    func refresh() {
        let interval = style == .lines ? Duration.seconds(1) : .milliseconds(100)
        if let lastDrawn, .now - lastDrawn < interval { return }
        self.lastDrawn = .now
        switch style {
        case .silent: break
        case .lines: say(progress.line)
        case .live(let bar):
            let size = Terminal.size()
            let pictures = preview?.lines(size: size) ?? []
            live.draw(pictures + (bar ? [self.progress.bar(columns: size.columns)] : []))
        }
    }

    /// Says a line; what is redrawn in place moves below it.
    func note(_ line: String) {
        live.clear()
        say(line)
        lastDrawn = nil
    }

    /// Takes the bar away and leaves the pictures.
    func end() {
        let pictures = preview?.lines(size: Terminal.size()) ?? []
        if pictures.isEmpty { return clear() }
        live.draw(pictures)
        live.end()
    }

    /// Takes everything away.
    func clear() { live.clear() }
}
