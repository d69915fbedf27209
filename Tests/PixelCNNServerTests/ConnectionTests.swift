// Connections: clients that leave, clients that only stop sending, several requests, and the drain.

import Foundation
import PixelCNNAPI
import ServerTestSupport
import Testing

@testable import PixelCNNServer

@Suite struct ConnectionTests {
    private static let samples =
        "POST /v1/samples HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    private static let health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

    @Test func aClientThatLeavesFreesItsImages() async throws {
        try await TestServer.run(.waiting) { server in
            let backend = server.backend
            try await RawConnection.open(server.socket) { session in
                try await session.send(Self.samples)
                #expect(await eventually { backend.running == 1 })
            }
            #expect(await eventually { backend.cancelled == 1 })
            #expect(await eventually { backend.running == 0 })
            let health = try await Curl.send(Endpoint.health, socket: server.socket)
            #expect(health.status == 200)
        }
    }

    @Test func aClientThatOnlyEndsItsSideGetsItsResponse() async throws {
        try await TestServer.run(.waiting) { server in
            let backend = server.backend
            try await RawConnection.open(server.socket) { session in
                try await session.send(Self.samples)
                #expect(await eventually { backend.running == 1 })
                session.finishSending()
                try await Task.sleep(for: .milliseconds(50))
                backend.behaviour = .responding
                #expect(try await session.responses(1).hasPrefix("HTTP/1.1 200 OK"))
            }
            #expect(backend.cancelled == 0)
        }
    }

    @Test func oneConnectionCarriesManyRequests() async throws {
        try await TestServer.run { server in
            try await RawConnection.open(server.socket) { session in
                try await session.send(Self.health)
                #expect(try await session.responses(1).contains("200 OK"))
                try await session.send(Self.samples)
                #expect(try await session.responses(2).components(of: "200 OK") == 2)
                // Two at once have their responses in order.
                try await session.send(Self.health + "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
                let all = try await session.responses(4)
                #expect(all.components(of: "200 OK") == 3)
                #expect(all.components(of: "404 Not Found") == 1)
            }
            #expect(server.backend.cancelled == 0)
        }
    }

    @Test func whatIsNotHTTPBecomes400AndIsClosed() async throws {
        try await TestServer.run { server in
            try await RawConnection.open(server.socket) { session in
                try await session.send("hello, is this PixelCNN?\r\n\r\n")
                #expect(try await session.everything().hasPrefix("HTTP/1.1 400 "))
            }
            let health = try await Curl.send(Endpoint.health, socket: server.socket)
            #expect(health.status == 200)
        }
    }

    @Test func drainingFinishesWhatRunsAndTakesThePathAway() async throws {
        try await TestServer.run(.waiting) { server in
            let backend = server.backend
            let shutDown = server.shutDown
            let socket = server.socket
            try await RawConnection.open(socket) { session in
                try await session.send(Self.samples)
                #expect(await eventually { backend.running == 1 })
                await shutDown()
                #expect(await eventually { !FileManager.default.fileExists(atPath: socket) })
                // Well past the grace for requests on their way, the running one still is.
                try await Task.sleep(for: UnixSocketServer.drainGrace * 2)
                #expect(backend.running == 1)
                backend.behaviour = .responding
                #expect(try await session.everything().hasPrefix("HTTP/1.1 200 OK"))
            }
            #expect(backend.cancelled == 0)
        }
    }

    @Test func whoComesToAnInheritedSocketDuringTheDrainIsLeftToTheNextProcess() async throws {
        nonisolated(unsafe) var held: CInt = -1
        defer { close(held) }
        let makeSocket = { (path: SocketPath) in
            held = try ListeningSocket.listen(at: path)
            return ListeningSocket(inheriting: dup(held))
        }
        try await TestServer.run(.waiting, makeSocket: makeSocket) { server in
            let backend = server.backend
            let shutDown = server.shutDown
            let socket = server.socket
            let draining = server.draining
            let inherited = held
            try await RawConnection.open(socket) { session in
                try await session.send(Self.samples)
                #expect(await eventually { backend.running == 1 })
                #expect(accept(inherited, nil, nil) == -1)
                await shutDown()
                for await _ in draining {}
                try await RawConnection.open(socket) { late in
                    try await late.send(Self.health)
                    try await Task.sleep(for: UnixSocketServer.drainGrace * 2)
                    let taken = accept(inherited, nil, nil)
                    #expect(taken >= 0, "the old server has accepted it")
                    close(taken)
                }
                backend.behaviour = .responding
                #expect(try await session.everything().hasPrefix("HTTP/1.1 200 OK"))
            }
            #expect(FileIdentity(path: socket) != nil)
        }
    }

    @Test func aConnectionMadeBeforeTheDrainStillHasItsResponseInItsGrace() async throws {
        try await TestServer.run { server in
            let shutDown = server.shutDown
            try await RawConnection.open(server.socket) { session in
                try await waitUntilAccepted(server)
                await shutDown()
                try await session.send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
                let response = try await session.responses(1)
                #expect(response.hasPrefix("HTTP/1.1 503 ") || response.hasPrefix("HTTP/1.1 200 "))
            }
        }
    }

    /// Connections are accepted in their order: who has a response comes after those that were there before.
    private func waitUntilAccepted(_ server: TestServer) async throws {
        #expect(try await Curl.send(Endpoint.health, socket: server.socket).status == 200)
    }

    @Test func whoConnectedBeforeTheDrainMaySendLate() async throws {
        // The grace is longer than this task may wait for its turn on a busy machine.
        try await TestServer.run(firstRequestGrace: testTimeout) { server in
            let shutDown = server.shutDown
            try await RawConnection.open(server.socket) { session in
                try await waitUntilAccepted(server)
                await shutDown()
                try await Task.sleep(for: UnixSocketServer.drainGrace * 4)
                try await session.send(Self.samples)
                let response = try await session.everything()
                #expect(response.hasPrefix("HTTP/1.1 200 OK"))
                #expect(response.contains("\r\nConnection: close\r\n"))
            }
        }
    }

    @Test func whatRunsPastTheBoundOfADrainBecomes503() async throws {
        try await TestServer.run(.waiting, drainTimeout: .milliseconds(500)) { server in
            let backend = server.backend
            let shutDown = server.shutDown
            try await RawConnection.open(server.socket) { session in
                try await session.send(Self.samples)
                #expect(await eventually { backend.running == 1 })
                await shutDown()
                #expect(try await session.everything().hasPrefix("HTTP/1.1 503 "))
            }
        }
    }

    @Test func idleConnectionsDoNotHoldUpTheDrain() async throws {
        try await TestServer.run { server in
            let shutDown = server.shutDown
            try await RawConnection.open(server.socket) { session in
                try await session.send(Self.health)
                _ = try await session.responses(1)
                await shutDown()
                // The server closes it: the stream ends.
                #expect(try await session.everything().components(of: "HTTP/1.1 ") == 1)
            }
        }
    }

    @Test func manyClientsAtOnceAllHaveTheirResponses() async throws {
        try await TestServer.run { server in
            let socket = server.socket
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<200 {
                    group.addTask {
                        nonisolated(unsafe) var hasResponse = false
                        try await RawConnection.open(socket) { session in
                            try await session.send(Self.samples)
                            hasResponse = try await session.responses(1).hasPrefix("HTTP/1.1 200 OK")
                        }
                        return hasResponse
                    }
                }
                for try await hasResponse in group { #expect(hasResponse) }
            }
            #expect(server.backend.samplingJobs.count == 200)
        }
    }
}
