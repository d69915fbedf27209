// What is written equals what NumPy writes, byte for byte, and reads back.

import Testing

@testable import ImageFormats

@Suite struct NPYEncodingTests {
    /// Lines of `written.txt`: element type, shape, and the file in hexadecimal.
    static func written() throws -> [(code: String, shape: [Int], file: [UInt8])] {
        let text = String(decoding: try Fixture.bytes("npy/written.txt"), as: UTF8.self)
        return text.split(separator: "\n").map { line in
            let fields = line.split(separator: " ")
            let digits = Array(fields[2].utf8).map { Int($0 < 0x3A ? $0 - 0x30 : $0 - 0x57) }
            return (
                code: String(fields[0]),
                shape: fields[1].split(separator: ",").compactMap { Int($0) },  // "-" is a scalar's
                file: stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
            )
        }
    }

    @Test func writesTheBytesThatNumPyWrites() throws {
        let written = try Self.written()
        #expect(written.count == 50)
        for (code, shape, file) in written {
            let values = (0..<shape.reduce(1, *)).map { $0 * 5 }
            let encoded =
                switch code {
                case "u1": NPYArray.encode(values.map { UInt8($0) }, shape: shape)
                case "u2": NPYArray.encode(values.map { UInt16($0) }, shape: shape)
                default: NPYArray.encode(values.map { Float($0) }, shape: shape)
                }
            #expect(encoded == file, "\(code) \(shape)")
        }
    }

    @Test func beginsTheDataAtAMultipleOf64() {
        for rank in 0...64 {
            let file = NPYArray.encode([UInt8(7)], shape: [Int](repeating: 1, count: rank))
            #expect((file.count - 1) % 64 == 0, "rank \(rank)")
            #expect(file.last == 7)
        }
    }

    @Test func readsBackWhatItWrites() throws {
        let floats: [Float] = [0, -0.5, .infinity, .leastNonzeroMagnitude, 3e38, -1]
        let array = try NPYArray(parsing: NPYArray.encode(floats, shape: [3, 2]))
        #expect(array.elementType == .float32)
        #expect(array.shape == [3, 2])
        #expect(array.floats() == floats)

        let integers: [UInt16] = [0, 1, 255, 256, 65535, 512]
        let wide = try NPYArray(parsing: NPYArray.encode(integers, shape: [1, 1, 2, 3]))
        #expect(wide.elementType == .uint16)
        #expect(try wide.integers(as: UInt16.self, in: 0...65535) == integers)
    }
}
