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
        #expect(error == .alreadyServed(path: path.path, pid: getpid()))
        #expect(error.description.contains("(pid \(getpid())) serves \(path)"))
        #expect(FileIdentity(path: path.path) == before)
        socket.release()
    }

    @Test func refusesASocketThatIsServedWithoutALock() throws {
        let descriptor = try ListeningSocket.listen(at: path)
        defer { close(descriptor) }
        #expect(throws: ListeningSocketError.alreadyServed(path: path.path, pid: getpid())) {
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
        #expect(throws: ListeningSocketError.notASocket(path: path.path)) { try ListeningSocket.bind(path) }
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

    @Test func releasesTheLockWithTheValue() throws {
        do {
            let socket = try ListeningSocket.bind(path)
            _ = socket.address
        }
        let again = try ListeningSocket.bind(path)
        again.release()
    }

    @Test func anInheritedSocketIsNamedButNeitherLockedNorRemoved() throws {
        let socket = ListeningSocket(inheriting: try ListeningSocket.listen(at: path))
        #expect(socket.address == path.path)
        #expect(!FileManager.default.fileExists(atPath: path.path + ".lock"))
        socket.removePath()
        socket.release()
        #expect(exists())
    }

    @Test func namesAFolderThatIsMissing() throws {
        let path = try SocketPath(directory.file("none/s.sock"))
        let error = try #require(throws: ListeningSocketError.self) { try ListeningSocket.bind(path) }
        #expect(error == .system("open", path: path.path + ".lock", code: ENOENT))
        #expect(error.description.contains("its folder does not exist"))
    }

    @Test func doesNotFollowALockThatIsALink() throws {
        try FileManager.default.createSymbolicLink(
            atPath: path.path + ".lock", withDestinationPath: directory.file("victim"))
        #expect(throws: ListeningSocketError.self) { try ListeningSocket.bind(path) }
        #expect(!FileManager.default.fileExists(atPath: directory.file("victim")))
    }
}
