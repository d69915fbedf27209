// Arrays read in pieces are those read whole, in every order.

import Testing

@testable import ImageFormats

@Suite struct NPYLayoutTests {
    private func layout(_ file: [UInt8]) throws -> NPYLayout {
        try NPYLayout { range in Array(file[range.clamped(to: 0..<file.count)]) }
    }

    @Test(arguments: ["u1", "u8_big", "b1", "fortran", "fortran_big", "version_2", "version_3"])
    func anyRowsAreThoseOfTheWhole(name: String) throws {
        let file = try Fixture.bytes("npy/\(name).npy")
        let whole = try NPYArray(parsing: file)
        let values = try whole.integers()
        let layout = try self.layout(file)
        #expect(layout.shape == whole.shape && layout.elementType == whole.elementType)
        try layout.check(fileBytes: file.count)
        let size = values.count / whole.shape[0]
        for start in 0..<whole.shape[0] {
            for end in start + 1...whole.shape[0] {
                let stretches = layout.stretches(ofRows: start..<end)
                let bytes = (0..<stretches.count).flatMap { i in
                    file[(stretches.start + i * stretches.stride)...].prefix(stretches.length)
                }
                let rows = layout.array(rows: end - start, bytes: bytes)
                #expect(rows.shape == [end - start] + whole.shape.dropFirst())
                #expect(try rows.integers() == Array(values[start * size..<end * size]))
            }
        }
    }

    @Test func headersThatEndEarlyAndFilesOfAnotherLengthAreRefused() throws {
        let file = NPYArray.encode([UInt8](0..<6), shape: [2, 3])
        for length in 0..<128 {
            #expect(throws: NPYError.self) { try self.layout(Array(file.prefix(length))) }
        }
        let layout = try self.layout(file)
        for length in [128, 133, 135] {
            #expect(
                throws: NPYError.lengthMismatch(
                    shape: [2, 3], elementType: .uint8, expected: 6, found: length - 128)
            ) { try layout.check(fileBytes: length) }
        }
    }
}
