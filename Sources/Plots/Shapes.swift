// Boxes and colours of the plots. The series' colours are those of Okabe and Ito, which the colour-blind tell apart.

/// A rectangle in pixels.
struct Box {
    var x, y, width, height: Double

    var right: Double { x + width }
    var bottom: Double { y + height }
}

/// An opaque colour, components 0 … 1.
package struct Color: Sendable, Equatable {
    var red, green, blue: Double

    static let white = Color(red: 1, green: 1, blue: 1)
    static let text = Color(red: 0.13, green: 0.13, blue: 0.13)
    static let faintText = Color(red: 0.4, green: 0.4, blue: 0.4)
    static let frame = Color(red: 0.5, green: 0.5, blue: 0.5)
    static let grid = Color(red: 0.9, green: 0.9, blue: 0.9)

    /// Series and classes.
    package static let blue = Color(red: 0, green: 0.45, blue: 0.7)
    /// Series and classes.
    package static let paleBlue = Color(red: 0.7, green: 0.83, blue: 0.92)
    /// Series and classes.
    package static let orange = Color(red: 0.84, green: 0.37, blue: 0)
    /// Series and classes.
    package static let gold = Color(red: 0.94, green: 0.78, blue: 0.35)
    /// A class of nothing.
    package static let pale = Color(red: 0.95, green: 0.95, blue: 0.95)
}
