// What deflate has packed, unpacked by zlib: arrays in NumPy's containers, IDX files as they are downloaded. How much
// comes out is said beforehand: a small file can claim no more than 1032 times its size, deflate's largest ratio.

import CZlib

package enum Inflation {
    package enum Form {
        /// Without a header, as in ZIP.
        case plain
        /// gzip's, of one member or several.
        case gzip
    }

    /// How a gzip file begins.
    package static let gzipMagic: [UInt8] = [0x1f, 0x8b]
    /// The most bytes that a byte can become.
    package static let largestRatio = 1032

    /// The first bytes of what was packed, at most `most` of them; nil where it is damaged.
    package static func bytes(_ input: ArraySlice<UInt8>, _ form: Form, most: Int) -> [UInt8]? {
        guard most > 0 else { return [] }
        var stream = z_stream()
        let window = form == .gzip ? MAX_WBITS + 16 : -MAX_WBITS
        guard inflateInit2_(&stream, window, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            return nil
        }
        defer { inflateEnd(&stream) }
        var output = [UInt8](repeating: 0, count: most)
        var (read, written) = (0, 0)
        var status = Z_OK
        input.withUnsafeBufferPointer { input in
            output.withUnsafeMutableBufferPointer { output in
                // zlib counts in 32 bits.
                while status == Z_OK, written < most {
                    let (given, room) = (min(input.count - read, 1 << 30), min(most - written, 1 << 30))
                    stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress).map { $0 + read }
                    stream.avail_in = UInt32(given)
                    stream.next_out = output.baseAddress.map { $0 + written }
                    stream.avail_out = UInt32(room)
                    status = inflate(&stream, Z_NO_FLUSH)
                    read += given - Int(stream.avail_in)
                    written += room - Int(stream.avail_out)
                    if status == Z_STREAM_END, form == .gzip, read < input.count { status = inflateReset(&stream) }
                }
            }
        }
        guard status == Z_OK || status == Z_STREAM_END else { return nil }
        output.removeLast(most - written)
        return output
    }
}
