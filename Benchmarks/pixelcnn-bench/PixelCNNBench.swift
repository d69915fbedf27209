// Times the engine alone: sessions on threads of their own, no server. The published size with random weights, or a file.

import ArgumentParser
import Foundation
import PixelCNNEngine
import PixelCNNModel
import Synchronization

@main
struct PixelCNNBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pixelcnn-bench", abstract: "Time the sampling engine.",
        discussion: """
            Prints a line of JSON for each case: images at once, threads, the median seconds of a run, images a second.

            Examples:
              pixelcnn-bench
              pixelcnn-bench --images 1,64 --threads 1,2 --runs 5
            """)

    @Option(help: "Images drawn at once, separated by commas.") var images = "1,4,16,64"
    @Option(help: "Threads, separated by commas.") var threads = "1,2"
    @Option(help: "Runs of each case; the median counts.") var runs = 3
    @Option(help: "A model file instead of random weights of the published size.") var model: String?
    @Option(help: "Rows and columns of the images.") var size = 32

    func validate() throws {
        guard runs > 0, size > 0, numbers(images) != nil, numbers(threads) != nil else {
            throw ValidationError("--images, --threads, --runs and --size take numbers above 0")
        }
    }

    func run() throws {
        let loaded = try model.map { try Model.load(path: $0) } ?? Model.random(try Hyperparameters(), seed: 1)
        let engine = Engine(model: loaded)
        for threads in numbers(threads) ?? [] {
            for images in numbers(images) ?? [] where threads <= images || images == 1 {
                let seconds = (0..<runs).map { _ in time(engine, images: images, threads: threads) }.sorted()[runs / 2]
                print(
                    """
                    {"images": \(images), "threads": \(threads), "seconds": \(rounded(seconds)), \
                    "images_per_second": \(rounded(Double(images) / seconds)), "instruction_set": "\(engine.instructionSet)"}
                    """)
                fflush(nil)
            }
        }
    }

    /// Seconds to draw `images` images, shared out evenly over `threads` threads.
    private func time(_ engine: Engine, images: Int, threads: Int) -> Double {
        if images < threads { return timeWithAssistance(engine) }
        let clock = ContinuousClock()
        let elapsed = clock.measure {
            DispatchQueue.concurrentPerform(iterations: threads) { thread in
                let share = images / threads + (thread < images % threads ? 1 : 0)
                let session = SamplingSession(engine: engine, capacity: share)
                for i in 0..<share {
                    let index = UInt64(thread * images + i)
                    session.add(
                        ImageTask(
                            height: size, width: size,
                            source: .sample(seed: 1, index: index, parameters: SamplingParameters())), tag: i)
                }
                while session.count > 0 { session.step { _, _ in } }
            }
        }
        return Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
    }

    private func timeWithAssistance(_ engine: Engine) -> Double {
        let session = SamplingSession(engine: engine, capacity: 1)
        session.add(
            ImageTask(height: size, width: size, source: .sample(seed: 1, index: 0, parameters: SamplingParameters())),
            tag: 0)
        let helper = HelperThread(assistance: session.assistance)
        let elapsed = ContinuousClock().measure {
            while session.count > 0 { session.step { _, _ in } }
        }
        helper.stop()
        return Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
    }

    private func numbers(_ list: String) -> [Int]? {
        let numbers = list.split(separator: ",").compactMap { Int($0) }.filter { $0 > 0 }
        return numbers.isEmpty ? nil : numbers
    }

    private func rounded(_ x: Double) -> Double { (x * 1e5).rounded() / 1e5 }
}

/// A thread that helps a session until it is told to stop.
final class HelperThread: Sendable {
    private let isDone = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)

    init(assistance: Assistance) {
        Thread { [self] in
            while !isDone.load(ordering: .relaxed) { assistance.help { !isDone.load(ordering: .relaxed) } }
            ended.signal()
        }.start()
    }

    func stop() {
        isDone.store(true, ordering: .relaxed)
        ended.wait()
    }
}
