// One request answered as an event stream. The stream pulls: it takes what the job has to tell when the connection has
// room for it, so a slow reader costs at most the job's own values, and nobody's speed.

import HTTPTypes
import Hummingbird
import NIOCore
import PixelCNNAPI
import PixelCNNScheduler
import Synchronization

final class SampleStream: Sendable {
    /// A failure of our own, which the stream's last event has told the client of.
    struct ToldFailure: Error {
        let error: any Error
    }

    /// At most ten `progress` events a second.
    static let progressInterval = Duration.milliseconds(100)
    /// A stream that waits says so, for proxies that take silence for death.
    static let lifeSignInterval = Duration.seconds(15)
    /// A job that is refused is refused at once; the answer waits that long for it, so that it can still be the status.
    static let admissionTime = Duration.milliseconds(100)

    private let progress: JobProgress
    private let encoder: SampleEventEncoder
    private let record: RequestRecord
    /// Wakes the writer: something may be new, or it is time for a sign of life. Ends with the job.
    private let wakeUps: AsyncStream<Void>
    private let wakeUp: AsyncStream<Void>.Continuation
    /// How the job ended.
    private let outcome = Mutex<Result<Void, any Error>?>(nil)
    /// What cancels the job, and the tasks that wake the writer.
    private let work = Mutex<[@Sendable () -> Void]>([])

    private init(encoder: SampleEventEncoder, streamsRows: Bool, context: ServerContext) {
        self.progress = JobProgress(streamsRows: streamsRows)
        (self.encoder, self.record) = (encoder, context.record)
        (self.wakeUps, self.wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Starts the job.
    ///
    /// - Throws: what the job throws where it does so at once, such as a full queue: nothing is streamed then.
    static func start(
        _ job: SamplingJob, encoder: SampleEventEncoder, streamsRows: Bool, backend: any ComputeBackend,
        context: ServerContext
    ) async throws -> SampleStream {
        let stream = SampleStream(encoder: encoder, streamsRows: streamsRows, context: context)
        stream.begin(job, backend: backend, context)
        for await _ in stream.wakeUps { break }
        if case .failure(let error) = stream.outcome.withLock({ $0 }) {
            stream.cancel()
            throw error
        }
        return stream
    }

    private func begin(_ job: SamplingJob, backend: any ComputeBackend, _ context: ServerContext) {
        let compute = context.watch.start { [self] in
            context.pass.giveBack()
            do {
                try await backend.stream(job, to: progress)
                end(.success(()))
            } catch {
                end(.failure(error))
            }
        }
        let forward = Task { [wakeUp, changes = progress.changes] in
            for await _ in changes { wakeUp.yield() }
        }
        let tick = Task { [wakeUp] in
            var pause = Self.admissionTime
            while (try? await Task.sleep(for: pause)) != nil {
                if case .terminated = wakeUp.yield() { return }
                pause = Self.lifeSignInterval / 5  // so that no silence is much longer
            }
        }
        work.withLock { $0 = [compute.cancel, forward.cancel, tick.cancel] }
    }

    private func end(_ outcome: Result<Void, any Error>) {
        self.outcome.withLock { $0 = outcome }
        wakeUp.finish()
    }

    private func cancel() {
        for cancel in work.withLock({ $0 }) { cancel() }
    }

    /// The answer, which streams until the job ends or the client is gone.
    func response(headers: HTTPFields) -> Response {
        var headers = headers
        headers[.contentType] = MediaTypeName.eventStream
        headers[.cacheControl] = "no-store"
        return Response(
            status: .ok, headers: headers, body: ResponseBody { writer in try await self.write(to: &writer) })
    }

    private func write(to writer: inout any ResponseBodyWriter) async throws {
        defer { cancel() }
        var told = Told(values: 0, last: .now)
        try await writer.write(ByteBuffer(bytes: encoder.progress(progress)))
        // A task that is cancelled falls out of the loop.
        for await _ in wakeUps { try await writeNews(to: &writer, &told) }
        try await writeUpdates(to: &writer, &told)
        let (last, failure) = try lastEvent()
        try await writer.write(ByteBuffer(bytes: last))
        try await writer.finish(nil)
        if let failure { throw ToldFailure(error: failure) }
    }

    /// What was written, and when.
    private struct Told {
        /// Values done, by the last `progress`.
        var values: Int
        /// When the last `progress` was written.
        var progress: ContinuousClock.Instant
        /// When anything was.
        var last: ContinuousClock.Instant

        init(values: Int, last: ContinuousClock.Instant) {
            (self.values, self.progress, self.last) = (values, last, last)
        }
    }

    private func writeNews(to writer: inout any ResponseBodyWriter, _ told: inout Told) async throws {
        try await writeUpdates(to: &writer, &told)
        let (now, values) = (ContinuousClock.now, progress.valuesDone)
        if values != told.values, now - told.progress >= Self.progressInterval {
            try await writer.write(ByteBuffer(bytes: encoder.progress(progress)))
            (told.values, told.progress, told.last) = (values, now, now)
        } else if now - told.last >= Self.lifeSignInterval {
            try await writer.write(ByteBuffer(bytes: ServerSentEvent.encode(comment: "still here")))
            told.last = now
        }
    }

    private func writeUpdates(to writer: inout any ResponseBodyWriter, _ told: inout Told) async throws {
        while let update = progress.takeUpdate() {
            try await writer.write(ByteBuffer(bytes: encoder.update(update)))
            told.last = .now
        }
    }

    /// `done`, or the error that ended the job; and what failed, where that is our own doing.
    ///
    /// - Throws: the cancellation of a job that nobody waits for any more.
    private func lastEvent() throws -> ([UInt8], failure: (any Error)?) {
        switch outcome.withLock({ $0 }) {
        case .success: return (try encoder.done(), nil)
        case nil: throw CancellationError()
        case .failure(let error):
            if error is CancellationError { throw error }
            let answer = ProblemAnswer(for: error)
            record.streamFailed(status: (answer ?? .internalError).status.code)
            return (try encoder.error(answer ?? .internalError), answer == nil ? error : nil)
        }
    }
}
