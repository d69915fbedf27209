// What a terminal can show, and a few lines there that are redrawn in place.

import Foundation

enum Terminal {
    /// Whether a descriptor is a terminal that understands escape sequences.
    static func isCapable(_ descriptor: CInt = STDERR_FILENO) -> Bool {
        guard isatty(descriptor) == 1, let term = ProcessInfo.processInfo.environment["TERM"] else { return false }
        return !term.isEmpty && term != "dumb"
    }

    /// The terminal's size in characters; 24 × 80 where it does not say.
    static func size(_ descriptor: CInt = STDERR_FILENO) -> (rows: Int, columns: Int) {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0, size.ws_col > 0 else {
            return (24, 80)
        }
        return (Int(size.ws_row), Int(size.ws_col))
    }
}

/// Lines at the cursor of a terminal, redrawn in place. The cursor is hidden meanwhile.
final class LiveLines {
    private let terminal: FileHandle
    private var drawn = 0
    private var isCursorHidden = false

    init(_ descriptor: CInt = STDERR_FILENO) {
        self.terminal = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
    }

    /// Draws `lines` in place of those drawn before. Each must fit the terminal's width.
    func draw(_ lines: [String]) {
        let hide = isCursorHidden ? "" : "\u{1B}[?25l"
        isCursorHidden = true
        let erase = lines.count < drawn ? "\u{1B}[J" : ""
        // Each line is erased before it is drawn: behind a line as wide as the terminal, its last cell would go.
        write(hide + home + erase + lines.map { "\u{1B}[K" + $0 }.joined(separator: "\n"))
        drawn = lines.count
    }

    /// Takes the lines away.
    func clear() {
        guard isCursorHidden else { return }
        write(home + "\u{1B}[J\u{1B}[?25h")
        (drawn, isCursorHidden) = (0, false)
    }

    /// Leaves the lines as they are; what follows stands below them.
    func end() {
        guard isCursorHidden else { return }
        write("\n\u{1B}[?25h")
        (drawn, isCursorHidden) = (0, false)
    }

    /// To the first of the lines drawn.
    private var home: String {
        drawn > 1 ? "\r\u{1B}[\(drawn - 1)A" : "\r"
    }

    private func write(_ text: String) {
        try? terminal.write(contentsOf: Data(text.utf8))
    }
}
