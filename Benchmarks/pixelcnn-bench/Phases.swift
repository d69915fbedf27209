// Where a step's time goes: the session says which phase begins, a clock is read. Ten readings a pixel, below one per
// cent of one image's time.

import PixelCNNEngine

/// Seconds of one thread for all pixels of its images, by phase.
struct PhasesResult: Encodable {
    let images: Int
    let vertical: Double
    let horizontal: Double
    let output: Double
    let draw: Double
}

func measurePhases(_ engine: Engine) -> [PhasesResult] {
    [1, 64].map { images in
        report("phases of \(images) images on one thread")
        var spent: [SamplingPhase: Double] = [:]
        onThreads(1) { _ in _ = draw(engine, images: 1, threads: 1, size: 32) }
        let session = SamplingSession(engine: engine, capacity: images)
        for i in 0..<images { session.add(task(UInt64(i), size: 32), tag: i) }
        var (phase, since) = (SamplingPhase.horizontal, ContinuousClock.now)
        session.observePhase = { next in
            let now = ContinuousClock.now
            spent[phase, default: 0] += (now - since).inSeconds
            (phase, since) = (next, now)
        }
        while session.count > 0 { session.step { _, _ in } }
        session.observePhase?(.horizontal)
        return PhasesResult(
            images: images, vertical: spent[.vertical] ?? 0, horizontal: spent[.horizontal] ?? 0,
            output: spent[.output] ?? 0, draw: spent[.draw] ?? 0)
    }
}
