// Server-sent events as the HTML standard has them: lines of `event:` and `data:`, an empty line behind each event. The
// daemon writes them, the client reads them; whatever else speaks the format can do either.

/// One event.
package struct ServerSentEvent: Sendable, Equatable {
    /// Its kind; `message` where the stream does not say.
    package var name: String
    /// Its data; several `data:` lines are joined by line feeds.
    package var data: [UInt8]

    /// An event as given.
    package init(name: String, data: [UInt8]) {
        (self.name, self.data) = (name, data)
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
            defer { (name, self.data) = ("", nil) }
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
