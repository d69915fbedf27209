// Where an answer goes: a file, written whole or not at all, or standard output, unless that is a terminal.

import AtomicFiles
import Foundation

enum Output {
    /// Refuses to fill a terminal with bytes; called before anything is computed.
    static func check(_ path: String) throws(Failure) {
        guard path != "-" || isatty(STDOUT_FILENO) == 0 else {
            throw Failure(.usage, "standard output is a terminal; redirect it, or name a file with -o")
        }
    }

    /// Writes to `path`, or to standard output where it is `-`.
    static func write(_ bytes: [UInt8], to path: String) throws(Failure) {
        do {
            if path == "-" {
                try FileHandle.standardOutput.write(contentsOf: Data(bytes))
            } else {
                try AtomicFile.write(bytes, to: path)
            }
        } catch {
            throw Failure(.cannotCreate, path == "-" ? "cannot write to standard output: \(error)" : "\(error)")
        }
    }
}
