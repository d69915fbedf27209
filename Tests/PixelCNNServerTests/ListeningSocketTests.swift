// Who owns a socket path, and what happens to what was there before.

import Foundation
import PixelCNNAPI
import ServerTestSupport
import Testing

@testable import PixelCNNServer

@Suite struct ListeningSocketTests {
    private let directory: TemporaryDirectory
    private let path: SocketPath

    init() throws {
        self.directory = try TemporaryDirectory()
        self.path = try SocketPath(self.directory.file("s.sock"))
    }

    private let me = PeerCredentials(processIdentifier: getpid(), user: geteuid())

    private func exists() -> Bool { FileIdentity(path: path.path) != nil }

    private func mode() -> mode_t {
        var status = stat()
        return lstat(path.path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    @Test func hasMode0660WhateverTheUmask() throws {
        let socket = try ListeningSocket.bind(path)
        #expect(mode() == 0o660)
        socket.release()
    }

    @Test func removesItsPathOnRelease() throws {
        let socket = try ListeningSocket.bind(path)
        #expect(exists())
        socket.release()
        #expect(!exists())
        socket.release()
    }

    @Test func refusesAPathThatIsServedAndNamesTheProcess() throws {
        let socket = try ListeningSocket.bind(path)
        let before = FileIdentity(path: path.path)
        let error = try #require(throws: ListeningSocketError.self) { try ListeningSocket.bind(path) }
        #expect(error == .alreadyServed(path: path.path, by: me))
        #expect(error.description.contains("(pid \(getpid())) serves \(path)"))
        #expect(FileIdentity(path: path.path) == before)
        socket.release()
    }

    /// As a daemon of another version, or any program, would.
    @Test func refusesASocketThatAnotherProgramServes() throws {
        let descriptor = try ListeningSocket.listen(at: path)
        defer { close(descriptor) }
        #expect(throws: ListeningSocketError.alreadyServed(path: path.path, by: me)) {
            try ListeningSocket.bind(path)
        }
        #expect(exists())
    }

    @Test func replacesAStaleSocket() throws {
        close(try ListeningSocket.listen(at: path))
        #expect(exists())
        let socket = try ListeningSocket.bind(path)
        #expect(mode() == 0o660)
        socket.release()
    }

    @Test func bindsAgainAfterARelease() throws {
        try ListeningSocket.bind(path).release()
        try ListeningSocket.bind(path).release()
        #expect(!exists())
    }

    @Test func leavesAFileThatIsNoSocketAlone() throws {
        try Data("precious".utf8).write(to: URL(fileURLWithPath: path.path))
        #expect(throws: ListeningSocketError.notASocket(path: path.path, owner: geteuid())) {
            try ListeningSocket.bind(path)
        }
        #expect(try bytes(ofFile: path.path) == Array("precious".utf8))
    }

    @Test func doesNotRemoveWhatTookItsPlace() throws {
        let socket = try ListeningSocket.bind(path)
        unlink(path.path)
        let descriptor = try ListeningSocket.listen(at: path)
        defer { close(descriptor) }
        socket.release()
        #expect(exists())
    }

    @Test func releasesThePathWithTheValue() throws {
        do {
            let socket = try ListeningSocket.bind(path)
            _ = socket.address
        }
        let again = try ListeningSocket.bind(path)
        again.release()
    }

    @Test func anInheritedSocketIsNamedButNotRemoved() throws {
        let socket = ListeningSocket(inheriting: try ListeningSocket.listen(at: path))
        #expect(socket.address == path.path)
        socket.removePath()
        socket.release()
        #expect(exists())
    }

    @Test func namesAFolderThatIsMissing() throws {
        let path = try SocketPath(directory.file("none/s.sock"))
        let error = try #require(throws: ListeningSocketError.self) { try ListeningSocket.bind(path) }
        #expect(error == .system("bind", path: path.path, code: ENOENT))
        #expect(error.description.contains("its folder does not exist"))
    }

    // MARK: - Files of others

    /// What is beside a socket: an unrelated file, one with two names, a link, a pipe, a folder.
    @Test func leavesEveryFileBesideItAlone() throws {
        let (lock, other) = (path.path + ".lock", directory.file("poetry.lock"))
        let content = Array("[[package]]\nname = \"torch\"\n".utf8)
        try Data(content).write(to: URL(fileURLWithPath: other))
        let makers: [(String, () throws -> Void)] = [
            ("a file", { try Data(content).write(to: URL(fileURLWithPath: lock)) }),
            ("an empty file", { try Data().write(to: URL(fileURLWithPath: lock)) }),
            ("a process identifier", { try Data("1\n".utf8).write(to: URL(fileURLWithPath: lock)) }),
            ("a second name", { try #require(link(other, lock) == 0) }),
            ("a link", { try #require(symlink(other, lock) == 0) }),
            ("a link to nothing", { try #require(symlink(directory.file("victim"), lock) == 0) }),
            ("a pipe", { try #require(mkfifo(lock, 0o600) == 0) }),
            ("a folder", { try #require(mkdir(lock, 0o700) == 0) }),
        ]
        for (name, make) in makers {
            try make()
            let before = try #require(FileIdentity(path: lock))
            let bytesBefore = try? name == "a pipe" ? [] : bytes(ofFile: lock)
            try ListeningSocket.bind(path).release()
            #expect(FileIdentity(path: lock) == before, "\(name)")
            #expect(bytesBefore == (try? name == "a pipe" ? [] : bytes(ofFile: lock)), "\(name)")
            #expect(try bytes(ofFile: other) == content, "\(name)")
            #expect(!FileManager.default.fileExists(atPath: directory.file("victim")), "\(name)")
            remove(lock)
        }
    }

    @Test func leavesNoFileBehind() throws {
        let socket = try ListeningSocket.bind(path)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["s.sock"])
        socket.release()
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [])
    }

    /// Whoever may read a folder may lock it; no daemon must be stopped by that.
    @Test func aLockOnTheFolderThatIsNeverReleasedStopsNobody() throws {
        let folder = open(directory.path, O_RDONLY | O_DIRECTORY)
        defer { close(folder) }
        #expect(flock(folder, LOCK_EX) == 0)
        close(try ListeningSocket.listen(at: path))  // stale
        let socket = try ListeningSocket.bind(path)
        #expect(throws: ListeningSocketError.alreadyServed(path: path.path, by: me)) {
            try ListeningSocket.bind(path)
        }
        socket.release()
        #expect(!exists())
    }

    /// In a folder that everybody may write to, with a lock file of theirs there, of the form of earlier versions.
    @Test(.enabled(if: getuid() == 0, "root is needed to be somebody else"))
    func aLockFileOfAnotherUserNeitherStopsNorIsBelieved() throws {
        #expect(chmod(directory.path, 0o1777) == 0)
        let lock = open(path.path + ".lock", O_RDWR | O_CREAT, 0o600)
        defer { close(lock) }
        #expect(write(lock, "1\n", 2) == 2 && fchown(lock, 65534, 65534) == 0 && flock(lock, LOCK_EX) == 0)
        try ListeningSocket.bind(path).release()
        #expect(try bytes(ofFile: path.path + ".lock") == Array("1\n".utf8))
    }

    @Test(.enabled(if: getuid() == 0, "root is needed to be somebody else"))
    func saysWhoseFileIsInTheWay() throws {
        try Data().write(to: URL(fileURLWithPath: path.path))
        #expect(chown(path.path, 65534, 65534) == 0)
        let error = try #require(throws: ListeningSocketError.self) { try ListeningSocket.bind(path) }
        #expect(error.description.contains("\(path) exists, of user 65534, and is not a socket; remove it"))
    }

    /// All find the same stale socket at the same moment; one of them serves, and is reached.
    @Test func ofManyThatStartAtOnceOneServes() async throws {
        for _ in 0..<50 {
            close(try ListeningSocket.listen(at: path))
            let sockets = await withTaskGroup(of: ListeningSocket?.self) { [path] group in
                for _ in 0..<4 { group.addTask { try? ListeningSocket.bind(path) } }
                return await group.reduce(into: [ListeningSocket]()) { if let socket = $1 { $0.append(socket) } }
            }
            #expect(sockets.count == 1)
            #expect(throws: ListeningSocketError.alreadyServed(path: path.path, by: me)) {
                try ListeningSocket.bind(path)
            }
            for socket in sockets { socket.release() }
            #expect(!exists())
        }
    }
}
