// What every fuzzer shares: the entry point's bytes as Swift values, and a file in memory to hold them, for the model
// readers map a path. Rewriting one file costs microseconds, so thousands of inputs a second go through it.

import Glibc

/// The bytes libFuzzer hands over; valid during the call.
func fuzzBytes(_ start: UnsafePointer<UInt8>?, _ count: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count)
}

/// A file that exists only in memory and is written anew for each input.
struct MemoryFile: Sendable {
    private let descriptor: Int32
    /// Names the file to anything in this process that opens a path.
    let path: String

    init() {
        var name = Array("/dev/shm/fuzz-XXXXXX".utf8CString)
        descriptor = mkstemp(&name)
        precondition(descriptor >= 0, "mkstemp in /dev/shm failed with errno \(errno)")
        unlink(name)
        path = "/proc/self/fd/\(descriptor)"
    }

    /// Makes `bytes` the file's whole content.
    func write(_ bytes: UnsafeRawBufferPointer) {
        precondition(ftruncate(descriptor, 0) == 0, "ftruncate failed with errno \(errno)")
        var offset = 0
        while offset < bytes.count {
            let count = pwrite(
                descriptor, UnsafeRawBufferPointer(rebasing: bytes[offset...]).baseAddress, bytes.count - offset, offset
            )
            precondition(count > 0, "pwrite failed with errno \(errno)")
            offset += count
        }
    }
}
