// A terminal's screen as far as the client uses one: cursor up, erasing, colours, the cursor's visibility. An oracle for
// what is to be seen, independent of the code that paints it.

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
                        self.control(next, parameters)
                        break
                    }
                    parameters.unicodeScalars.append(next)
                }
            default: self.put(Character(scalar))
            }
        }
    }

    /// The characters of each line.
    var text: [String] { self.lines.map { String($0.map(\.character)) } }

    private mutating func put(_ character: Character) {
        while self.lines[self.row].count <= self.column { self.lines[self.row].append(Cell()) }
        var cell = self.pen
        cell.character = character
        self.lines[self.row][self.column] = cell
        self.column += 1
    }

    private mutating func control(_ final: Unicode.Scalar, _ parameters: String) {
        switch final {
        case "A": self.row = max(0, self.row - (Int(parameters) ?? 1))
        case "K": self.lines[self.row] = Array(self.lines[self.row].prefix(self.column))
        case "J":
            self.lines[self.row] = Array(self.lines[self.row].prefix(self.column))
            for row in self.lines.indices where row > self.row { self.lines[row] = [] }
        case "l" where parameters == "?25": self.isCursorVisible = false
        case "h" where parameters == "?25": self.isCursorVisible = true
        case "m": self.select(parameters.split(separator: ";").map(String.init)[...])
        default: self.put("?")  // nothing that the client should send
        }
    }

    private mutating func select(_ codes: ArraySlice<String>) {
        var codes = codes
        while let code = codes.popFirst() {
            switch code {
            case "0": self.pen = Cell()
            case "39": self.pen.foreground = nil
            case "49": self.pen.background = nil
            case "38": self.pen.foreground = codes.dropFirst().prefix(3).joined(separator: ";")
            case "48": self.pen.background = codes.dropFirst().prefix(3).joined(separator: ";")
            default: self.pen.character = "?"
            }
            if code == "38" || code == "48" { codes = codes.dropFirst(4) }
        }
    }
}
