// What `make install` installs, with the programs beside this test bundle, in a folder that goes with the value.

import Foundation
import ServerTestSupport
import Testing

struct Installation {
    static let programs = ["pixelcnnd", "pixelcnn", "pixelcnn-train"]
    /// The source tree.
    static let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../..").standardized.path
    /// Where the programs are.
    static let build = URL(
        fileURLWithPath: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "/"
    ).deletingLastPathComponent().path

    private let directory: TemporaryDirectory
    /// Links to the programs, and the documents that they make.
    private var build: String { self.directory.file("build") }
    /// Where it is installed.
    var root: String { directory.file("root") }

    /// Makes the documents, and installs nothing yet.
    init() async throws {
        directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: build, withIntermediateDirectories: false)
        for program in Self.programs {
            try FileManager.default.createSymbolicLink(
                atPath: "\(build)/\(program)", withDestinationPath: "\(Self.build)/\(program)")
        }
        try await make("documents")
    }

    /// Runs make, which is to succeed.
    @discardableResult func make(_ arguments: String...) async throws -> CommandResult {
        let result = try await Command.run(
            "/usr/bin/make",
            ["--silent", "-C", Self.source, "BUILD=\(build)", "DESTDIR=\(root)"] + arguments)
        try #require(result.status == 0, "\(result.text)\(result.errors)")
        return result
    }

    /// The files below the root, as paths from there.
    func files() -> [String] {
        let paths = FileManager.default.enumerator(atPath: root)?.allObjects as? [String] ?? []
        return paths.filter { path in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: "\(root)/\(path)", isDirectory: &isFolder)
                && !isFolder.boolValue
        }.sorted()
    }

    /// Runs a program on a manual page such as `pixelcnnd.8`.
    func run(
        _ program: String, _ arguments: [String], page: String, environment: [String: String] = [:]
    ) async throws -> CommandResult {
        let path = "\(build)/share/man/man\(page.last ?? "0")/\(page)"
        return try await Command.run("/usr/bin/\(program)", arguments + [path], environment: environment)
    }

    /// What a program prints.
    static func text(_ program: String, _ arguments: String...) async throws -> String {
        let result = try await Command.run("\(build)/\(program)", arguments)
        try #require(result.status == 0, "\(program) \(arguments): \(result.errors)")
        return result.text
    }
}
