// Where output goes: a file, which appears whole or not at all, or standard output, unless that is a terminal. What is
// read is never written over; and a name that nobody has chosen replaces nothing, it gets a number.

import Foundation
import ImageImport
import Support

/// Where an output is to go.
enum OutputPlace: Equatable, Sendable {
    case standardOutput
    case file(String)
    /// A name in the working folder that nobody has chosen: `samples.png`, else `samples-2.png` and so on.
    case unnamed(base: String, ending: String)

    /// - Parameters:
    ///   - option: what the command line says; `-` is standard output.
    ///   - base: the name without one.
    init(_ option: String?, else base: String = "", ending: String = "") {
        switch option {
        case "-": self = .standardOutput
        case let path?: self = .file(path)
        case nil: self = .unnamed(base: base, ending: ending)
        }
    }

    /// As a command line has it.
    var name: String {
        switch self {
        case .standardOutput: "-"
        case .file(let path): path
        case .unnamed(let base, let ending): "\(base).\(ending)"
        }
    }

    /// Refuses to fill a terminal with bytes; called before anything is computed.
    func check() throws(Failure) {
        guard self != .standardOutput || isatty(STDOUT_FILENO) == 0 else {
            throw Failure(.usage, "standard output is a terminal; redirect it, or name a file with -o")
        }
    }

    /// Refuses to write over what is read, under whatever name; called before anything is computed.
    ///
    /// - Parameter inputs: paths, `-` for standard input.
    func check(reading inputs: [String]) throws(Failure) {
        let (output, name): (stat?, String) =
            switch self {
            case .standardOutput: (Self.status(STDOUT_FILENO), "standard output")
            case .file(let path): (Self.status(path), path)
            case .unnamed: (nil, "")
            }
        // Devices and pipes are not replaced.
        guard let output, output.st_mode & S_IFMT == S_IFREG else { return }
        for input in inputs {
            let file = NPZFile.split(input).file
            guard let read = input == "-" ? Self.status(STDIN_FILENO) : Self.status(file) else { continue }
            guard (read.st_dev, read.st_ino) != (output.st_dev, output.st_ino) else {
                let words = input == "-" ? "standard input" : input
                throw Failure(.usage, "the output \(name) is the file that is read (\(words)); name another with -o")
            }
        }
    }

    private static func status(_ path: String) -> stat? {
        var status = stat()
        return stat(path, &status) == 0 ? status : nil
    }

    private static func status(_ descriptor: CInt) -> stat? {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? status : nil
    }
}

/// An output that is written in pieces. Dropped before ``commit()``, a file leaves no trace.
final class Output {
    private let place: OutputPlace
    private var file: AtomicFile?
    /// Where the file of an unnamed place is until it has its name.
    private let hidden: String
    private var hash = SHA256()
    /// Whether bytes went to places of the file, not one after the other, so that the digest is that of the file.
    private var isInPlaces = false

    /// Opens a place.
    ///
    /// - Throws: ``Failure`` (73) where it cannot be written.
    init(_ place: OutputPlace) throws(Failure) {
        self.place = place
        hidden = ".samples-\(String(UInt64.random(in: .min ... .max), radix: 36))"
        let path: String
        switch place {
        case .standardOutput: return
        case .file(let name): path = name
        case .unnamed: path = hidden
        }
        do {
            file = try AtomicFile(path: path)
        } catch {
            throw failure(error)
        }
    }

    /// An error of the file, under the name that a person knows.
    private func failure(_ error: AtomicFileError) -> Failure {
        guard case .unnamed(let base, let ending) = place else { return Failure(.cannotCreate, "\(error)") }
        let named = AtomicFileError(path: "\(base).\(ending)", step: error.step, errno: error.errno)
        return Failure(.cannotCreate, "\(named)")
    }

    func write(_ bytes: [UInt8]) throws {
        do {
            bytes.withUnsafeBytes { hash.update($0) }
            if file != nil {
                try file?.write(bytes)
            } else {
                try FileHandle.standardOutput.write(contentsOf: Data(bytes))
            }
        } catch let error as AtomicFileError {
            throw failure(error)
        } catch {
            let cause = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
            if cause?.code == Int(EPIPE) { throw Failure(.closedPipe, "") }
            let reason = cause.map { String(cString: strerror(Int32($0.code))) } ?? "\(error)"
            throw Failure(.cannotCreate, "cannot write to standard output: \(reason)")
        }
    }

    /// Writes bytes at a place of a file; not for standard output.
    func write(_ bytes: [UInt8], at offset: Int) throws(Failure) {
        isInPlaces = true
        do {
            try file?.write(bytes, at: offset)
        } catch {
            throw failure(error)
        }
    }

    /// What has been written.
    struct Written: Sendable {
        /// As a person finds it.
        let path: String
        let sha256: String
        /// The name that was taken, where it has another for that.
        var taken: String?
    }

    /// Gives the file its name.
    @discardableResult func commit() throws(Failure) -> Written {
        do {
            try file.take()?.commit()
        } catch {
            throw failure(error)
        }
        if isInPlaces { try hashFile() }
        let sha256 = hash.hexadecimal()
        hash = SHA256()
        switch place {
        case .standardOutput: return Written(path: "standard output", sha256: sha256)
        case .file(let path): return Written(path: path, sha256: sha256)
        case .unnamed(let base, let ending):
            let first = "\(base).\(ending)"
            let name = try giveName { $0 == 1 ? first : "\(base)-\($0).\(ending)" }
            return Written(path: name, sha256: sha256, taken: name == first ? nil : first)
        }
    }

    private func hashFile() throws(Failure) {
        let path = if case .file(let path) = place { path } else { hidden }
        do {
            let written = try FileHandle(forReadingFrom: URL(filePath: path))
            hash = SHA256()
            while let part = try written.read(upToCount: 1 << 20), !part.isEmpty {
                part.withUnsafeBytes { hash.update($0) }
            }
        } catch {
            throw Failure(.cannotCreate, "\(path) cannot be read again for its SHA-256: \(error)")
        }
    }

    /// Gives the hidden file the first name that is free, also where others look for one at the same time.
    private func giveName(_ name: (Int) -> String) throws(Failure) -> String {
        var number = 1
        while true {
            let name = name(number)
            if link(hidden, name) == 0 {
                unlink(hidden)
                return name
            }
            var status = stat()
            // Not every file system has links.
            if errno != EEXIST, lstat(name, &status) != 0 {
                if rename(hidden, name) == 0 { return name }
                let code = errno
                unlink(hidden)
                throw Failure(.cannotCreate, "\(AtomicFileError(path: name, step: .rename, errno: code))")
            }
            number += 1
        }
    }

    /// Writes all of an output to standard output.
    static func print(_ bytes: [UInt8]) throws {
        let output = try Output(.standardOutput)
        try output.write(bytes)
    }
}
