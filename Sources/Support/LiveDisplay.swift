// How far a long job is, on standard error: redrawn in place on a terminal, a line now and then elsewhere; and the
// lines that are said meanwhile, which must not be painted over. What is shown is the program's.

package final class LiveDisplay {
    package enum Style: Equatable, Sendable {
        case silent
        /// Whole lines, for logs.
        case lines
        /// Redrawn in place.
        case live
    }

    package let style: Style
    private let interval: Duration
    private let live: LiveLines
    private var lastShown: ContinuousClock.Instant?

    /// - Parameters:
    ///   - interval: the shortest time between two states that are shown.
    ///   - hidesCursor: whether the terminal's cursor is hidden while something is shown.
    package init(style: Style, interval: Duration, hidesCursor: Bool = true) {
        self.style = style
        self.interval = interval
        live = LiveLines(hidesCursor: hidesCursor)
    }

    /// Shows the state where it is time to: draws `lines` on a terminal, and calls `log` elsewhere.
    package func refresh(lines: () -> [String], log: () -> Void) {
        if let lastShown, .now - lastShown < interval { return }
        lastShown = .now
        switch style {
        case .silent: break
        case .lines: log()
        case .live: live.draw(lines())
        }
    }

    /// Calls `say`, which writes lines; what is redrawn in place moves below them, with the next state.
    package func note(_ say: () -> Void) {
        clear()
        say()
        lastShown = nil
    }

    /// Draws `lines` and leaves them there.
    package func end(with lines: [String]) {
        live.draw(lines)
        live.end()
    }

    /// Takes everything away.
    package func clear() { live.clear() }
}
