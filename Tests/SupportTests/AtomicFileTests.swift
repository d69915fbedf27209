// Files appear whole or not at all, and nothing is left beside them.

import Foundation
import Support
import Testing

@Suite struct AtomicFileTests {
    /// Calls `body` with a new folder, and removes it afterwards.
    static func withFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "atomic-file-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }

    static func names(in folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    @Test func writesNewFilesAndReplacesOldOnes() throws {
        try Self.withFolder { (folder) throws in
            let file = folder.appending(path: "image.png")
            for bytes in [[1, 2, 3], [], [UInt8](repeating: 9, count: 1 << 20)] as [[UInt8]] {
                try AtomicFile.write(bytes, to: file.path)
                #expect([UInt8](try Data(contentsOf: file)) == bytes)
            }
            #expect(try Self.names(in: folder) == ["image.png"])
        }
    }

    @Test func givesNewFilesTheModeThatTheUmaskAllows() throws {
        try Self.withFolder { (folder) throws in
            let (file, usual) = (folder.appending(path: "a"), folder.appending(path: "b"))
            try AtomicFile.write([1], to: file.path)
            let descriptor = open(usual.path, O_CREAT | O_WRONLY, 0o666)
            #expect(close(descriptor) == 0)
            let modes = try [file, usual].map {
                try FileManager.default.attributesOfItem(atPath: $0.path)[.posixPermissions] as? Int
            }
            #expect(modes[0] != nil)
            #expect(modes[0] == modes[1])
        }
    }

    @Test func leavesReadersOfTheOldFileUndisturbed() throws {
        try Self.withFolder { (folder) throws in
            let file = folder.appending(path: "image.npy")
            try AtomicFile.write([1, 2, 3], to: file.path)
            let reader = try FileHandle(forReadingFrom: file)
            try AtomicFile.write([4, 5], to: file.path)
            #expect(try reader.readToEnd().map { [UInt8]($0) } == [1, 2, 3])
        }
    }

    @Test func anUncommittedFileLeavesNoTrace() throws {
        try Self.withFolder { (folder) throws in
            let path = folder.appending(path: "half").path
            do {
                let file = try AtomicFile(path: path)
                try file.write([1, 2, 3])
            }
            #expect(try Self.names(in: folder) == [])
            let file = try AtomicFile(path: path)
            try file.write([1, 2])
            try file.write([3])
            try file.commit()
            #expect(try [UInt8](Data(contentsOf: URL(filePath: path))) == [1, 2, 3])
        }
    }

    @Test func followsSymbolicLinks() throws {
        try Self.withFolder { (folder) throws in
            let (file, link) = (folder.appending(path: "file"), folder.appending(path: "link"))
            try AtomicFile.write([1], to: file.path)
            try FileManager.default.createSymbolicLink(atPath: link.path, withDestinationPath: "file")
            try AtomicFile.write([2], to: link.path)
            #expect([UInt8](try Data(contentsOf: file)) == [2])
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link.path) == "file")
        }
    }

    @Test func makesWhatALinkToNothingNames() throws {
        try Self.withFolder { (folder) throws in
            let (link, far) = (folder.appending(path: "link"), folder.appending(path: "far"))
            try FileManager.default.createDirectory(at: far, withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(atPath: link.path, withDestinationPath: "far/next")
            try FileManager.default.createSymbolicLink(
                atPath: far.appending(path: "next").path, withDestinationPath: "file")
            try AtomicFile.write([3], to: link.path)
            #expect([UInt8](try Data(contentsOf: far.appending(path: "file"))) == [3])
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link.path) == "far/next")
            #expect(try Self.names(in: folder) == ["far", "link"] && Self.names(in: far) == ["file", "next"])
            let loop = folder.appending(path: "loop").path
            try FileManager.default.createSymbolicLink(atPath: loop, withDestinationPath: "loop")
            #expect(throws: AtomicFileError(path: loop, step: .open, errno: ELOOP)) {
                try AtomicFile.write([1], to: loop)
            }
        }
    }

    @Test func aFileThatIsReplacedKeepsItsModeAndOwner() throws {
        try Self.withFolder { (folder) throws in
            let path = folder.appending(path: "secret").path
            try AtomicFile.write([1], to: path)
            #expect(chmod(path, 0o600) == 0)
            // Only root can give files away.
            let owner: uid_t = getuid() == 0 ? 12_345 : getuid()
            #expect(chown(path, owner, owner == 12_345 ? 23_456 : getgid()) == 0)
            var before = stat()
            #expect(stat(path, &before) == 0)
            try AtomicFile.write([2, 3], to: path)
            var after = stat()
            #expect(stat(path, &after) == 0)
            #expect(after.st_mode & 0o7777 == 0o600)
            #expect((after.st_uid, after.st_gid) == (before.st_uid, before.st_gid) && after.st_uid == owner)
            #expect(after.st_ino != before.st_ino, "replaced")
            #expect([UInt8](try Data(contentsOf: URL(filePath: path))) == [2, 3])
        }
    }

    @Test func aFileWithOtherNamesStaysOneFile() throws {
        try Self.withFolder { (folder) throws in
            let (one, other) = (folder.appending(path: "one"), folder.appending(path: "other"))
            try AtomicFile.write([UInt8](repeating: 1, count: 3 << 20), to: one.path)
            #expect(link(one.path, other.path) == 0)
            let bytes = [UInt8](repeating: 2, count: 2 << 20) + [3]
            try AtomicFile.write(bytes, to: one.path)
            #expect([UInt8](try Data(contentsOf: other)) == bytes)
            var status = stat()
            #expect(stat(one.path, &status) == 0 && status.st_nlink == 2)
            #expect(try Self.names(in: folder) == ["one", "other"])
        }
    }

    /// Whatever can be known, before anything is computed for it.
    @Test func whatCannotBeWrittenIsFoundOutAtFirst() throws {
        try Self.withFolder { (folder) throws in
            let file = folder.appending(path: "file").path
            try AtomicFile.write([1], to: file)
            for (path, code) in [
                ("", ENOENT), (folder.path, EISDIR), (folder.path + "/new/", EISDIR), (file + "/x", ENOTDIR),
                (folder.path + "/" + String(repeating: "n", count: 256), ENAMETOOLONG), ("/proc/x", ENOENT),
                (folder.path + "/no/x", ENOENT),
            ] {
                let error = AtomicFileError(path: path, step: .open, errno: code)
                #expect(throws: error) { try AtomicFile.check(path) }
                #expect(throws: error) { _ = try AtomicFile(path: path) }
            }
            #expect(AtomicFileError(path: "", step: .open, errno: ENOENT).reason == "its name is empty; name a file")
            try AtomicFile.check(file)
            try AtomicFile.check(folder.path + "/new")
            #expect(try Self.names(in: folder) == ["file"])
        }
    }

    @Test func aLockIsHeldOnceAndOnlyByAFileOfOurs() throws {
        try Self.withFolder { (folder) throws in
            let path = folder.appending(path: "run.lock").path
            do {
                let lock = try OutputLock(path)
                #expect(lock != nil && OutputLock.holder(path) == Int(getpid()))
                #expect(try OutputLock(path) == nil)
                withExtendedLifetime(lock) {}
            }
            #expect(try Self.names(in: folder) == [])
            // One that was left over is taken; a link, a folder, and a file with another name are not.
            try Data("1\n".utf8).write(to: URL(filePath: path))
            #expect(try OutputLock(path) != nil)
            let other = folder.appending(path: "precious")
            try Data("precious".utf8).write(to: other)
            for make in [
                { try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "precious") },
                { try FileManager.default.linkItem(atPath: other.path, toPath: path) },
                { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false) },
            ] as [() throws -> Void] {
                try make()
                let error = try #require(throws: Failure.self) { _ = try OutputLock(path) }
                #expect(error.status == .cannotCreate && error.message.contains(path), "\(error)")
                try FileManager.default.removeItem(atPath: path)
                #expect(try String(contentsOf: other, encoding: .utf8) == "precious")
            }
        }
    }

    @Test func writesNamesAsLongAsTheFileSystemAllows() throws {
        try Self.withFolder { (folder) throws in
            let name = String(repeating: "n", count: 255)
            try AtomicFile.write([1], to: folder.appending(path: name).path)
            #expect(try Self.names(in: folder) == [name])
            let error = AtomicFileError(path: folder.path + "/n" + name, step: .open, errno: ENAMETOOLONG)
            #expect(throws: error) { try AtomicFile.write([1], to: folder.path + "/n" + name) }
            #expect(try Self.names(in: folder) == [name])
        }
    }

    @Test func writesDevicesDirectly() throws {
        try AtomicFile.write([1, 2, 3], to: "/dev/null")
        var status = stat()
        #expect(stat("/dev/null", &status) == 0)
        #expect(status.st_mode & S_IFMT == S_IFCHR)
        #expect(throws: AtomicFileError(path: "/dev/full", step: .write, errno: ENOSPC)) {
            try AtomicFile.write([1], to: "/dev/full")
        }
    }

    @Test func namesPathStepAndReasonOfAFailure() throws {
        try Self.withFolder { (folder) throws in
            let missing = folder.path + "/missing/image.png"
            let error = AtomicFileError(path: missing, step: .open, errno: ENOENT)
            #expect(throws: error) { try AtomicFile.write([1], to: missing) }
            #expect(error.description == "cannot open \(missing): its folder does not exist; make it first")
            #expect(throws: AtomicFileError(path: folder.path, step: .open, errno: EISDIR)) {
                try AtomicFile.write([1], to: folder.path)
            }
            #expect(throws: AtomicFileError(path: "", step: .open, errno: ENOENT)) {
                try AtomicFile.write([1], to: "")
            }
            #expect(throws: AtomicFileError(path: "a\0b", step: .open, errno: EINVAL)) {
                try AtomicFile.write([1], to: "a\0b")
            }
            #expect(try Self.names(in: folder) == [])
        }
    }

    @Test func aFileThatIsThereStaysWhereItMayNotBeReplaced() throws {
        try Self.withFolder { (folder) throws in
            let path = folder.appending(path: "first").path
            for (bytes, isFirst) in [([1], true), ([2], false)] as [([UInt8], Bool)] {
                let file = try AtomicFile(path: path)
                try file.write(bytes)
                do {
                    try file.commit(replacing: false)
                    #expect(isFirst)
                } catch let error as AtomicFileError {
                    #expect(!isFirst && error == AtomicFileError(path: path, step: .rename, errno: EEXIST))
                }
            }
            #expect(try [UInt8](Data(contentsOf: URL(filePath: path))) == [1])
            #expect(try Self.names(in: folder) == ["first"])
        }
    }

    @Test func foldersAppearWholeOrNotAtAll() throws {
        try Self.withFolder { (folder) throws in
            let path = folder.appending(path: "shard").path
            for names in [["a", "b"], ["b", "c"]] {
                do {
                    let dropped = try AtomicFolder(path: path)
                    try dropped.write([9], to: "z")
                }
                let new = try AtomicFolder(path: path)
                for name in names { try new.write(Array(name.utf8), to: name) }
                try new.commit()
                #expect(try Self.names(in: folder) == ["shard"])
                #expect(try Self.names(in: folder.appending(path: "shard")) == names)
                #expect(try [UInt8](Data(contentsOf: URL(filePath: path + "/b"))) == Array("b".utf8))
            }
        }
    }

    @Test func aFolderThatCannotBeMadeIsNamed() throws {
        try Self.withFolder { (folder) throws in
            let path = folder.appending(path: "no/such").path
            #expect(throws: AtomicFileError(path: path, step: .open, errno: ENOENT)) {
                _ = try AtomicFolder(path: path)
            }
        }
    }
}
