// Whether a session uses its second thread, decided row by row. Where that one has lost its core to another program, a
// pixel waits for it longer than the work takes that it does. Waits alone do not tell, since some are usual at a row's
// start; so after a row of long ones some are computed alone, and the faster way is kept for some rows, for twice as
// many each time that it wins.

/// What rows took so far, with help and alone.
struct HelpPace {
    private enum Mode {
        /// So many rows with help, before waits may lead to a trial.
        case helped(Int)
        /// A row alone, for which the second thread has prepared something, then one to be compared with a helped row's
        /// time per pixel.
        case prepared(Duration)
        case trial(Duration)
        /// So many rows alone.
        case alone(Int)
    }

    private static let leastRows = 8, mostRows = 512

    private var mode = Mode.helped(0)
    /// For how many rows the next decision holds, for either way.
    private var (helpedRows, aloneRows) = (leastRows, leastRows)

    /// Whether the next row is to be computed with help.
    var wantsHelp: Bool { if case .helped = mode { true } else { false } }

    /// Notes a row's time per pixel, and what of it was spent waiting. `isHelped` if the whole row was.
    mutating func completeRow(isHelped: Bool, in time: Duration, waited: Duration) {
        switch mode {
        case .helped(let rows):
            guard isHelped else { return }
            let waitsLong = waited * 4 > time
            if !waitsLong { aloneRows = Self.leastRows }
            mode = rows == 0 && waitsLong ? .prepared(time) : .helped(max(rows - 1, 0))
        case .prepared(let helped): mode = .trial(helped)
        case .trial(let helped) where time < helped:
            mode = .alone(aloneRows)
            (helpedRows, aloneRows) = (Self.leastRows, min(2 * aloneRows, Self.mostRows))
        case .trial:
            mode = .helped(helpedRows)
            (helpedRows, aloneRows) = (min(2 * helpedRows, Self.mostRows), Self.leastRows)
        case .alone(let rows):
            mode = rows > 1 ? .alone(rows - 1) : .helped(0)
        }
    }
}
