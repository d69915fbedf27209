// Work that takes many requests: a few of them at a time, so that the daemon never idles, each waited for with a
// patience of its own, also while the daemon is started again. All of them must be answered from one model.

import ImageFormats
import PixelCNNAPI
import Synchronization

struct LongJob: Sendable {
    /// Requests at a time. What one of them leaves of the daemon's threads while it ends, the others take.
    private static let width = 3
    /// The most images of a request: past it a person waits long for the next step of the bar.
    private static let mostImages = 512

    let client: DaemonClient
    let patience: PatienceOptions
    let model: ModelDescription
    let display: SharedDisplay

    /// Images of a request, each of `shape`: enough for all threads of the daemon, and no more than it takes.
    func imagesOfRequest(_ shape: SampledImages.Shape) -> Int {
        // A thread steps 64 images together.
        min(self.model.limits.images(ofValues: shape.count), Self.mostImages, 64 * max(1, self.model.threads))
    }

    /// Asks until there is an answer.
    ///
    /// - Throws: ``Failure``, also where another model, or another precision, has answered than was described.
    func ask(_ question: DaemonClient.Question) async throws -> HTTPAnswer {
        let patience = self.patience.patience()
        var waiting = Patience.Waiting(patience)
        var question = question
        question.check = model.checkAnswered
        while true {
            do {
                return try await client.send(question, patience: patience, notify: display.note)
            } catch let failure as Failure where failure.status == .unavailable {
                guard let pause = waiting.pause(atLeast: 1) else { throw failure }
                display.note("\(failure.message); trying again")
                try await Task.sleep(for: pause)
            }
        }
    }

    /// Asks for the items of a sequence, a few at a time, and takes what comes of them in their order.
    ///
    /// - Parameters:
    ///   - next: the next item, nil at the end.
    ///   - ask: what is done of each, several at a time.
    ///   - take: gets what has come of each, one after the other.
    func inOrder<Item: Sendable, Result: Sendable>(
        _ next: () throws -> Item?, ask: @escaping @Sendable (Item) async throws -> Result,
        take: (Result) throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: (Int, Result).self) { group in
            var (begun, taken) = (0, 0)
            var results: [Int: Result] = [:]  // that have come before their turn
            while true {
                while begun - taken < Self.width, let item = try next() {
                    group.addTask { [begun] in (begun, try await ask(item)) }
                    begun += 1
                }
                guard taken < begun else { return }
                while results[taken] == nil, let (number, result) = try await group.next() { results[number] = result }
                if let result = results.removeValue(forKey: taken) { try take(result) }
                taken += 1
            }
        }
    }
}

/// A display for requests that run at the same time.
final class SharedDisplay: Sendable {
    private struct State {
        let display: DrawingDisplay
        var lastNote: String?
    }

    private let isQuiet: Bool
    private let state: Mutex<State>

    /// Shows the progress of `images` images of `imageValues` values each.
    init(style: DrawingDisplay.Style, isQuiet: Bool, images: Int, imageValues: Int) {
        self.isQuiet = isQuiet
        self.state = Mutex(
            State(
                display: DrawingDisplay(
                    style: style, progress: DrawingProgress(images: images, imageValues: imageValues))))
        show(more: 0)
    }

    /// Says a line; what several requests have to say, once.
    func note(_ line: String) {
        if isQuiet { return }
        self.state.withLock { state in
            if state.lastNote != line { state.display.note(line) }
            state.lastNote = line
        }
    }

    /// Shows that `images` more images are done.
    func show(more images: Int) {
        self.state.withLock { state in
            state.display.progress.add(images: images)
            state.display.refresh()
            state.lastNote = nil
        }
    }

    /// Takes everything away.
    func clear() { state.withLock { $0.display.clear() } }
}
