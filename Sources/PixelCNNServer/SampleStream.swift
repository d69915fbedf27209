// One request's response as an event stream. The stream pulls: it takes what the job has completed when the connection
// has room for it, so a slow reader costs at most the job's own values, and nobody's speed.

import FoundationEssentials
import HTTPTypes
import HummingbirdCore
import ImageFormats
import NIOCore
import PixelCNNAPI
import PixelCNNScheduler

final class SampleStream: Sendable {
    /// A failure of our own, which the stream's last event has reported to the client.
    struct ReportedFailure: Error {
        let error: any Error
    }

    /// At most ten `progress` events per second.
    static let progressInterval = Duration.milliseconds(100)
    /// A stream that waits says so, for proxies that take silence for death.
    static let lifeSignInterval = Duration.seconds(15)
    /// A job that is refused is refused at once; the response waits that long for it, so that it can still be the
    /// status.
    static let admissionTime = Duration.milliseconds(100)

    /// Its changes wake the writer: something may be new, or it is time for a sign of life. They end with the job.
    private let progress: JobProgress
    private let encoder: SampleEventEncoder
    private let record: RequestRecord
    private let job: Task<Void, any Error>
    private let ticks: Task<Void, Never>

    /// Starts the job.
    ///
    /// - Throws: what the job throws where it does so at once, such as a full queue: nothing is streamed then.
    init(_ job: SamplingJob, encoder: SampleEventEncoder, streamsRows: Bool, exchange: Exchange) async throws {
        let progress = JobProgress(streamsRows: streamsRows)
        self.progress = progress
        self.encoder = encoder
        record = exchange.record
        self.job = exchange.client.start {
            exchange.client.ticket.giveBack()
            // Whoever reads must not wait for a job that has failed before it began.
            defer { progress.end() }
            try await exchange.served.backend.stream(job, to: progress)
        }
        ticks = Task {
            var pause = Self.admissionTime
            while (try? await Task.sleep(for: pause)) != nil {
                progress.wake()
                pause = Self.lifeSignInterval / 5  // so that no silence is much longer
            }
        }
        for await _ in progress.changes { return }
        do {
            try await self.job.value
        } catch {
            cancel()
            throw error
        }
    }

    private func cancel() {
        job.cancel()
        ticks.cancel()
    }

    /// The response, which streams until the job ends or the client is gone.
    func response(headers: HTTPFields) -> Response {
        var headers = headers
        headers[.contentType] = MediaTypeName.eventStream
        headers[.cacheControl] = "no-store"
        return Response(
            status: .ok, headers: headers, body: ResponseBody { writer in try await self.write(to: &writer) })
    }

    /// What was written, and when.
    private struct Written {
        /// Values done, by the last `progress`.
        var values = 0
        /// When the last `progress` was written.
        var progress = ContinuousClock.now
        /// When anything was.
        var last = ContinuousClock.now
    }

    private func write(to writer: inout any ResponseBodyWriter) async throws {
        defer { cancel() }
        var written = Written()
        try await writer.write(ByteBuffer(bytes: encoder.progress(progress)))
        // A task that is cancelled falls out of the loop.
        for await _ in progress.changes { try await writeNews(to: &writer, &written) }
        try Task.checkCancellation()
        try await writeUpdates(to: &writer, &written)
        let (last, failure) = try await lastEvent()
        try await writer.write(ByteBuffer(bytes: last))
        try await writer.finish(nil)
        if let failure { throw ReportedFailure(error: failure) }
    }

    private func writeNews(to writer: inout any ResponseBodyWriter, _ written: inout Written) async throws {
        try await writeUpdates(to: &writer, &written)
        let now = ContinuousClock.now
        let values = progress.valuesDone
        if values != written.values, now - written.progress >= Self.progressInterval {
            try await writer.write(ByteBuffer(bytes: encoder.progress(progress)))
            written = Written(values: values, progress: now, last: now)
        } else if now - written.last >= Self.lifeSignInterval {
            try await writer.write(ByteBuffer(bytes: ServerSentEvent.encode(comment: "still here")))
            written.last = now
        }
    }

    private func writeUpdates(to writer: inout any ResponseBodyWriter, _ written: inout Written) async throws {
        while let update = progress.takeUpdate() {
            try await writer.write(ByteBuffer(bytes: encoder.update(update)))
            written.last = .now
        }
    }

    /// `done`, or the error that ended the job; and what failed, where that is our own doing.
    ///
    /// - Throws: the cancellation of a job that nobody waits for any more.
    private func lastEvent() async throws -> ([UInt8], failure: (any Error)?) {
        do {
            try await job.value
            return (try encoder.done(progress), nil)
        } catch let error as CancellationError {
            throw error
        } catch {
            let problem = ProblemResponse(for: error)
            record.streamFailed(status: (problem ?? .internalError).status.code)
            return (try encoder.error(problem ?? .internalError), problem == nil ? error : nil)
        }
    }
}

/// The bytes of the events of one request: its job's news in the protocol's terms.
struct SampleEventEncoder: Sendable {
    /// Images of the request.
    let count: Int
    let shape: SampledImages.Shape
    /// Of the first image.
    let origin: SampledImages.Origin
    let format: SampleRequest.ImageFormat

    func progress(_ progress: JobProgress) throws -> [UInt8] {
        try ServerSentEvent.encode(
            SampleEventName.progress,
            ProgressEvent(done: progress.valuesDone, total: count * shape.count, imagesDone: progress.imagesDone))
    }

    func update(_ update: JobUpdate) throws -> [UInt8] {
        switch update {
        case .row(let image, let row, let values):
            let type = shape.elementType
            return try ServerSentEvent.encode(
                SampleEventName.row,
                RowEvent(
                    index: index(image), row: row, dtype: type.descr,
                    values: Data(NPYArray.bytes(of: values, type: type))))
        case .image(let image, let values, let logProbabilities):
            let images = SampledImages(values: values, shape: shape)
            var event = ImageEvent(index: index(image))
            switch format {
            case .npy: event.npy = Data(SampledImages.npy(image: values, shape: shape))
            case .npz:
                event.npz = Data(
                    images.npz(
                        logProb: logProbabilities?.model ?? [], logQ: logProbabilities?.proposal ?? [], isStack: false))
            case .png:
                var origin = origin
                origin.firstIndex = event.index
                event.png = Data(try images.png(origin: origin))
            }
            if let logProbabilities {
                event.logProb = Self.sum(logProbabilities.model)
                if !logProbabilities.proposal.isEmpty { event.logQ = Self.sum(logProbabilities.proposal) }
            }
            return try ServerSentEvent.encode(SampleEventName.image, event)
        }
    }

    /// In Double, in the order of storage, as bits per dimension are summed.
    private static func sum(_ logProbabilities: [Float]) -> Double { logProbabilities.reduce(0) { $0 + Double($1) } }

    func done(_ progress: JobProgress) throws -> [UInt8] {
        try ServerSentEvent.encode(
            SampleEventName.done,
            DoneEvent(
                n: count, seed: origin.seed, firstIndex: origin.firstIndex, rowsKnown: progress.rowsKnown))
    }

    func error(_ problem: ProblemResponse) throws -> [UInt8] {
        try ServerSentEvent.encode(SampleEventName.error, problem.problem)
    }

    private func index(_ image: Int) -> UInt64 { origin.firstIndex + UInt64(image) }
}
