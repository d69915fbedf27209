// A model that is replaced while requests run: each is computed with one model, and counters only grow.

import Foundation
import PixelCNNAPI
import PixelCNNScheduler
import ServerTestSupport
import Synchronization
import Testing

@testable import PixelCNNServer

/// Set by one task, read by others.
private final class Flag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { self.value.load(ordering: .relaxed) }

    func set() { value.store(true, ordering: .relaxed) }
}

@Suite struct ServedModelTests {
    private static let samples =
        "POST /v1/samples HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

    /// A model of one channel, with a digest of its own.
    private func other(_ backend: FakeBackend = FakeBackend(channels: 1)) -> ServedModel {
        var model = TestServer.model(channels: 1)
        model.sha256 = String(repeating: "0f", count: 32)
        return ServedModel(model: model, backend: backend, limits: RequestLimits(maximumImages: 2))
    }

    @Test func aRequestEndsOnTheModelThatItBeganWith() async throws {
        try await TestServer.run(.waiting) { server in
            let (backend, state, other) = (server.backend, server.state, self.other())
            let unused = Flag()
            try await RawConnection.open(server.socket) { session in
                try await session.send(Self.samples)
                #expect(await eventually { backend.running == 1 })
                let previous = state.replace(with: other)
                Task {
                    await state.waitUntilUnused(previous)
                    unused.set()
                }
                let next = try await Curl.send(Endpoint.samples, socket: server.socket, json: "{\"n\":2}")
                #expect(next.status == 200)
                #expect(next.headers["pixelcnn-model"] == other.model.sha256)
                let tooMany = try await Curl.send(Endpoint.samples, socket: server.socket, json: "{\"n\":3}")
                #expect(tooMany.status == 422)
                #expect(!unused.isSet)
                backend.behaviour = .responding
                #expect(try await session.responses(1).contains("PixelCNN-Model: \(TestServer.sha256)\r\n"))
                // On the same connection.
                try await session.send(Self.samples)
                #expect(try await session.responses(2).contains("PixelCNN-Model: \(other.model.sha256)\r\n"))
            }
            #expect(await eventually { unused.isSet })
            #expect(backend.samplingJobs.count == 1)
        }
    }

    @Test func descriptionsAreOfTheServedModel() async throws {
        try await TestServer.run { server in
            let other = self.other()
            _ = server.state.replace(with: other)
            let response = try await Curl.send(Endpoint.model, socket: server.socket)
            let model = try JSONCoding.decode(ModelDescription.self, from: response.body)
            #expect(model == other.model)
            #expect(model.limits.maximumImages == 2)
            let malformed = try await Curl.send(Endpoint.health, socket: server.socket, ["-H", "A\u{1}: b"])
            #expect(malformed.status == 400)
            #expect(malformed.headers["pixelcnn-model"] == other.model.sha256)
        }
    }

    @Test func refusalsAreOfTheServedModelToo() async throws {
        try await TestServer.run { server in
            try await RawConnection.open(server.socket) { session in
                try await session.send(Self.samples)
                #expect(try await session.responses(1).contains("PixelCNN-Model: \(TestServer.sha256)\r\n"))
                let other = self.other(FakeBackend(.crowded, channels: 1))
                _ = server.state.replace(with: other)
                try await session.send(Self.samples)
                let responses = try await session.responses(2)
                #expect(responses.contains("HTTP/1.1 429"))
                #expect(responses.contains("PixelCNN-Model: \(other.model.sha256)\r\n"))
            }
        }
    }

    @Test func countersOnlyGrow() throws {
        let first = ServedModel(model: TestServer.model(), backend: FakeBackend())
        let state = ServerState(first)
        #expect((state.status.imagesCompleted, state.status.imagesInFlight, state.pixelsCompleted) == (5, 3, 2))
        #expect(state.replace(with: other()) === first)
        // The backend's 6 values are 2 pixels of three channels, and 6 of one.
        #expect((state.status.imagesCompleted, state.status.imagesInFlight, state.pixelsCompleted) == (10, 6, 8))
        state.forget(first)
        #expect((state.status.imagesCompleted, state.status.imagesInFlight, state.pixelsCompleted) == (10, 3, 8))
        #expect(state.status.threads == 7)
        state.forget(first)
        #expect(state.status.imagesCompleted == 10)
    }

    /// Were the state locked meanwhile, this would end the process.
    @Test func requestsBeginAndEndWhileABackendIsAskedForItsStatus() {
        let backend = FakeBackend()
        let first = ServedModel(model: TestServer.model(), backend: backend)
        let state = ServerState(first)
        backend.whenAsked = { [weak state] in
            if let state { state.endRequest(state.beginRequest()) }
        }
        _ = (state.status, state.pixelsCompleted, state.progress)
        _ = state.replace(with: other())
        _ = (state.status, state.pixelsCompleted, state.progress)
        state.forget(first)
        #expect(state.progress == 7)
    }

    @Test func anUnusedModelIsNotWaitedFor() async throws {
        let first = ServedModel(model: TestServer.model(), backend: FakeBackend())
        let state = ServerState(first)
        let used = state.beginRequest()
        #expect(state.idleTime == nil)
        state.endRequest(used)
        #expect(state.idleTime != nil)
        await state.waitUntilUnused(state.replace(with: other()))
        state.forget(first)
        await state.waitUntilUnused(first)
    }
}
