// Takes the events of one part's stream: images into their places, rows into the preview, counts into the progress.

import FoundationEssentials
import ImageFormats
import NIOCore
import PixelCNNAPI

struct PartCollector {
    private let part: SampleRequest
    private let shape: SampledImages.Shape
    /// Images and values that were done before this part.
    private let before: (images: Int, values: Int)
    private var parser = ServerSentEventParser()
    /// Values so far, (n, C, H, W), and which images they are of.
    private var values: [UInt16]
    private var isThere: [Bool]
    private(set) var isDone = false

    init(_ part: SampleRequest, shape: SampledImages.Shape, before: (images: Int, values: Int)) {
        (self.part, self.shape, self.before) = (part, shape, before)
        self.values = Array(repeating: 0, count: part.n * shape.count)
        self.isThere = Array(repeating: false, count: part.n)
    }

    /// Takes in the next piece of the stream.
    ///
    /// - Throws: the ``Problem`` that the stream ends with; ``Failure`` where it is not what it must be.
    mutating func take(_ buffer: ByteBuffer, display: DrawingDisplay) throws {
        for event in try parser.events(in: buffer.readableBytesView) {
            do {
                try self.take(event, display: display)
            } catch let error as DecodingError {
                throw Failure(.protocolError, "the daemon's \(event.name) event is not what it must be: \(error)")
            }
        }
        display.refresh()
    }

    private mutating func take(_ event: ServerSentEvent, display: DrawingDisplay) throws {
        switch event.name {
        case SampleEventName.progress:
            let progress = try JSONCoding.decode(ProgressEvent.self, from: event.data)
            display.progress.valuesDone = before.values + progress.done
            display.progress.imagesDone = before.images + progress.imagesDone
        case SampleEventName.row where display.preview != nil:
            let row = try JSONCoding.decode(RowEvent.self, from: event.data)
            if let image = place(row.index) {
                display.preview?.draw(row: row.row, of: image, values: Self.values(row))
            }
        case SampleEventName.image: try self.take(JSONCoding.decode(ImageEvent.self, from: event.data))
        case SampleEventName.done: isDone = true
        case SampleEventName.error: throw try JSONCoding.decode(Problem.self, from: event.data)
        default: break
        }
    }

    private mutating func take(_ event: ImageEvent) throws {
        guard let image = place(event.index), let npy = event.npy,
            let array = try? NPYArray(parsing: Array(npy)),
            array.shape == [self.shape.channels, shape.height, shape.width],
            let values = try? array.integers(as: UInt16.self, in: 0...self.shape.colors - 1)
        else { throw Failure(.protocolError, "the daemon sent an image that was not asked for") }
        self.values.replaceSubrange(image * shape.count..<(image + 1) * shape.count, with: values)
        isThere[image] = true
    }

    /// All values, once all images are there.
    func result() throws(Failure) -> [UInt16] {
        guard isDone, isThere.allSatisfy({ $0 }) else {
            throw Failure(.protocolError, "the daemon's stream ended before all images had come")
        }
        return values
    }

    /// Where the image of an absolute index lies in this part.
    private func place(_ index: UInt64) -> Int? {
        guard index >= part.firstIndex, index - part.firstIndex < UInt64(part.n) else { return nil }
        return Int(index - part.firstIndex)
    }

    private static func values(_ row: RowEvent) -> [UInt16] {
        let bytes = Array(row.values)
        guard row.dtype == NPYArray.ElementType.uint16.descr else { return bytes.map(UInt16.init) }
        return stride(from: 0, to: bytes.count - 1, by: 2).map { UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8 }
    }
}
