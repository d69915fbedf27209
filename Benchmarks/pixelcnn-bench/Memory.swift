// Bytes per image in flight, as the kernel counts them: the process's resident pages with a session of 64 images after
// some rows, minus those before the session existed. Free pages of the heap are returned first; otherwise the images
// would reuse memory left over from packing the weights, and would seem to cost nothing.

import CMachineLimits
import Foundation
import PixelCNNEngine

/// What 64 images add.
struct MemoryResult: Encodable {
    let images: Int
    let bytesPerImage: Int
    let residentWithoutImages: Int
}

func measureMemory(_ engine: Engine) -> MemoryResult {
    report("memory of 64 images in flight")
    let images = 64
    machine_release_free_memory()
    let before = residentBytes()
    let session = SamplingSession(engine: engine, capacity: images)
    for i in 0..<images { session.add(engine.task(UInt64(i), size: 32), tag: i) }
    for _ in 0..<4 * 32 { session.step { _, _ in } }
    let added = residentBytes() - before
    return MemoryResult(images: session.count, bytesPerImage: added / images, residentWithoutImages: before)
}

/// Bytes in memory now.
private func residentBytes() -> Int { statusBytes("VmRSS") }

/// The most bytes that were in memory at once.
func peakBytes() -> Int { statusBytes("VmHWM") }

private func statusBytes(_ field: String) -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("\(field):") } ?? ""
    let kilobytes = line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }
    return (kilobytes ?? 0) * 1024
}
