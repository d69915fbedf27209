// What the documents tell people to type, typed: `run-blocks` pastes every block of commands of every document, in
// order, against real daemons with small models. And what they name: files, targets and functions exist.

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

    /// The folders that documents name files in.
    static let folders: Set = [
        ".ci", "Benchmarks", "Models", "Sources", "Tests", "debian", "docs", "scripts", "systemd",
    ]

    /// Every file in Sources, Tests and Benchmarks.
    static func sources() throws -> [URL] {
        try ["Sources", "Tests", "Benchmarks"].flatMap { folder in
            let root = root.appending(path: folder)
            let paths = try FileManager.default.subpathsOfDirectory(atPath: root.path)
            return paths.map { root.appending(path: $0) }
        }
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

    /// A file or folder of the project that a document names is there. What has a slash is a path from the root; a
    /// source without one may be in any folder.
    @Test(arguments: ["README.md", "CONTRIBUTING.md", "docs/TRACE.md"]) func namedFilesExist(document: String) throws {
        let text = try String(contentsOf: Documents.root.appending(path: document), encoding: .utf8)
        let sources = try Documents.sources().map(\.lastPathComponent)
        for match in text.matches(of: #/`(?<name>[A-Za-z.][\w.+@/-]*)`/#) {
            let name = String(match.name)
            let isPath = name.contains("/") && Documents.folders.contains(String(name.prefix { $0 != "/" }))
            guard isPath || [".swift", ".h", ".c"].contains(where: name.hasSuffix) else { continue }
            let path = Documents.root.appending(path: name).path
            let exists = FileManager.default.fileExists(atPath: path) || (!isPath && sources.contains(name))
            #expect(exists, "\(document) names \(name)")
        }
    }

    /// The README's table lists the targets in Sources; the shims of C libraries are left out.
    @Test func theLayoutListsEveryTarget() throws {
        let text = try String(contentsOf: Documents.root.appending(path: "README.md"), encoding: .utf8)
        let layout = try #require(text.components(separatedBy: "\n## Layout\n").last)
        let rows = layout.matches(of: #/(?m)^\| (?<targets>`[^|]*) \|/#)
        let listed = rows.flatMap { $0.targets.matches(of: #/`(?<name>[\w-]+)`/#).map { String($0.name) } }
        let folders = try FileManager.default.contentsOfDirectory(
            atPath: Documents.root.appending(path: "Sources").path)
        let shims = folders.filter {
            let map = Documents.root.appending(path: "Sources/\($0)/module.modulemap")
            return FileManager.default.fileExists(atPath: map.path)
        }
        #expect(Set(listed) == Set(folders).subtracting(shims))
    }

    /// Every function that docs/TRACE.md names stands in the file that it links to just before, and each of the two
    /// ways passes through as many files as it says.
    @Test func theTraceNamesFunctionsInTheirFiles() throws {
        let file = Documents.root.appending(path: "docs/TRACE.md")
        let text = try String(contentsOf: file, encoding: .utf8)
        for section in text.components(separatedBy: "\n## ") {
            var sources: [String: String] = [:]
            var path: String?
            for match in section.matches(of: #/\]\((?<link>\.\./[^)]+)\)|`(?<function>[A-Za-z_]\w*)(?:\([^`]*\))`/#) {
                if let link = match.link {
                    path = file.deletingLastPathComponent().appending(path: String(link)).standardized.path
                    if let path { sources[path] = try String(contentsOfFile: path, encoding: .utf8) }
                } else if let function = match.function, let path, let source = sources[path] {
                    let words = function == "init" ? "init" : path.hasSuffix(".swift") ? "func \(function)" : function
                    let definition = try Regex("\\b\(words)\\b")
                    #expect(source.contains(definition), "\(function) is not in \(path)")
                }
            }
            if let stated = section.firstMatch(of: #/passes through (?<count>\d+) files/#) {
                #expect(Int(stated.count) == sources.count, "\(sources.keys.sorted())")
            }
        }
    }
}
