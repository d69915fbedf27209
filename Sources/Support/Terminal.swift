// What a terminal can show, and a few lines there that are redrawn in place.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

package enum Terminal {
    /// Whether a descriptor is a terminal that understands escape sequences.
    package static func isCapable(_ descriptor: CInt = STDERR_FILENO) -> Bool {
        guard isatty(descriptor) == 1, let term = getenv("TERM") else { return false }
        return !["", "dumb"].contains(String(cString: term))
    }

    /// The terminal's size in characters; 24 × 80 where it does not say.
    package static func size(_ descriptor: CInt = STDERR_FILENO) -> (rows: Int, columns: Int) {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0, size.ws_col > 0 else {
            return (24, 80)
        }
        return (Int(size.ws_row), Int(size.ws_col))
    }
}

/// Lines at the cursor of a terminal, redrawn in place. A hidden cursor is shown again at the end.
package final class LiveLines {
    private let descriptor: CInt
    private let hidesCursor: Bool
    private var drawn = 0
    private var isDrawing = false

    package init(_ descriptor: CInt = STDERR_FILENO, hidesCursor: Bool = true) {
        self.descriptor = descriptor
        self.hidesCursor = hidesCursor
    }

    /// Draws `lines` in place of those drawn before. Each must fit the terminal's width.
    package func draw(_ lines: [String]) {
        let hide = isDrawing || !hidesCursor ? "" : "\u{1B}[?25l"
        isDrawing = true
        let erase = lines.count < drawn ? "\u{1B}[J" : ""
        // Each line is erased before it is drawn: behind a line as wide as the terminal, its last cell would go.
        write(hide + home + erase + lines.map { "\u{1B}[K" + $0 }.joined(separator: "\n"))
        drawn = lines.count
    }

    /// Takes the lines away.
    package func clear() { finish(home + "\u{1B}[J") }

    /// Leaves the lines as they are; what follows stands below them.
    package func end() { finish("\n") }

    private func finish(_ text: String) {
        guard isDrawing else { return }
        write(text + (hidesCursor ? "\u{1B}[?25h" : ""))
        drawn = 0
        isDrawing = false
    }

    /// To the first of the lines drawn.
    private var home: String {
        drawn > 1 ? "\r\u{1B}[\(drawn - 1)A" : "\r"
    }

    private func write(_ text: String) { writeToPeople(text, on: descriptor) }
}
