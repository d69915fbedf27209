// Where output goes: a file, which appears whole or not at all, or standard output, unless that is a terminal.

import Foundation
import Support

/// An output that is written in pieces. Dropped before ``commit()``, a file leaves no trace.
final class Output {
    private var file: AtomicFile?

    /// Opens `path`, or standard output where it is `-`.
    ///
    /// - Throws: ``Failure`` (73) where it cannot be written.
    init(_ path: String) throws(Failure) {
        guard path != "-" else { return }
        do {
            self.file = try AtomicFile(path: path)
        } catch {
            throw Failure(.cannotCreate, "\(error)")
        }
    }

    func write(_ bytes: [UInt8]) throws(Failure) {
        do {
            if file != nil {
                try file?.write(bytes)
            } else {
                try FileHandle.standardOutput.write(contentsOf: Data(bytes))
            }
        } catch let error as AtomicFileError {
            throw Failure(.cannotCreate, "\(error)")
        } catch {
            let cause = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
            let reason = cause.map { String(cString: strerror(Int32($0.code))) } ?? "\(error)"
            throw Failure(.cannotCreate, "cannot write to standard output: \(reason)")
        }
    }

    /// Writes bytes at a place of a file; not for standard output.
    func write(_ bytes: [UInt8], at offset: Int) throws(Failure) {
        do {
            try file?.write(bytes, at: offset)
        } catch {
            throw Failure(.cannotCreate, "\(error)")
        }
    }

    /// Gives the file its name.
    func commit() throws(Failure) {
        do {
            try file.take()?.commit()
        } catch {
            throw Failure(.cannotCreate, "\(error)")
        }
    }

    /// Refuses to fill a terminal with bytes; called before anything is computed.
    static func check(_ path: String) throws(Failure) {
        guard path != "-" || isatty(STDOUT_FILENO) == 0 else {
            throw Failure(.usage, "standard output is a terminal; redirect it, or name a file with -o")
        }
    }

    /// Writes all of an output.
    static func write(_ bytes: [UInt8], to path: String) throws(Failure) {
        let output = try Output(path)
        try output.write(bytes)
        try output.commit()
    }
}
