// NumPy's containers: stored and deflated, one array and several; and what is wrong with one.

import Foundation
import ImageFormats
import Support
import Testing

@testable import ImageImport

@Suite struct NPZFileTests {
    private func array(_ name: String, _ key: String? = nil) throws -> NPYArray {
        try NPYArray(parsing: NPZFile(Fixture.bytes(name)).array(key))
    }

    @Test func arraysAreReadHoweverNumPyPackedThem() throws {
        for (name, key) in [
            ("stored.npz", nil), ("stored.npz", "arr_0"), ("deflated.npz", nil), ("deflated.npz", "images"),
            ("fortran.npz", nil),
        ] {
            let array = try array(name, key)
            #expect(array.shape == [2, 3, 4, 5])
            #expect(try array.integers() == Array(0..<120), "\(name)")
        }
        #expect(try array("deflated.npz", "labels").integers() == [0, 1])
        #expect(try array("several.npz", "x_test").integers() == Array(60..<120))
    }

    @Test func anArrayInAFileHasAPath() throws {
        #expect(NPZFile.split("a/b.npz/x_train") == ("a/b.npz", "x_train"))
        #expect(NPZFile.split("a/b.npz/c/d") == ("a/b.npz", "c/d"))
        #expect(NPZFile.split("a/b.npz") == ("a/b.npz", nil) && NPZFile.split("a/b.npz/") == ("a/b.npz/", nil))
        let file = try OpenFile.ofImages(Fixture.path("several.npz") + "/x_train")
        #expect(!file.isPlain && file.byteCount == 128 + 60 * 8)
        #expect(try OpenFile.ofImages(Fixture.path("rgb.bmp")).isPlain)
    }

    @Test func whatIsWrongIsToldInOneLine() throws {
        for (name, key, words) in [
            ("several.npz", nil, ["“x_train”, “x_test”, “y_train”, “y_test”", "say which", "images.npz/x_train"]),
            ("several.npz", "z", ["no array “z”", "“x_train”"]), ("objects.npz", nil, ["“arr_0”", "object"]),
        ] as [(String, String?, [String])] {
            let error = try #require(throws: NPZError.self) { try NPZFile(Fixture.bytes(name)).array(key) }
            print("\(name): \(error)")
            #expect(!"\(error)".contains("\n") && words.allSatisfy("\(error)".contains), "\(error)")
        }
        #expect(throws: NPZError.noArrays) { try NPZFile([0x50, 0x4b, 5, 6] + [UInt8](repeating: 0, count: 18)) }
    }

    /// Every byte of a file damaged in turn: an array is right or refused.
    @Test func damageIsFound() throws {
        for name in ["stored.npz", "deflated.npz"] {
            let file = try Fixture.bytes(name)
            for i in file.indices {
                var damaged = file
                damaged[i] ^= 0x55
                let found = try? NPZFile(damaged).array(name == "stored.npz" ? "arr_0" : "images")
                guard let found, let array = try? NPYArray(parsing: found) else { continue }
                #expect(try array.integers() == Array(0..<120), "byte \(i) of \(name)")
            }
            for length in file.indices {
                #expect(throws: NPZError.self) { try NPZFile(Array(file[..<length])).array(nil) }
            }
        }
    }

    /// A directory that claims more bytes than deflate can have packed allocates nothing.
    @Test func noMoreIsAllocatedThanTheFileCanHold() throws {
        var file = try Fixture.bytes("deflated.npz")
        let record = try #require(file.indices.last { file[$0...].starts(with: [0x50, 0x4b, 1, 2]) })
        let first = try #require(file.indices.first { file[$0...].starts(with: [0x50, 0x4b, 1, 2]) })
        #expect(record != first)
        for byte in 0..<3 { file[first + 24 + byte] = 0xff }
        file[first + 27] = 0x7f
        let error = try #require(throws: NPZError.self) { try NPZFile(file).array("images") }
        #expect(error == .damaged("images"))
    }
}
