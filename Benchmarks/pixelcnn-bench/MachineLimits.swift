// The machine's limits: fused multiply-adds on registers, and reads of 8 MB per thread, which the core's own
// caches do not hold. The best of several runs counts here, since it is a limit.

import CMachineLimits
import Foundation

/// One thread's limits, or those of several at once, together.
struct MachineResult: Encodable {
    let threads: Int
    let multiplyAddFlopPerSecond: Double
    let readBytesPerSecond: Double
    let readBufferBytes: Int
}

func measureMachine(threads cores: Int) -> [MachineResult] {
    threadCounts(upTo: cores).map { threads in
        report("multiply-adds and reads of the machine, \(threads) threads")
        return MachineResult(
            threads: threads, multiplyAddFlopPerSecond: best { multiplyAdds(threads) },
            readBytesPerSecond: best { reads(threads) }, readBufferBytes: readFloats * MemoryLayout<Float>.stride)
    }
}

private let readFloats = 2 << 20  // 8 MB

private func best(_ body: () -> Double) -> Double { (0..<7).map { _ in body() }.max() ?? 0 }

/// Floating-point operations per second, about 0.1 s of them.
private func multiplyAdds(_ threads: Int) -> Double {
    let rounds: Int64 = 10_000_000
    let elapsed = seconds {
        onThreads(threads) { _ in
            var result: Float = 0.25
            _ = machine_multiply_add(rounds, &result)
        }
    }
    var result: Float = 0.25
    let operations = Double(machine_multiply_add(1, &result)) * Double(rounds) * Double(threads)
    return operations / elapsed
}

/// Bytes per second; every thread reads its own buffer, once to fetch it and then many times.
private func reads(_ threads: Int) -> Double {
    let passes = 200
    let buffers = Buffers(count: threads)
    let elapsed = seconds {
        onThreads(threads) { thread in
            for _ in 0..<passes { _ = machine_read(buffers[thread], readFloats) }
        }
    }
    return Double(passes * threads * readFloats * MemoryLayout<Float>.stride) / elapsed
}

/// One buffer per thread, with every page touched; only that thread reads it.
private final class Buffers: @unchecked Sendable {
    private let bases: [UnsafeMutablePointer<Float>]

    init(count: Int) {
        bases = (0..<count).map { _ in
            let base = UnsafeMutablePointer<Float>.allocate(capacity: readFloats)
            base.initialize(repeating: 1, count: readFloats)
            return base
        }
    }

    deinit { for base in bases { base.deallocate() } }

    subscript(thread: Int) -> UnsafePointer<Float> { UnsafePointer(bases[thread]) }
}
