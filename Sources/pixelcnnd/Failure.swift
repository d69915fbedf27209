// An error that ends the program: one line for a person, one code for a script.

import PixelCNNAPI

struct Failure: Error, Equatable {
    let status: SystemExit
    let message: String

    init(_ status: SystemExit, _ message: String) {
        self.status = status
        self.message = message
    }
}
