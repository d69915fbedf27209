// Whose turn it is on a worker that has small and large images. Each job has the same claim to the machine's time,
// spread evenly over its images in flight, and a session's claim is that of its images. One request for an image beside
// a large job on two workers thus has 1 against ½ here: two thirds of this worker, several pixels for each of the large
// job's, and the large job still has two thirds of the machine.

/// Shares one thread's time by what was spent, piece by piece: a session that has had less than its share is next.
struct TimeShare {
    /// Claims of the images of each size; 0 where there are none.
    var claims = PerSize<Double>.zero {
        didSet { if !isShared { owedToSmall = 0 } }
    }

    /// Seconds of its share that the small images have not had; negative where they have had more.
    private var owedToSmall = 0.0

    private var isShared: Bool { claims.small > 0 && claims.large > 0 }

    /// The size to compute a piece of. Small images come first where nothing is owed: a new one begins at once.
    var next: JobSize {
        if isShared { owedToSmall >= 0 ? .small : .large } else { claims.small > 0 ? .small : .large }
    }

    /// Notes that a piece took so long.
    mutating func didSpend(seconds: Double, on size: JobSize) {
        guard isShared else { return }
        owedToSmall += seconds * claims.small / claims.total - (size == .small ? seconds : 0)
    }
}
