// Where the daemon listens and the client looks.

import Testing

@testable import PixelCNNAPI

@Suite struct SocketPathTests {
    static let xdg = ["XDG_RUNTIME_DIR": "/run/user/7"]

    @Test func serverPrefersItsOptionThenTheUsersDirectoryThenTheSystems() throws {
        #expect(try SocketPath.forServer(option: "/a", environment: Self.xdg).path == "/a")
        #expect(
            try SocketPath.forServer(option: nil, environment: Self.xdg).path == "/run/user/7/pixelcnn.sock")
        #expect(
            try SocketPath.forServer(option: nil, environment: [:], userFolder: nil).path
                == "/run/pixelcnn/pixelcnn.sock")
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
        let found = try SocketPath.candidates(option: nil, environment: environment, userFolder: nil).map(\.path)
        #expect(found == [SocketPath.system])
        let server = try SocketPath.forServer(option: nil, environment: ["XDG_RUNTIME_DIR": ""], userFolder: nil)
        #expect(server.path == SocketPath.system)
    }

    @Test func theFolderThatThereIsStandsForAVariableThatIsNotSet() throws {
        for environment in [[:], ["XDG_RUNTIME_DIR": ""], ["XDG_RUNTIME_DIR": "run"]] {
            let found = try SocketPath.candidates(option: nil, environment: environment, userFolder: "/run/user/9")
            #expect(found.map(\.path) == ["/run/user/9/pixelcnn.sock", SocketPath.system])
            let server = try SocketPath.forServer(option: nil, environment: environment, userFolder: "/run/user/9")
            #expect(server.path == "/run/user/9/pixelcnn.sock")
        }
        let named = try SocketPath.candidates(option: nil, environment: Self.xdg, userFolder: "/run/user/9")
        #expect(named.map(\.path) == ["/run/user/7/pixelcnn.sock", SocketPath.system])
    }

    @Test(arguments: [
        ("unix:///a/b", "/a/b"), ("unix://d.sock", "d.sock"), ("unix:/a", "/a"), ("./unix:a", "./unix:a"),
        ("unix:a", "unix:a"),
    ])
    func aURLIsItsPath(text: String, path: String) throws {
        #expect(try SocketPath(text).path == path)
    }

    @Test func refusesAbstractNames() {
        #expect(throws: SocketPathError.abstract("@a")) { try SocketPath("@a") }
        #expect(throws: SocketPathError.abstract("@a")) { try SocketPath("unix://@a") }
        #expect(throws: SocketPathError.empty) { try SocketPath("unix://") }
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

    @Test func aDirectoryThatMakesThePathTooLongIsTheServersErrorAndNoCandidate() throws {
        let environment = ["XDG_RUNTIME_DIR": "/" + String(repeating: "d", count: 100)]
        #expect(throws: SocketPathError.self) { try SocketPath.forServer(option: nil, environment: environment) }
        let found = try SocketPath.candidates(option: nil, environment: environment)
        #expect(found.map(\.path) == [SocketPath.system])
        #expect(SocketPath.unusableCandidate(option: nil, environment: environment) != nil)
        #expect(SocketPath.unusableCandidate(option: "/a", environment: environment) == nil)
    }

    @Test func refusesEmptyPathsAndZeroBytes() {
        #expect(throws: SocketPathError.empty) { try SocketPath("") }
        #expect(throws: SocketPathError.zeroByte) { try SocketPath("/a\0b") }
    }
}
