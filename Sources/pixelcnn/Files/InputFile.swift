// Files that a person names, read whole.

import Foundation

enum InputFile {
    /// The bytes of a file.
    ///
    /// - Throws: ``Failure``: 66 where there is none, 65 where it cannot be read.
    static func read(_ path: String) throws(Failure) -> [UInt8] {
        do {
            return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            let isMissing = access(path, F_OK) != 0
            throw Failure(isMissing ? .noInput : .dataError, "cannot read \(path): \(Self.reason(path))")
        }
    }

    private static func reason(_ path: String) -> String {
        access(path, R_OK) == 0 ? "it is not a plain file" : String(cString: strerror(errno))
    }
}
