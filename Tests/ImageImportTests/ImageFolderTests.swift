// A folder with everything that people's folders have, and more.

import Foundation
import Support
import Testing

@testable import ImageImport

@Suite struct ImageFolderTests {
    /// A tree in a new folder: files by their paths, and links with what they hold.
    static func withTree(
        _ files: [String], links: [(name: String, target: String)] = [], _ body: (String) throws -> Void
    ) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "image-folder-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for file in files {
            let url = URL(filePath: "\(folder)/\(file)")
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data([1]).write(to: url)
        }
        for link in links {
            try FileManager.default.createSymbolicLink(
                atPath: "\(folder)/\(link.name)", withDestinationPath: link.target)
        }
        try body(folder)
    }

    @Test func everyImageIsFoundOnceWhateverTheLinks() throws {
        try Self.withTree(
            [
                "data/a/1.png", "data/a/2.JPEG", "data/b/1.webp", "data/b/2.tif", "data/b/deep/er/3.bmp", "data/4.npy",
                "far/dogs/5.jpg", "far/6.png",
            ],
            links: [
                ("data/dogs", "../far/dogs"), ("data/again", "../far/dogs"), ("data/a/loop", ".."),
                ("data/b/self", "self"), ("data/b/none", "nowhere"), ("data/a/6.png", "../../far/6.png"),
                ("data/b/one.png", "../a/1.png"), ("far/back", "../data"), ("data/0", "a"),
            ]
        ) { root in
            var folder = try ImageFolder(root + "/data")
            // The first link in order brings in what the others lead to; what is in the folder itself comes first.
            #expect(
                folder.names == [
                    "4.npy", "a/1.png", "a/2.JPEG", "a/6.png", "again/5.jpg", "b/1.webp", "b/2.tif",
                    "b/deep/er/3.bmp",
                ])
            let note = try #require(folder.note)
            for words in [
                "links that lead nowhere: 2 (b/none, b/self)",
                "links to what is there already: 4 (0, a/loop, b/one.png, …)",
            ] {
                #expect(note.contains(words), "\(note)")
            }
            folder.leaveOutArrays()
            #expect(folder.names.first == "a/1.png" && folder.note?.contains("arrays: 1 (4.npy)") == true)
            #expect(try ImageFolder(root + "/data/").names == ImageFolder(root + "/data").names)
            folder.leaveOut(damaged: ["b/2.tif", "a/1.png"])
            #expect(folder.names == ["a/2.JPEG", "a/6.png", "again/5.jpg", "b/1.webp", "b/deep/er/3.bmp"])
            #expect(folder.note?.contains("pictures that cannot be decoded: 2 (a/1.png, b/2.tif)") == true)
        }
    }

    @Test func hiddenNamesAreNobodysImagesAndOtherKindsAreNamed() throws {
        try Self.withTree([
            "cats/1.png", ".ipynb_checkpoints/1-checkpoint.png", "cats/._1.png", "cats/.DS_Store", ".hidden.png",
            "notes.txt", "cats/clip.gif", "cats/README", "cats/Thumbs.db", "cats/png",
        ]) { root in
            let folder = try ImageFolder(root)
            #expect(folder.names == ["cats/1.png"])
            #expect(
                folder.note
                    == "\(root)/: left out files of other kinds: 5 (cats/README, cats/Thumbs.db, cats/clip.gif, …)")
        }
    }

    @Test func aTrainingRunsOwnPicturesAreNotItsData() throws {
        try Self.withTree([
            "1.png", "run.samples.png", "run.loss.png", "run.log.jsonl", "loss.png", "other.samples.png",
            "more/run.loss.png", "more/loss.png",
        ]) { root in
            let folder = try ImageFolder(root)
            #expect(folder.names == ["1.png", "more/loss.png", "more/run.loss.png", "other.samples.png"])
            #expect(folder.note?.contains("pictures that a training run has made: 3 (loss.png, run.loss.png") == true)
        }
    }

    @Test func namesThatAreNotTextAreNamed() throws {
        try Self.withTree(["1.png"]) { root in
            let path = Array(root.utf8CString.dropLast()) + [UInt8]("/caf".utf8).map { CChar(bitPattern: $0) } + [-23]
            let descriptor = open(path + Array(".png".utf8CString), O_CREAT | O_WRONLY, 0o600)
            #expect(close(descriptor) == 0)
            let folder = try ImageFolder(root)
            #expect(folder.names == ["1.png"])
            #expect(folder.note?.contains("names that are not UTF-8: 1 (caf\\xE9.png)") == true)
        }
    }

    @Test func whatIsNoFolderIsAnErrorAndCancellingEndsTheSearch() throws {
        try Self.withTree(["a/1.png"]) { root in
            for (path, status) in [(root + "/none", SystemExit.noInput), (root + "/a/1.png", .dataError)] {
                let error = try #require(throws: Failure.self) { _ = try ImageFolder(path) }
                #expect(error.status == status && error.message.contains(path), "\(error)")
            }
            #expect(throws: Failure.self) { _ = try ImageFolder(root) { true } }
        }
    }
}
