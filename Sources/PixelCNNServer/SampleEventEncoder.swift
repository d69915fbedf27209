// The bytes of the events of one request: its job's news in the protocol's terms.

import FoundationEssentials
import ImageFormats
import PixelCNNAPI
import PixelCNNScheduler

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
            ProgressEvent(
                done: progress.valuesDone, total: self.count * self.shape.count, imagesDone: progress.imagesDone))
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
        case .image(let image, let values):
            var event = ImageEvent(index: index(image))
            switch format {
            case .npy: event.npy = Data(SampledImages.npy(image: values, shape: shape))
            case .png:
                var origin = self.origin
                origin.firstIndex = event.index
                event.png = Data(try SampledImages(values: values, shape: shape).png(origin: origin))
            }
            return try ServerSentEvent.encode(SampleEventName.image, event)
        }
    }

    func done() throws -> [UInt8] {
        try ServerSentEvent.encode(
            SampleEventName.done,
            DoneEvent(n: count, seed: origin.seed, firstIndex: origin.firstIndex))
    }

    func error(_ answer: ProblemAnswer) throws -> [UInt8] {
        try ServerSentEvent.encode(SampleEventName.error, answer.problem)
    }

    private func index(_ image: Int) -> UInt64 { origin.firstIndex + UInt64(image) }
}
