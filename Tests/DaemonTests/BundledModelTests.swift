// Where the daemon looks for its bundled models, and their names.

import Foundation
import ServerTestSupport
import Testing

@testable import pixelcnnd

@Suite struct BundledModelTests {
    private let directory: TemporaryDirectory

    init() throws {
        self.directory = try TemporaryDirectory()
    }

    private func make(_ name: String) throws {
        let url = URL(fileURLWithPath: directory.file(name))
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data().write(to: url)
    }

    @Test func anInstallationsShareFolderComesFirst() throws {
        try make("usr/share/pixelcnn/emoji32.safetensors")
        try make("Package.swift")
        try make("Models/emoji32.safetensors")
        let found = BundledModel.emoji.find(executable: directory.file("usr/bin/pixelcnnd"))
        #expect(found == directory.file("usr/share/pixelcnn/emoji32.safetensors"))
    }

    @Test func aBuildTreeFindsItsSourceTrees() throws {
        try make("Package.swift")
        try make("Models/emoji32.safetensors")
        let found = BundledModel.emoji.find(executable: directory.file(".build/x86_64/release/pixelcnnd"))
        #expect(found == directory.file("Models/emoji32.safetensors"))
    }

    @Test func aFolderCalledModelsIsNotEnough() throws {
        try make("Models/emoji32.safetensors")
        #expect(BundledModel.emoji.find(executable: directory.file("bin/pixelcnnd")) == nil)
    }

    @Test(arguments: [nil, "digits", "emoji", "./emoji"])
    func namesAreThoseOfModelsAndNotOfFiles(name: String?) async throws {
        let result = try await Command.run(Programs.daemon, ["--check"] + (name.map { ["--model", $0] } ?? []))
        guard name != "./emoji" else {
            #expect(result.status == 66 && result.errors.contains("./emoji"), "\(result.errors)")
            return
        }
        let file = name == "emoji" ? "Models/emoji32.safetensors" : "Models/digits28.safetensors"
        #expect(result.status == 0 && result.text.contains(file), "\(result.text)\(result.errors)")
    }
}
