// Safetensors files, given to their reader whatever the first bytes look like.

@testable import PixelCNNModel

private let file = MemoryFile()

/// Takes one input.
@_cdecl("LLVMFuzzerTestOneInput") package func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    file.write(fuzzBytes(start, count))
    guard let modelFile = try? ModelFile(path: file.path) else { return 0 }  // empty
    do throws(ModelFileError.Problem) {
        use(try SafetensorsFile.read(modelFile, weights: nil))
    } catch {
        checkMessage(ModelFileError(file: file.path, error))
    }
    return 0
}
