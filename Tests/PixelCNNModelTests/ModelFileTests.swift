// Model files that somebody writes to in place, while they are read and after.

import Foundation
import Synchronization
import Testing

@testable import PixelCNNModel

@Suite struct ModelFileTests {
    @Test(arguments: ["state.pt", "legacy.pt", "python.safetensors"])
    func aModelOutlivesItsFile(name: String) throws {
        try Fixture.withFile(Fixture.bytes(name), name: name) { path in
            let contents = try ModelContents.read(path: path)
            let model = try Model(contents, height: 5, width: 4)
            #expect(truncate(path, 0) == 0)
            #expect(contents.sha256() == model.source.sha256)
            for (name, floats) in try Fixture.expected() { #expect(model[name].floats() == floats, "\(name)") }
        }
    }

    /// As `cp new.pt model.pt` leaves it for a moment: empty, then half, then whole.
    @Test func aFileThatIsWrittenInPlaceLoadsOrIsRefused() throws {
        let bytes = try Fixture.bytes("state.pt")
        try Fixture.withFile(bytes) { path in
            let isOver = Atomic<Bool>(false)
            let hasEnded = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                while !isOver.load(ordering: .relaxed) {
                    guard let file = FileHandle(forWritingAtPath: path) else { continue }
                    try? file.truncate(atOffset: 0)
                    try? file.write(contentsOf: bytes.prefix(bytes.count / 2))
                    try? file.write(contentsOf: bytes.dropFirst(bytes.count / 2))
                }
                hasEnded.signal()
            }
            var counts = (loaded: 0, refused: 0)
            for _ in 0..<2000 {
                do throws(ModelFileError) {
                    let model = try Model.load(path: path)
                    #expect(model.source.byteCount == bytes.count)
                    counts.loaded += 1
                } catch {
                    counts.refused += 1
                }
            }
            isOver.store(true, ordering: .relaxed)
            hasEnded.wait()
            #expect(counts.refused > 0 && counts.loaded + counts.refused == 2000)
        }
    }

    @Test func aFileCutShortSaysWhatToDo() {
        let error = ModelFileError(file: "m.pt", .cutShort(bytes: 5, of: 9))
        #expect(error.exitCode == .dataError)
        #expect(
            "\(error)" == "m.pt: was cut short while it was read, to 5 of 9 bytes; put a new file in its place by "
                + "renaming it")
    }
}
