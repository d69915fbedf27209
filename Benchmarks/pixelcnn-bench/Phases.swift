// Where a step's time goes: the session calls at the start of each phase, and a clock is read. Ten readings per pixel,
// below one per cent of one image's time.

import PixelCNNEngine
import PixelCNNKernels

/// Seconds of one thread for all pixels of its images, by phase: those of the run of median length.
struct PhasesResult: Encodable {
    let images: Int
    let vertical: Double
    let horizontal: Double
    let output: Double
    let draw: Double

    var total: Double { vertical + horizontal + output + draw }
}

func measurePhases(_ engine: Engine) -> [PhasesResult] {
    [(images: 1, runs: 9), (images: 64, runs: 3)].map { images, runs in
        report("phases of \(images) images on one thread")
        let all = (0..<runs).map { _ in timePhases(engine, images: images) }
        return all.sorted { $0.total < $1.total }[runs / 2]
    }
}

private func timePhases(_ engine: Engine, images: Int) -> PhasesResult {
    Kernels.resetFloatState()
    let session = SamplingSession(engine: engine, capacity: images)
    for i in 0..<images { session.add(engine.task(UInt64(i), size: 32), tag: i) }
    var spent = Array(repeating: Duration.zero, count: SamplingPhase.allCases.count)
    var (phase, since) = (SamplingPhase.horizontal, ContinuousClock.now)
    session.observePhase = { next in
        let now = ContinuousClock.now
        spent[phase.rawValue] += now - since
        (phase, since) = (next, now)
    }
    while session.count > 0 { session.step { _, _ in } }
    session.observePhase?(.horizontal)
    func seconds(_ phase: SamplingPhase) -> Double { spent[phase.rawValue].inSeconds }
    return PhasesResult(
        images: images, vertical: seconds(.vertical), horizontal: seconds(.horizontal), output: seconds(.output),
        draw: seconds(.draw))
}
