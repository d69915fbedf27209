// What an event stream of `POST /v1/samples` carries, each kind as JSON behind `data:`. An index is absolute: the first
// image's is `first_index`. Bytes are base64 in JSON.

import FoundationEssentials

/// The names behind `event:`.
package enum SampleEventName {
    /// ``ProgressEvent``, at most ten a second.
    package static let progress = "progress"
    /// ``RowEvent``, where the request asks for rows.
    package static let row = "row"
    /// ``ImageEvent``, as each image ends.
    package static let image = "image"
    /// ``DoneEvent``; the last event of a stream that has told everything.
    package static let done = "done"
    /// A ``Problem``; the last event of a stream that failed.
    package static let error = "error"
}

/// How far a request is.
package struct ProgressEvent: Sendable, Equatable, Codable {
    /// Values drawn so far.
    package var done: Int
    /// Values of all images.
    package var total: Int
    /// Images that have ended.
    package var imagesDone: Int

    /// An event, field by field.
    package init(done: Int, total: Int, imagesDone: Int) {
        (self.done, self.total, self.imagesDone) = (done, total, imagesDone)
    }

    enum CodingKeys: String, CodingKey {
        case done, total
        case imagesDone = "images_done"
    }
}

/// A finished row of an image.
package struct RowEvent: Sendable, Equatable, Codable {
    /// The image.
    package var index: UInt64
    /// The row, from 0 at the top.
    package var row: Int
    /// What a value is, as NPY's `descr` has it: `|u1` or `<u2`.
    package var dtype: String
    /// The values' bytes, (C, W).
    package var values: Data

    /// An event, field by field.
    package init(index: UInt64, row: Int, dtype: String, values: Data) {
        (self.index, self.row, self.dtype, self.values) = (index, row, dtype, values)
    }
}

/// A finished image; one of ``png`` and ``npy`` is there.
package struct ImageEvent: Sendable, Equatable, Codable {
    /// The image.
    package var index: UInt64
    /// A PNG file.
    package var png: Data?
    /// An NPY file, (C, H, W).
    package var npy: Data?

    /// An event, field by field.
    package init(index: UInt64, png: Data? = nil, npy: Data? = nil) {
        (self.index, self.png, self.npy) = (index, png, npy)
    }
}

/// The end of a stream that has told everything: what was drawn.
package struct DoneEvent: Sendable, Equatable, Codable {
    /// Images.
    package var n: Int
    /// The seed of all of them.
    package var seed: UInt64
    /// Index of the first.
    package var firstIndex: UInt64

    /// An event, field by field.
    package init(n: Int, seed: UInt64, firstIndex: UInt64) {
        (self.n, self.seed, self.firstIndex) = (n, seed, firstIndex)
    }

    enum CodingKeys: String, CodingKey {
        case n, seed
        case firstIndex = "first_index"
    }
}
