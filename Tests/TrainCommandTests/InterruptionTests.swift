// Training on a real terminal that is lost, interrupted, and read by programs that go: Tests/Interrupt/interrupt.py,
// here with a small network; `make interrupt-test` has the published one. And streams that were never there.

import Foundation
import TestSupport
import Testing

@Suite struct InterruptionTests {
    private func run(_ program: String, _ arguments: [String], in folder: URL? = nil) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [program] + arguments
        if let folder { process.currentDirectoryURL = folder }
        let (output, errors) = (Pipe(), Pipe())
        (process.standardOutput, process.standardError) = (output, errors)
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let errorText = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Outcome(code: process.terminationStatus, output: text, errors: errorText)
    }

    @Test func aRunThatIsStoppedInAnyWayIsSavedAndGoesOn() throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Interrupt/interrupt.py").path
        let build = URL(filePath: try TrainProgram.path).deletingLastPathComponent().path
        let outcome = try run("python3", [script, build])
        #expect(outcome.code == 0 && outcome.errors.isEmpty, "\(outcome.output)\(outcome.errors)")
        // A lost terminal's shell may take the status with it.
        for name in ["SIGINT: status 130", "SIGTERM: status 143", "SIGHUP: status "] {
            #expect(outcome.output.components(separatedBy: name).count == 6, "\(outcome.output)")
        }
    }

    /// The checkpoint would be the next file that is opened, and get the lines for people.
    @Test func streamsThatAreClosedFromTheStartBecomeNoFile() throws {
        let folder = try TemporaryFolder()
        let model = Fixture.folder.appending(path: "tiny.pt").path
        let images = Fixture.folder.appending(path: "tiny-images.npy").path
        let program = try TrainProgram.path
        for (streams, code) in [("2>&-", 0), ("<&- 2>&-", 0), (">&- 2>&-", 73)] {
            let outcome = try run(
                "sh",
                [
                    "-c",
                    "\(program) --data \(images) --init \(model) --epochs 1 --lr 1e-9 --samples 0 --verbose --force "
                        + "--output out.safetensors \(streams)",
                ], in: folder.url)
            #expect(outcome.code == code, "\(streams): \(outcome.code) \(outcome.errors)")
            let inspected = try TrainProgram.run(["inspect", "out.safetensors"], in: folder.url)
            #expect(inspected.code == 0, "\(streams): \(inspected.errors)")
            let log = try String(contentsOf: folder.url.appending(path: "out.log.jsonl"), encoding: .utf8)
            #expect(log.split(separator: "\n").allSatisfy { $0.hasPrefix("{") }, "\(log)")
        }
    }

    @Test func nohupIsHeeded() throws {
        let folder = try TemporaryFolder()
        let (model, images) = (
            Fixture.folder.appending(path: "tiny.pt").path, Fixture.folder.appending(path: "tiny-images.npy").path
        )
        let command =
            "\(try TrainProgram.path) --data \(images) --init \(model) --epochs 300 --samples 0 "
            + "--output out.safetensors"
        let outcome = try run(
            "bash",
            [
                "-c",
                "nohup \(command) >out 2>&1 & while [ ! -e out.log.jsonl ]; do sleep 0.01; done; kill -HUP $!; wait $!",
            ], in: folder.url)
        #expect(outcome.code == 0, "\(outcome.code) \(outcome.errors)")
    }
}
