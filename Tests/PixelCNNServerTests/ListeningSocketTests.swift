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

    private func exists() -> Bool { FileIdentity(path: self.path.path) != nil }

    private func mode() -> mode_t {
        var status = stat()
        return lstat(self.path.path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    @Test func hasMode0660WhateverTheUmask() throws {
        let socket = try ListeningSocket.bind(self.path)
        #expect(self.mode() == 0o660)
        socket.release()
    }

    @Test func removesItsPathOnRelease() throws {
        let socket = try ListeningSocket.bind(self.path)
        #expect(self.exists())
        socket.release()
        #expect(!self.exists())
        socket.release()
    }

    @Test func refusesAPathThatIsServedAndNamesTheProcess() throws {
        let socket = try ListeningSocket.bind(self.path)
        let before = FileIdentity(path: self.path.path)
        let error = try #require(throws: ListeningSocketError.self) { try ListeningSocket.bind(self.path) }
        #expect(error == .alreadyServed(path: self.path.path, pid: getpid()))
        #expect(error.description.contains("(pid \(getpid())) serves \(self.path)"))
        #expect(FileIdentity(path: self.path.path) == before)
        socket.release()
    }

    @Test func refusesASocketThatIsServedWithoutALock() throws {
        let descriptor = try ListeningSocket.listen(at: self.path)
        defer { close(descriptor) }
        #expect(throws: ListeningSocketError.alreadyServed(path: self.path.path, pid: getpid())) {
            try ListeningSocket.bind(self.path)
        }
        #expect(self.exists())
    }

    @Test func replacesAStaleSocket() throws {
        close(try ListeningSocket.listen(at: self.path))
        #expect(self.exists())
        let socket = try ListeningSocket.bind(self.path)
        #expect(self.mode() == 0o660)
        socket.release()
    }

    @Test func bindsAgainAfterARelease() throws {
        try ListeningSocket.bind(self.path).release()
        try ListeningSocket.bind(self.path).release()
        #expect(!self.exists())
    }

    @Test func leavesAFileThatIsNoSocketAlone() throws {
        try Data("precious".utf8).write(to: URL(fileURLWithPath: self.path.path))
        #expect(throws: ListeningSocketError.notASocket(path: self.path.path)) { try ListeningSocket.bind(self.path) }
        #expect(try bytes(ofFile: self.path.path) == Array("precious".utf8))
    }

    @Test func doesNotRemoveWhatTookItsPlace() throws {
        let socket = try ListeningSocket.bind(self.path)
        unlink(self.path.path)
        let descriptor = try ListeningSocket.listen(at: self.path)
        defer { close(descriptor) }
        socket.release()
        #expect(self.exists())
    }

    @Test func releasesTheLockWithTheValue() throws {
        do {
            let socket = try ListeningSocket.bind(self.path)
            _ = socket.address
        }
        let again = try ListeningSocket.bind(self.path)
        again.release()
    }

    @Test func anInheritedSocketIsNamedButNeitherLockedNorRemoved() throws {
        let socket = ListeningSocket(inheriting: try ListeningSocket.listen(at: self.path))
        #expect(socket.address == self.path.path)
        #expect(!FileManager.default.fileExists(atPath: self.path.path + ".lock"))
        socket.removePath()
        socket.release()
        #expect(self.exists())
    }

    @Test func namesAFolderThatIsMissing() throws {
        let path = try SocketPath(self.directory.file("none/s.sock"))
        let error = try #require(throws: ListeningSocketError.self) { try ListeningSocket.bind(path) }
        #expect(error == .system("open", path: path.path + ".lock", code: ENOENT))
        #expect(error.description.contains("its folder does not exist"))
    }

    @Test func doesNotFollowALockThatIsALink() throws {
        try FileManager.default.createSymbolicLink(
            atPath: self.path.path + ".lock", withDestinationPath: self.directory.file("victim"))
        #expect(throws: ListeningSocketError.self) { try ListeningSocket.bind(self.path) }
        #expect(!FileManager.default.fileExists(atPath: self.directory.file("victim")))
    }
}
