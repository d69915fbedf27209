// The images of a folder, the same for all commands. Its subfolders are entered, each once: a link is followed to what
// is not there anyhow, whatever loops links make. Hidden names are nobody's images (.ipynb_checkpoints, ._x), and a
// training run's own pictures are not what it learns from. Everything else that is left out is counted and named, also
// pictures that turn out to be damaged: one of ten thousand should stop nobody.

import Support

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

package struct ImageFolder: Sendable, Equatable {
    /// Why something is left out.
    package enum Reason: String, Sendable, CaseIterable {
        case unreadableFolder = "folders that cannot be read"
        case unreadableFile = "files that cannot be read"
        case brokenLink = "links that lead nowhere"
        case repeated = "links to what is there already"
        case ownPicture = "pictures that a training run has made"
        case damaged = "pictures that cannot be decoded"
        case notText = "names that are not UTF-8"
        case array = "arrays"
        case other = "files of other kinds"
    }

    /// The folder, with a slash at its end.
    package private(set) var path: String
    /// The images' paths below it, in order.
    package private(set) var names: [String] = []
    /// How many are left out, and the first of them by name.
    private var leftOut: [Reason: (count: Int, first: [String])] = [:]

    package static func == (one: ImageFolder, other: ImageFolder) -> Bool {
        (one.path, one.names) == (other.path, other.names)
    }

    /// Looks through a folder.
    ///
    /// - Parameter isCancelled: called now and then; whether to give up.
    /// - Throws: ``Failure``: there is no such folder (66), it cannot be read (65), or it was cancelled (75).
    package init(_ folder: String, isCancelled: () -> Bool = { false }) throws(Failure) {
        path = folder.hasSuffix("/") ? folder : folder + "/"
        var scan = Scan(folder: self)
        // First what lies in the folder itself, so that a link to it elsewhere is the one that is left out.
        var folders = [""]
        var links: [String] = []
        var sorted = 0
        while !folders.isEmpty || !links.isEmpty {
            guard !isCancelled() else { throw Failure(.temporaryFailure, "\(folder): interrupted") }
            if let next = folders.popLast() {
                try scan.list(next, &folders, &links)
                continue
            }
            // What a link to a folder brings in comes before the next link.
            if links.count != sorted { links.sort(by: >) }
            let next = links.removeLast()
            sorted = links.count
            if scan.follow(next) { folders.append(next + "/") }
        }
        self = scan.folder
        names.sort()
    }

    /// Leaves out arrays, for whoever takes pictures only.
    package mutating func leaveOutArrays() {
        for name in names where Self.isArray(name) { leave(out: name, .array) }
        names.removeAll(where: Self.isArray)
    }

    /// Leaves out pictures that have turned out to be damaged.
    package mutating func leaveOut(damaged: Set<String>) {
        for name in damaged { leave(out: name, .damaged) }
        names.removeAll(where: damaged.contains)
    }

    /// Whether a name is that of an array, rather than of a picture.
    package static func isArray(_ name: String) -> Bool {
        ["npy", "npz"].contains { name.lowercased().hasSuffix(".\($0)") }
    }

    /// What is left out, as part of a line; nil where nothing is.
    package var note: String? {
        let parts = Reason.allCases.compactMap { reason -> String? in
            guard let (count, first) = leftOut[reason] else { return nil }
            return "\(reason.rawValue): \(count) (\(first.joined(separator: ", "))\(count > first.count ? ", …" : ""))"
        }
        return parts.isEmpty ? nil : "\(path): left out \(parts.joined(separator: "; "))"
    }

    fileprivate mutating func add(_ name: String) { names.append(name) }

    fileprivate mutating func leave(out name: String, _ reason: Reason) {
        var (count, first) = leftOut[reason] ?? (0, [])
        count += 1
        // The first by name, of however many.
        if first.count < 3 || name < first[2] { first = Array((first + [name]).sorted().prefix(3)) }
        leftOut[reason] = (count, first)
    }
}

/// A look through a folder, under way.
private struct Scan {
    /// Which file or folder, whatever its names.
    private struct Identity: Hashable {
        let device, number: UInt64

        init(_ status: stat) {
            device = UInt64(status.st_dev)
            number = UInt64(status.st_ino)
        }
    }

    var folder: ImageFolder
    private var seen: Set<Identity> = []

    init(folder: ImageFolder) { self.folder = folder }

    /// Takes in the files of a folder; adds its subfolders and links to those that are still to be seen.
    ///
    /// - Parameter name: its path below the whole, with a slash at its end; empty of the whole itself.
    mutating func list(_ name: String, _ folders: inout [String], _ links: inout [String]) throws(Failure) {
        guard let stream = opendir(folder.path + name) else {
            guard !name.isEmpty else {
                throw Failure(
                    errno == ENOENT ? .noInput : .dataError,
                    "cannot read the folder \(folder.path): \(String(cString: strerror(errno)))")
            }
            return folder.leave(out: String(name.dropLast()), .unreadableFolder)
        }
        defer { closedir(stream) }
        var status = stat()
        guard fstat(dirfd(stream), &status) == 0, seen.insert(Identity(status)).inserted else {
            return folder.leave(out: String(name.dropLast()), .repeated)
        }
        var files: [(name: String, isReadable: Bool)] = []
        while let entry = readdir(stream) {
            let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            guard bytes.first != UInt8(ascii: ".") else { continue }
            guard let file = String(validating: bytes, as: UTF8.self) else {
                folder.leave(out: name + RawArguments.escaped(bytes), .notText)
                continue
            }
            guard fstatat(dirfd(stream), file, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }  // gone meanwhile
            switch status.st_mode & S_IFMT {
            case S_IFDIR: folders.append("\(name)\(file)/")
            case S_IFLNK: links.append(name + file)
            case S_IFREG:
                seen.insert(Identity(status))
                files.append((file, faccessat(dirfd(stream), file, R_OK, 0) == 0))
            default: folder.leave(out: name + file, .other)
            }
        }
        let runs = Set(files.filter { $0.name.hasSuffix(Self.log) }.map { $0.name.dropLast(Self.log.count) })
        for file in files {
            if Self.isOwn(file.name, runs) {
                folder.leave(out: name + file.name, .ownPicture)
            } else {
                take(name + file.name, isReadable: file.isReadable)
            }
        }
    }

    /// Takes in the file that a link leads to; whether it leads to a folder.
    mutating func follow(_ name: String) -> Bool {
        var status = stat()
        guard stat(folder.path + name, &status) == 0 else {
            folder.leave(out: name, .brokenLink)
            return false
        }
        if status.st_mode & S_IFMT == S_IFDIR { return true }
        guard status.st_mode & S_IFMT == S_IFREG else {
            folder.leave(out: name, .other)
            return false
        }
        if seen.insert(Identity(status)).inserted {
            take(name, isReadable: access(folder.path + name, R_OK) == 0)
        } else {
            folder.leave(out: name, .repeated)
        }
        return false
    }

    private mutating func take(_ name: String, isReadable: Bool) {
        let dot = name.lastIndex(of: ".").map { name.index(after: $0) }
        guard let dot, ImageKind.endings.contains(name[dot...].lowercased()) else {
            return folder.leave(out: name, .other)
        }
        if isReadable { folder.add(name) } else { folder.leave(out: name, .unreadableFile) }
    }

    /// How the name of a training run's log ends.
    private static let log = ".log.jsonl"

    /// Whether a file is a picture of one of the runs, by name, whose logs are beside it.
    private static func isOwn(_ name: String, _ runs: Set<Substring>) -> Bool {
        if name == "loss.png" { return !runs.isEmpty }  // of earlier versions
        return [".loss.png", ".samples.png", ".samples.npy"].contains {
            name.hasSuffix($0) && runs.contains(name.dropLast($0.count))
        }
    }
}
