// NumPy arrays as POST /v1/score takes them; what is read must survive being written and read again.

import ImageFormats

/// Takes one input.
@_cdecl("LLVMFuzzerTestOneInput") package func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    do throws(NPYError) {
        let array = try NPYArray(parsing: fuzzBytes(start, count))
        precondition(array.count <= count, "more elements than bytes")
        precondition(array.floats().count == array.count, "floats are not as many as elements")
        let levels = try array.integers(as: UInt8.self, in: 0...255)
        let copy = try? NPYArray(parsing: NPYArray.encode(levels, shape: array.shape))
        let copied = try? copy?.integers(as: UInt8.self, in: 0...255)
        precondition(copied == levels && copy?.shape == array.shape, "written and read again, it is another")
    } catch {
        check(error)
    }
    return 0
}

private func check(_ error: NPYError) {
    precondition(!error.description.contains("\n"), "the message of an error has more than one line")
}
