// Classes as a person names them on the command line.

import PixelCNNAPI

extension ModelDescription {
    /// The class that a word stands for: its number, its name, or the beginning of its name alone.
    func `class`(_ word: String) throws(Failure) -> Int {
        do {
            return try self.number(of: ClassLabel(word), acceptsBeginnings: true)
        } catch {
            throw Failure(.usage, "\(error)")
        }
    }
}
