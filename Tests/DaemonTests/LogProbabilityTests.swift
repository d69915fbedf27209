// Log-probabilities with samples, from real daemons: those of a score of the same images, bit for bit, in one request
// or in parts, silently or with progress; and two models' scores of the same images.

import Foundation
import ImageFormats
import ImageImport
import PixelCNNAPI
import ServerTestSupport
import Support
import TestSupport
import Testing

@Suite struct LogProbabilityTests {
    /// Conditional, of as many channels and values as the tiny one.
    private static let bundled = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../Models/emoji32.safetensors").standardized.path

    private func array(_ file: [UInt8], _ name: String) throws -> NPYArray {
        try NPYArray(parsing: NPZFile(file).array(name))
    }

    /// Bit patterns, as NaN equals nothing.
    private func bits(_ array: NPYArray) -> [UInt32] { array.floats().map(\.bitPattern) }

    @Test(arguments: [[], ["--temperature", "0.9", "--top-k", "100"]])
    func theyAreTheScoresOfTheImages(options: [String]) async throws {
        try await RunningDaemon.run { daemon in
            let file = daemon.directory.file
            let result = try await daemon.client(
                ["sample", "-n", "5", "--seed", "3", "--quiet", "-o", file("a.npz")] + options)
            #expect(result.status == 0, "\(result.errors)")
            _ = try await daemon.client(["sample", "-n", "5", "--seed", "3", "-o", file("a.npy")] + options)
            let archive = try bytes(ofFile: file("a.npz"))
            #expect(try NPZFile(archive).names == ["samples", "log_prob"] + (options.isEmpty ? [] : ["log_q"]))
            #expect(try NPZFile(archive).array("samples") == bytes(ofFile: file("a.npy")))
            let score = try await Curl.send(
                Endpoint.score, socket: daemon.socket,
                [
                    "-H", "Content-Type: \(MediaTypeName.npy)", "-H", "Accept: \(MediaTypeName.npy)",
                    "--data-binary", "@\(file("a.npy"))",
                ])
            #expect(try NPZFile(archive).array("log_prob") == score.body)
            let json =
                "{\"n\":5,\"seed\":3,\"log_prob\":true"
                + (options.isEmpty ? "}" : ",\"temperature\":0.9,\"top_k\":100}")
            let response = try await Curl.send(Endpoint.samples, socket: daemon.socket, ["-d", json])
            #expect(response.headers["content-type"] == MediaTypeName.npz && response.body == archive)

            // The archive's own array, scored again.
            for name in ["s.npz", "s.npy"] {
                let again = try await daemon.client(
                    ["score", file("a.npz") + "/samples", "--quiet", "-o", file(name)])
                #expect(again.status == 0, "\(again.errors)")
            }
            #expect(try NPZFile(bytes(ofFile: file("s.npz"))).array("log_prob") == score.body)
            #expect(try bytes(ofFile: file("s.npy")) == score.body)
        }
    }

    @Test func partsAndProgressMakeTheSameArchive() async throws {
        let arguments = ["sample", "-n", "7", "--seed", "6", "--top-p", "0.9"]
        try await RunningDaemon.run { whole in
            try await RunningDaemon.run(["--max-images", "3"]) { parts in
                let one = whole.directory.file("one.npz")
                #expect(try await whole.client(arguments + ["-o", one]).status == 0)
                for (i, options) in [["--quiet"], ["--progress"]].enumerated() {
                    let many = parts.directory.file("many-\(i).npz")
                    let result = try await parts.client(arguments + ["-o", many] + options)
                    #expect(result.status == 0, "\(result.errors)")
                    #expect(try bytes(ofFile: many) == bytes(ofFile: one))
                }
            }
        }
    }

    @Test func givenPixelsHaveNone() async throws {
        try await RunningDaemon.run { daemon in
            let file = daemon.directory.file
            _ = try await daemon.client(["sample", "--seed", "1", "-o", file("a.npz")])
            _ = try await daemon.client(["sample", "--seed", "1", "-o", file("a.npy")])
            let completed = try await daemon.client(
                ["complete", "--rows", "3", file("a.npy"), "--seed", "1", "-o", file("b.npz")])
            #expect(completed.status == 0, "\(completed.errors)")
            let (drawn, rest) = (try bytes(ofFile: file("a.npz")), try bytes(ofFile: file("b.npz")))
            #expect(try array(drawn, "samples").integers() == array(rest, "samples").integers())
            let (all, some) = (try bits(array(drawn, "log_prob")), try bits(array(rest, "log_prob")))
            for place in all.indices { #expect(some[place] == (place % 64 < 24 ? 0 : all[place])) }
        }
    }

    @Test func anArchiveIsWrittenToAFileOrNotAtAll() async throws {
        try await RunningDaemon.run { daemon in
            let images = daemon.directory.file("a.npy")
            _ = try await daemon.client(["sample", "--seed", "1", "-o", images])
            for arguments in [["sample", "--format", "npz", "-o", "-"], ["score", images, "-o", "/dev/fd/x/y.npz"]] {
                let result = try await daemon.client(arguments)
                #expect(result.status != 0 && result.output.isEmpty, "\(result.errors)")
            }
            let shards = try await daemon.client(
                ["sample", "--format", "npz", "--output-dir", daemon.directory.file("shards")])
            #expect(shards.status == SystemExit.usage.rawValue && shards.errors.contains("npz"))
            let files = try FileManager.default.contentsOfDirectory(atPath: daemon.directory.path)
            #expect(Set(files).isSubset(of: ["a.npy", "d.sock", "d.sock.lock"]), "\(files)")
        }
    }

    @Test func twoModelsGiveLikelihoodRatios() async throws {
        try await RunningDaemon.run { own in
            try await RunningDaemon.run(["--model", Self.bundled]) { other in
                let file = own.directory.file
                _ = try await own.client(["sample", "-n", "5", "--seed", "1", "-o", file("a.npy")])
                let arguments = ["score", file("a.npy"), "--against", other.socket, "--label", "flags"]
                let result = try await own.client(arguments + ["--json"])
                try #require(result.status == 0, "\(result.errors)")
                struct Scores: Decodable {
                    let bits_per_dim, log_ratio: [Double]
                    let against: ScoreResponse
                }
                let scores = try JSONCoding.decode(Scores.self, from: result.output)
                let alone = try await own.client(["score", file("a.npy"), "--json"])
                let aloneScores = try JSONCoding.decode(ScoreResponse.self, from: alone.output)
                #expect(aloneScores.bitsPerDimension == scores.bits_per_dim)
                let others = try await other.client(["score", file("a.npy"), "--json", "--label", "flags"])
                #expect(try JSONCoding.decode(ScoreResponse.self, from: others.output) == scores.against)

                let written = try await own.client(arguments + ["--quiet", "-o", file("s.npz")])
                try #require(written.status == 0, "\(written.errors)")
                let archive = try bytes(ofFile: file("s.npz"))
                let sums = try ["log_prob", "log_prob_against"].map { name in
                    let values = try array(archive, name).floats()
                    return (0..<5).map { values[$0 * 192..<($0 + 1) * 192].reduce(0.0) { $0 + Double($1) } }
                }
                for i in 0..<5 { #expect(abs(sums[0][i] - sums[1][i] - scores.log_ratio[i]) < 1e-6) }
                let table = try await own.client(arguments)
                #expect(table.text.split(separator: "\n").count == 7)
                #expect(table.text.contains(String(format: "%.3f", scores.log_ratio[3])), "\(table.text)")

                let missing = try await own.client(["score", file("a.npy"), "--against", other.socket])
                #expect(missing.status == SystemExit.usage.rawValue && missing.errors.contains("--label"))
            }
            try await RunningDaemon.run(["--model", "\(Fixture.folder.path)/gray.safetensors"]) { other in
                _ = try await own.client(["sample", "--seed", "1", "-o", own.directory.file("b.npy")])
                let result = try await own.client(["score", own.directory.file("b.npy"), "--against", other.socket])
                #expect(result.status == SystemExit.usage.rawValue)
                #expect(result.errors.contains("the model of --against has 1"), "\(result.errors)")
            }
        }
    }
}
