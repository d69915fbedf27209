// Where the daemon listens and the client looks.

import Testing

@testable import PixelCNNAPI

@Suite struct SocketPathTests {
    static let xdg = ["XDG_RUNTIME_DIR": "/run/user/7"]

    @Test func serverPrefersItsOptionThenTheUsersDirectoryThenTheSystems() throws {
        #expect(try SocketPath.forServer(option: "/a", environment: Self.xdg).path == "/a")
        #expect(
            try SocketPath.forServer(option: nil, environment: Self.xdg).path == "/run/user/7/pixelcnn.sock")
        #expect(try SocketPath.forServer(option: nil, environment: [:]).path == "/run/pixelcnn/pixelcnn.sock")
    }

    @Test func clientTriesEveryDefaultInOrder() throws {
        let found = try SocketPath.candidates(option: nil, environment: Self.xdg).map(\.path)
        #expect(found == ["/run/user/7/pixelcnn.sock", "/run/pixelcnn/pixelcnn.sock"])
    }

    @Test func clientTriesOnlyWhatItIsTold() throws {
        let environment = Self.xdg.merging(["PIXELCNN_SOCKET": "/b"]) { $1 }
        #expect(try SocketPath.candidates(option: "/a", environment: environment).map(\.path) == ["/a"])
        #expect(try SocketPath.candidates(option: nil, environment: environment).map(\.path) == ["/b"])
    }

    @Test func emptyAndRelativeVariablesCountAsUnset() throws {
        let environment = ["PIXELCNN_SOCKET": "", "XDG_RUNTIME_DIR": "run"]
        let found = try SocketPath.candidates(option: nil, environment: environment).map(\.path)
        #expect(found == [SocketPath.system])
        #expect(try SocketPath.forServer(option: nil, environment: ["XDG_RUNTIME_DIR": ""]).path == SocketPath.system)
    }

    @Test func aFinalSlashIsNotDoubled() throws {
        let path = try SocketPath.forServer(option: nil, environment: ["XDG_RUNTIME_DIR": "/run/user/7/"])
        #expect(path.path == "/run/user/7/pixelcnn.sock")
    }

    @Test func takes107BytesAndRefuses108ByName() throws {
        let longest = "/" + String(repeating: "x", count: 106)
        #expect(try SocketPath(longest).path == longest)
        let tooLong = "/" + String(repeating: "é", count: 53) + "x"
        let error = try #require(throws: SocketPathError.self) { try SocketPath(tooLong) }
        #expect(error == .tooLong(path: tooLong, length: 108))
        #expect(error.description.contains("108") && error.description.contains("107"))
    }

    @Test func aDirectoryThatMakesThePathTooLongIsAnError() {
        let environment = ["XDG_RUNTIME_DIR": "/" + String(repeating: "d", count: 100)]
        #expect(throws: SocketPathError.self) { try SocketPath.forServer(option: nil, environment: environment) }
    }

    @Test func refusesEmptyPathsAndZeroBytes() {
        #expect(throws: SocketPathError.empty) { try SocketPath("") }
        #expect(throws: SocketPathError.zeroByte) { try SocketPath("/a\0b") }
    }
}
