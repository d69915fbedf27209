// The event stream of `POST /v1/samples`: what its events carry, each kind as JSON behind `data:`, and server-sent
// events as the HTML standard has them, lines of `event:` and `data:` with an empty line after each event. The daemon
// writes them, the client reads them. An index is absolute: the first image's is `first_index`. Bytes are base64 in
// JSON.

import FoundationEssentials

// MARK: - What events carry

/// The names behind `event:`.
package enum SampleEventName {
    /// ``ProgressEvent``, at most ten per second.
    package static let progress = "progress"
    /// ``RowEvent``, where the request wants rows.
    package static let row = "row"
    /// ``ImageEvent``, as each image ends.
    package static let image = "image"
    /// ``DoneEvent``; the last event of a stream that has reported everything.
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

    package init(done: Int, total: Int, imagesDone: Int) {
        self.done = done
        self.total = total
        self.imagesDone = imagesDone
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

    package init(index: UInt64, row: Int, dtype: String, values: Data) {
        self.index = index
        self.row = row
        self.dtype = dtype
        self.values = values
    }
}

/// A finished image; one of ``png``, ``npy`` and ``npz`` is there.
package struct ImageEvent: Sendable, Equatable, Codable {
    /// The image.
    package var index: UInt64
    /// A PNG file.
    package var png: Data?
    /// An NPY file, (C, H, W).
    package var npy: Data?
    /// An NPZ file: the values and their log-probabilities, each (C, H, W).
    package var npz: Data?
    /// The image's log-probability in nats, the sum over its values, where the request wants log-probabilities.
    package var logProb: Double?
    /// The same under the distribution that was drawn from, where that is not the model's.
    package var logQ: Double?

    package init(index: UInt64, png: Data? = nil, npy: Data? = nil, npz: Data? = nil) {
        self.index = index
        self.png = png
        self.npy = npy
        self.npz = npz
    }

    enum CodingKeys: String, CodingKey {
        case index, png, npy, npz
        case logProb = "log_prob"
        case logQ = "log_q"
    }
}

/// The end of a stream that has reported everything: what was drawn.
package struct DoneEvent: Sendable, Equatable, Codable {
    /// Images.
    package var n: Int
    /// The seed of all of them.
    package var seed: UInt64
    /// Index of the first.
    package var firstIndex: UInt64
    /// Given rows of all images that were known already, and not computed. Nil only of daemons that did not say.
    package var rowsKnown: Int?

    package init(n: Int, seed: UInt64, firstIndex: UInt64, rowsKnown: Int? = nil) {
        self.n = n
        self.seed = seed
        self.firstIndex = firstIndex
        self.rowsKnown = rowsKnown
    }

    enum CodingKeys: String, CodingKey {
        case n, seed
        case firstIndex = "first_index"
        case rowsKnown = "rows_known"
    }
}

// MARK: - Server-sent events

/// One event.
package struct ServerSentEvent: Sendable, Equatable {
    /// Its kind; `message` where the stream does not say.
    package var name: String
    /// Its data; several `data:` lines are joined by line feeds.
    package var data: [UInt8]

    package init(name: String, data: [UInt8]) {
        self.name = name
        self.data = data
    }

    /// The bytes of an event whose data is a value's JSON, which is one line.
    package static func encode(_ name: String, _ value: some Encodable) throws -> [UInt8] {
        try Array("event: \(name)\ndata: ".utf8) + JSONCoding.encode(value) + [UInt8(ascii: "\n")]
    }

    /// The bytes of a comment, which readers skip: a sign of life.
    package static func encode(comment: String) -> [UInt8] { Array(": \(comment)\n\n".utf8) }
}

/// A stream that cannot be taken: an event exceeds the bound.
package struct ServerSentEventTooLarge: Error, Equatable {
    /// The most bytes of one event.
    package let limit: Int
}

/// Takes a stream apart, in pieces as they come. Holds one unfinished event, at most ``maximumBytes``.
package struct ServerSentEventParser: Sendable {
    /// The most bytes of one event.
    package let maximumBytes: Int
    private var line: [UInt8] = []
    private var name = ""
    private var data: [UInt8]?
    /// A line feed right behind a carriage return belongs to it.
    private var skipsLineFeed = false
    private var isAtStart = true

    /// A parser at a stream's beginning.
    package init(maximumBytes: Int = 1 << 30) {
        self.maximumBytes = maximumBytes
    }

    /// The events that end within `bytes`, the stream's next piece.
    package mutating func events(
        in bytes: some Collection<UInt8>
    ) throws(ServerSentEventTooLarge) -> [ServerSentEvent] {
        var events: [ServerSentEvent] = []
        var rest = bytes[...]
        if skipsLineFeed, let first = rest.first {
            skipsLineFeed = false
            if first == UInt8(ascii: "\n") { rest = rest.dropFirst() }
        }
        while let end = rest.firstIndex(where: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            try append(rest[..<end])
            if let event = endLine() { events.append(event) }
            let isReturn = rest[end] == UInt8(ascii: "\r")
            rest = rest[rest.index(after: end)...]
            guard isReturn else { continue }
            if rest.isEmpty { skipsLineFeed = true }
            if rest.first == UInt8(ascii: "\n") { rest = rest.dropFirst() }
        }
        try append(rest)
        return events
    }

    private mutating func append(_ bytes: some Collection<UInt8>) throws(ServerSentEventTooLarge) {
        guard line.count + (data?.count ?? 0) + bytes.count <= maximumBytes else {
            throw ServerSentEventTooLarge(limit: maximumBytes)
        }
        line.append(contentsOf: bytes)
    }

    /// Takes in a whole line; an empty one ends an event. Events without data are none.
    private mutating func endLine() -> ServerSentEvent? {
        defer {
            line.removeAll(keepingCapacity: true)
            isAtStart = false
        }
        if isAtStart, line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
        if line.isEmpty {
            defer {
                name = ""
                self.data = nil
            }
            return self.data.map { ServerSentEvent(name: name.isEmpty ? "message" : name, data: $0) }
        }
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
        var value = line[colon...].dropFirst()
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "event": name = String(decoding: value, as: UTF8.self)
        case "data": self.data = self.data.map { $0 + [UInt8(ascii: "\n")] + value } ?? Array(value)
        default: break
        }
        return nil
    }
}
