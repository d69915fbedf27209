// What an event stream of `POST /v1/samples` carries, each kind as JSON behind `data:`. An index is absolute: the first
// image's is `first_index`. Bytes are base64 in JSON.

public import FoundationEssentials

/// The names behind `event:`.
public enum SampleEventName {
    /// ``ProgressEvent``, at most ten a second.
    public static let progress = "progress"
    /// ``RowEvent``, where the request asks for rows.
    public static let row = "row"
    /// ``ImageEvent``, as each image ends.
    public static let image = "image"
    /// ``DoneEvent``; the last event of a stream that has told everything.
    public static let done = "done"
    /// A ``Problem``; the last event of a stream that failed.
    public static let error = "error"
}

/// How far a request is.
public struct ProgressEvent: Sendable, Equatable, Codable {
    /// Values drawn so far.
    public var done: Int
    /// Values of all images.
    public var total: Int
    /// Images that have ended.
    public var imagesDone: Int

    /// An event, field by field.
    public init(done: Int, total: Int, imagesDone: Int) {
        (self.done, self.total, self.imagesDone) = (done, total, imagesDone)
    }

    enum CodingKeys: String, CodingKey {
        case done, total
        case imagesDone = "images_done"
    }
}

/// A finished row of an image.
public struct RowEvent: Sendable, Equatable, Codable {
    /// The image.
    public var index: UInt64
    /// The row, from 0 at the top.
    public var row: Int
    /// What a value is, as NPY's `descr` has it: `|u1` or `<u2`.
    public var dtype: String
    /// The values' bytes, (C, W).
    public var values: Data

    /// An event, field by field.
    public init(index: UInt64, row: Int, dtype: String, values: Data) {
        (self.index, self.row, self.dtype, self.values) = (index, row, dtype, values)
    }
}

/// A finished image; one of ``png`` and ``npy`` is there.
public struct ImageEvent: Sendable, Equatable, Codable {
    /// The image.
    public var index: UInt64
    /// A PNG file.
    public var png: Data?
    /// An NPY file, (C, H, W).
    public var npy: Data?

    /// An event, field by field.
    public init(index: UInt64, png: Data? = nil, npy: Data? = nil) {
        (self.index, self.png, self.npy) = (index, png, npy)
    }
}

/// The end of a stream that has told everything: what was drawn.
public struct DoneEvent: Sendable, Equatable, Codable {
    /// Images.
    public var n: Int
    /// The seed of all of them.
    public var seed: UInt64
    /// Index of the first.
    public var firstIndex: UInt64

    /// An event, field by field.
    public init(n: Int, seed: UInt64, firstIndex: UInt64) {
        (self.n, self.seed, self.firstIndex) = (n, seed, firstIndex)
    }

    enum CodingKeys: String, CodingKey {
        case n, seed
        case firstIndex = "first_index"
    }
}
