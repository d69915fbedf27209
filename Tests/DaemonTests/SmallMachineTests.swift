// Machines that are too small, and those that only allow less than they have: a daemon says which limit it is, and
// never traps; it takes no more threads and memory than it may have.

import Foundation
import PixelCNNAPI
import ServerTestSupport
import Support
import Testing

@testable import pixelcnnd

@Suite(.timeLimit(.minutes(30))) struct SmallMachineTests {
    /// Starts a daemon under what a shell's commands have set; it is ready, or has ended, when this returns.
    private func start(_ shell: String, in directory: TemporaryDirectory, _ arguments: [String] = []) async throws
        -> (command: Command, isReady: Bool)
    {
        let socket = directory.file("d.sock")
        let options = ["--socket", socket, "--model", Programs.model] + arguments
        let command = try Command("/bin/sh", ["-c", "\(shell) \"$0\" \"$@\"", Programs.daemon] + options)
        var isReady = false
        #expect(
            await eventually {
                isReady = PlainRequest.get(Endpoint.readiness, socket: socket) != nil
                return isReady || !command.isRunning
            })
        return (command, isReady)
    }

    private func expectRefusal(_ shell: String, names limit: String) async throws {
        let result = try await start(shell, in: TemporaryDirectory()).command.wait()
        #expect(result.status == SystemExit.osError.rawValue, "\(result.errors)")
        let lines = result.errors.split(separator: "\n").filter { !$0.contains(" info ") }
        #expect(lines.count == 1 && lines[0].hasPrefix("pixelcnnd: ") && lines[0].contains(limit), "\(result.errors)")
    }

    @Test func tooFewDescriptorsAre71() async throws {
        try await expectRefusal("ulimit -n 16; exec", names: "ulimit -n")
    }

    /// Root has no such limit; a user that nobody else is has it.
    @Test(.enabled("only root becomes another user") { getuid() == 0 }, arguments: [1, 4, 8])
    func tooFewThreadsAre71(count: Int) async throws {
        let other = "exec setpriv --reuid=54321 --clear-groups --inh-caps=-all prlimit --nproc=\(count)"
        try await expectRefusal(other, names: "ulimit -u")
    }

    /// From nothing to enough: whatever the limit is, it is named, or the daemon serves.
    @Test func anyLimitOfTheAddressSpaceIsNamedOrKept() async throws {
        var outcomes: Set<Int32> = []
        for megabytes in stride(from: 400, through: 2000, by: 100) {
            let directory = try TemporaryDirectory()
            let (command, isReady) = try await start("ulimit -v \(megabytes << 10); exec", in: directory)
            if isReady {
                let response = try await Curl.send(
                    Endpoint.samples, socket: directory.file("d.sock"), json: "{\"n\": 256}")
                #expect(response.status == 200, "\(megabytes) MB")
                command.signal(SIGTERM)
            }
            let result = try await command.wait()
            #expect(isReady ? result.status == 0 : result.errors.contains("ulimit -v"), "\(result.errors)")
            #expect([0, SystemExit.osError.rawValue].contains(result.status), "\(megabytes) MB: \(result.errors)")
            outcomes.insert(result.status)
        }
        #expect(outcomes.contains(0))
    }

    @Test func threadsAreThoseThatAffinityAllows() async throws {
        let directory = try TemporaryDirectory()
        let (command, isReady) = try await start("exec taskset --cpu-list 0", in: directory)
        #expect(isReady)
        let body = try await Curl.send(Endpoint.model, socket: directory.file("d.sock")).body
        #expect(try JSONCoding.decode(ModelDescription.self, from: body).threads == 1)
        command.signal(SIGTERM)
        #expect(try await command.wait().status == 0)
    }
}

@Suite struct MemorySharesTests {
    private let need = MemoryShares.Need(weights: 10 << 20, file: 8 << 20, thread: 1 << 20)

    private func settings(_ arguments: [String] = []) throws -> Settings {
        try Settings(options: DaemonOptions.parse(["--threads", "2"] + arguments), environment: [:])
    }

    private func limits(_ megabytes: Int?, addressSpace: Int? = nil) -> MachineLimits {
        MachineLimits(
            processors: 2, groupMemory: megabytes.map { .init(bytes: $0 << 20, source: "/g/memory.max") },
            addressSpace: addressSpace.map { .init(bytes: $0 << 20, source: "ulimit -v") })
    }

    private func shares(_ megabytes: Int?, _ arguments: [String] = []) throws -> MemoryShares {
        try MemoryShares(settings(arguments), limits: limits(megabytes), need: need, addressSpace: 0)
    }

    @Test func withoutALimitTheyAreTheDefaults() throws {
        let shares = try shares(nil)
        #expect((shares.rowCaches, shares.prefixCache, shares.requests) == (1 << 30, 1 << 28, 1 << 30))
        #expect(shares.note == nil)
        let large = try self.shares(64 << 10)
        #expect((large.rowCaches, large.prefixCache, large.requests) == (1 << 30, 1 << 28, 1 << 30))
    }

    @Test func togetherTheyLeaveRoomForBothModels() throws {
        for megabytes in [128, 256, 512, 1024] {
            let shares = try shares(megabytes)
            let all = 2 * shares.rowCaches + 2 * shares.prefixCache + shares.requests
            let rest = (megabytes - 48 - 2 - 2 * 10 - 8) << 20
            #expect(all <= rest && all > rest * 9 / 10, "\(megabytes)")
            #expect(shares.note?.contains("/g/memory.max") == true)
        }
    }

    @Test func whatIsSetStays() throws {
        let shares = try shares(256, ["--max-row-caches", "\(40 << 20)", "--cache-size", "0"])
        #expect((shares.rowCaches, shares.prefixCache) == (40 << 20, 0))
        #expect(shares.requests < 100 << 20 && shares.requests > 80 << 20)
        let tooMuch = try self.shares(256, ["--max-row-caches", "\(1 << 40)"])
        #expect((tooMuch.rowCaches, tooMuch.prefixCache, tooMuch.requests) == (1 << 40, 0, 1 << 20))
    }

    @Test func whereTheModelHasNoRoomThatIs71() throws {
        #expect(try shares(80).note?.contains("no room for the second model of a reload") == true)
        let failure = #expect(throws: Failure.self) { try shares(70) }
        #expect(failure?.status == .osError)
        #expect(failure?.message.contains("limited to 73400320 bytes (/g/memory.max)") == true)
        let early = #expect(throws: Failure.self) {
            try MemoryShares.checkRoom(
                forModelAt: Programs.model, limits: limits(nil, addressSpace: 4), addressSpace: 0)
        }
        #expect(early?.status == .osError && early?.message.contains("(ulimit -v)") == true)
    }
}
