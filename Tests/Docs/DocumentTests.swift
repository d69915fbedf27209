// What the documents tell people to type, typed: `run-blocks` pastes every block of commands of every document, in
// order, against real daemons on small models.

import Foundation
import ServerTestSupport
import Testing

enum Documents {
    static let root = URL(filePath: #filePath).appending(path: "../../..").standardized
    static let build = URL(
        filePath: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "/"
    ).deletingLastPathComponent().path

    /// Every document, by its path from the root.
    static let all = ["README.md", "CONTRIBUTING.md", "Models/README.md"] + markdown(in: "docs")

    private static func markdown(in folder: String) -> [String] {
        let names = FileManager.default.enumerator(atPath: root.appending(path: folder).path)
        return (names?.compactMap { $0 as? String } ?? []).filter { $0.hasSuffix(".md") }.sorted()
            .map { "\(folder)/\($0)" }
    }

    static func run(_ path: String) async throws -> CommandResult {
        try await Command.run(
            "/usr/bin/env", ["python3", "\(root.path)/Tests/Docs/run-blocks", "--build", build, path])
    }
}

@Suite struct DocumentTests {
    @Test(arguments: Documents.all) func everyCommandOfADocumentWorks(document: String) async throws {
        let result = try await Documents.run("\(Documents.root.path)/\(document)")
        #expect(result.status == 0, "\(result.text)\(result.errors)")
    }

    @Test func aCommandThatFailsIsNamedWithItsLine() async throws {
        let directory = try TemporaryDirectory()
        let file = directory.file("wrong.md")
        let text = """
            <!-- daemon: pixelcnn.pt -->
            ```sh
            pixelcnn model
            ```
            ```sh
            curl --unix-socket $XDG_RUNTIME_DIR/pixelcnn.sock -d '{"n": 0}' http://localhost/v1/samples
            pixelcnn status
            ```
            """
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        let result = try await Documents.run(file)
        #expect(result.status == 1 && result.errors.hasPrefix("\(file):6: "), "\(result.errors)")
        #expect(result.errors.contains("n is 0"), "\(result.errors)")
    }

    /// A link to a file of the project leads to one.
    @Test(arguments: Documents.all) func linksLeadSomewhere(document: String) throws {
        let file = Documents.root.appending(path: document)
        let text = try String(contentsOf: file, encoding: .utf8)
        for match in text.matches(of: #/\]\((?<target>[^)#:\s]+)(?:#[^)\s]*)?\)/#) {
            let target = file.deletingLastPathComponent().appending(path: String(match.target)).standardized.path
            #expect(FileManager.default.fileExists(atPath: target), "\(document) links to \(match.target)")
        }
    }
}
