// NumPy's containers as client and pixelcnn-train take them: no array is larger than deflate can have packed, and each
// is an array.

import ImageFormats
import ImageImport

/// Takes one input.
@_cdecl("LLVMFuzzerTestOneInput") package func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    do throws(NPZError) {
        let file = try NPZFile(Array(fuzzBytes(start, count)))
        for name in [nil, "arr_0", "images"] {
            do throws(NPZError) {
                let array = try file.array(name)
                precondition(array.count <= 1032 * count, "more bytes than deflate can have packed")
                do throws(NPYError) { _ = try NPYArray(parsing: array).floats() } catch {
                    preconditionFailure("the array of a container is none: \(error)")
                }
            } catch {
                check(error)
            }
        }
    } catch {
        check(error)
    }
    return 0
}

private func check(_ error: NPZError) {
    precondition(!error.description.contains("\n"), "the message of an error has more than one line")
    precondition(error.description.utf8.count < 1 << 14, "the message of an error is endless")
}
