// A terminal's screen as far as the client uses one: cursor up, erasing, colours, the cursor's visibility. An oracle
// for what is to be seen, independent of the code that paints it.

struct TerminalScreen {
    struct Cell: Equatable {
        var character: Character = " "
        /// `red;green;blue`, nil for the default.
        var foreground: String?
        var background: String?
    }

    private(set) var lines: [[Cell]] = [[]]
    private(set) var isCursorVisible = true
    private var row = 0
    private var column = 0
    private var pen = Cell()

    /// What `output` leaves on a screen of unlimited height.
    init(_ output: String) {
        var rest = Array(output.unicodeScalars)[...]
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\r": self.column = 0
            case "\n":
                self.row += 1
                if self.row == self.lines.count { self.lines.append([]) }
            case "\u{1B}":
                _ = rest.popFirst()
                var parameters = ""
                while let next = rest.popFirst() {
                    if next.properties.isAlphabetic {
                        control(next, parameters)
                        break
                    }
                    parameters.unicodeScalars.append(next)
                }
            default: put(Character(scalar))
            }
        }
    }

    /// The characters of each line.
    var text: [String] { lines.map { String($0.map(\.character)) } }

    private mutating func put(_ character: Character) {
        while lines[self.row].count <= column { lines[self.row].append(Cell()) }
        var cell = pen
        cell.character = character
        lines[self.row][self.column] = cell
        column += 1
    }

    private mutating func control(_ final: Unicode.Scalar, _ parameters: String) {
        switch final {
        case "A": self.row = max(0, self.row - (Int(parameters) ?? 1))
        case "K": lines[self.row] = Array(lines[self.row].prefix(column))
        case "J":
            lines[self.row] = Array(lines[self.row].prefix(column))
            for row in lines.indices where row > self.row { lines[row] = [] }
        case "l" where parameters == "?25": isCursorVisible = false
        case "h" where parameters == "?25": isCursorVisible = true
        case "m": select(parameters.split(separator: ";").map(String.init)[...])
        default: put("?")  // nothing that the client should send
        }
    }

    private mutating func select(_ codes: ArraySlice<String>) {
        var codes = codes
        while let code = codes.popFirst() {
            switch code {
            case "0": pen = Cell()
            case "39": pen.foreground = nil
            case "49": pen.background = nil
            case "38": pen.foreground = codes.dropFirst().prefix(3).joined(separator: ";")
            case "48": pen.background = codes.dropFirst().prefix(3).joined(separator: ";")
            default: pen.character = "?"
            }
            if code == "38" || code == "48" { codes = codes.dropFirst(4) }
        }
    }
}
