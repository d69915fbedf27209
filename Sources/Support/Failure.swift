// An error that ends a program: one line for a person, one code for a script. Libraries throw their own errors; a
// program turns them into this one where it adds what to do about them.

package struct Failure: Error, Equatable {
    package let status: SystemExit
    package let message: String

    package init(_ status: SystemExit, _ message: String) {
        self.status = status
        self.message = message
    }
}
