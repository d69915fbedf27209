// Whole PyTorch files: ZIP end records, directory and local headers, then whatever the archive holds.

private let file = MemoryFile()

/// Takes one input.
@_cdecl("LLVMFuzzerTestOneInput") package func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    file.write(fuzzBytes(start, count))
    load(path: file.path)
    return 0
}
