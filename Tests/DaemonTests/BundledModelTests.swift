// Where the daemon looks for its bundled model.

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
        let found = BundledModel.find(executable: directory.file("usr/bin/pixelcnnd"))
        #expect(found == directory.file("usr/share/pixelcnn/emoji32.safetensors"))
    }

    @Test func aBuildTreeFindsItsSourceTrees() throws {
        try make("Package.swift")
        try make("Models/emoji32.safetensors")
        let found = BundledModel.find(executable: directory.file(".build/x86_64/release/pixelcnnd"))
        #expect(found == directory.file("Models/emoji32.safetensors"))
    }

    @Test func aFolderCalledModelsIsNotEnough() throws {
        try make("Models/emoji32.safetensors")
        #expect(BundledModel.find(executable: directory.file("bin/pixelcnnd")) == nil)
    }
}
