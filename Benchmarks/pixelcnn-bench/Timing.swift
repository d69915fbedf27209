// Clocks, threads and progress, shared by all measurements.

import Foundation
import PixelCNNEngine
import PixelCNNKernels

/// Several runs of one case.
struct Timing {
    let seconds: Double  // the median
    let runs: Int

    /// Runs `body`, which gives its own seconds, up to `runs` times, but not again once `limit` has passed.
    static func median(runs: Int, limit: Duration, _ body: () -> Double) -> Timing {
        var times: [Double] = []
        repeat { times.append(body()) } while times.count < runs && times.reduce(0, +) < limit.inSeconds
        return Timing(seconds: middle(times), runs: times.count)
    }
}

/// The median; of an even number the upper one.
func middle(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

/// Seconds that `body` takes.
func seconds(_ body: () -> Void) -> Double { ContinuousClock().measure(body).inSeconds }

extension Duration {
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

/// Runs `body(0) … body(count − 1)` at once, each on its own thread in the engine's floating-point state.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let group = DispatchGroup()
    for index in 0..<count {
        group.enter()
        Thread {
            Kernels.resetFloatState()
            body(index)
            group.leave()
        }.start()
    }
    group.wait()
}

/// Prints what is being measured, for the person who waits.
func report(_ what: String) {
    FileHandle.standardError.write(Data("measuring: \(what)\n".utf8))
}

/// 1, 2, 4 … below `cores`, and `cores`.
func threadCounts(upTo cores: Int) -> [Int] {
    Array(sequence(first: 1) { $0 * 2 < cores ? $0 * 2 : nil }) + (cores > 1 ? [cores] : [])
}
