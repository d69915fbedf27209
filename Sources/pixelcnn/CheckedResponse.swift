// Everything that a daemon says, checked before anything is done with it: whatever listens on the socket may be broken,
// of another version, or no pixelcnnd at all. What does not hold is exit status 76, and nothing of it becomes a file.
// The ranges are wider than those of any daemon; past them, sums and allocations could fail.

import FoundationEssentials
import ImageFormats
import ImageImport
import NIOHTTP1
import PixelCNNAPI
import Support

extension Failure {
    /// The failure of a daemon that says what this version cannot understand.
    static func unknownProtocol(_ what: String) -> Failure {
        Failure(
            .protocolError,
            "the daemon's response is not what pixelcnn \(Version.current) knows: \(what); "
                + "use a pixelcnnd of the same version")
    }

    /// The failure of a daemon that says of some images only what belongs to all.
    static let unequalArrays = unknownProtocol("log_q is there for some of the images alone")
}

/// What can be decoded from a daemon's JSON, and then holds what it must.
protocol CheckedResponse: Decodable {
    func check() throws(Failure)
}

extension HTTPResponse {
    /// The most bytes of a JSON response: 65,536 classes with long names are a fraction of it.
    static let maximumJSONBytes = 16 << 20

    /// The response's JSON.
    ///
    /// - Throws: ``Failure`` (76).
    func decoded<Value: CheckedResponse>(as type: Value.Type) throws(Failure) -> Value {
        let value: Value = try Self.decode(body, as: "JSON")
        try value.check()
        return value
    }

    /// The JSON itself, to be printed, where it is such a value.
    ///
    /// - Throws: ``Failure`` (76).
    func printableJSON<Value: CheckedResponse>(of type: Value.Type) throws(Failure) -> [UInt8] {
        _ = try decoded(as: type)
        return Array(String(decoding: body, as: UTF8.self).printableJSON.utf8)
    }

    /// The values of a response that is an array of `count` images.
    ///
    /// - Throws: ``Failure`` (76).
    func values(of count: Int, _ shape: SampledImages.Shape) throws(Failure) -> [UInt16] {
        try Self.values(body, [count, shape.channels, shape.height, shape.width], shape)
    }

    /// The log-probabilities of a response that is an array of those of `count` images; `data` is theirs in the array.
    ///
    /// - Throws: ``Failure`` (76).
    func logProbabilities(
        of count: Int, _ shape: SampledImages.Shape
    ) throws(Failure) -> (values: [Float], data: [UInt8]) {
        let extents = [count, shape.channels, shape.height, shape.width]
        let values = try Self.logProbabilities(body, extents)
        let header = NPYArray.header(.float32, shape: extents)
        guard body.starts(with: header) else {
            throw .unknownProtocol("an array that is not as NumPy writes it in C order")
        }
        return (values, Array(body.dropFirst(header.count)))
    }

    /// The values and log-probabilities of a response that is an archive of the arrays of `count` images.
    ///
    /// - Throws: ``Failure`` (76).
    func measuredValues(of count: Int, _ shape: SampledImages.Shape) throws(Failure) -> SampledPart {
        try Self.measuredValues(body, [count, shape.channels, shape.height, shape.width], shape)
    }

    /// The arrays of an NPZ file, each of that shape.
    fileprivate static func measuredValues(
        _ bytes: [UInt8], _ extents: [Int], _ shape: SampledImages.Shape
    ) throws(Failure) -> SampledPart {
        do {
            let file = try NPZFile(bytes)
            return SampledPart(
                values: try values(file.array(NPZ.Name.samples), extents, shape),
                logProb: try logProbabilities(file.array(NPZ.Name.logProb), extents),
                logQ: file.names.contains(NPZ.Name.logQ)
                    ? try logProbabilities(file.array(NPZ.Name.logQ), extents) : [])
        } catch let error as Failure {
            throw error
        } catch {
            throw .unknownProtocol("its archive: \(error)")
        }
    }

    private static func logProbabilities(_ npy: [UInt8], _ extents: [Int]) throws(Failure) -> [Float] {
        let values = try array(npy, .float32, extents).floats()
        // Rounding may leave the most certain value a little above 0.
        guard values.allSatisfy({ $0 <= 0.01 }) else {
            throw .unknownProtocol("an array of log-probabilities has one that is above 0, or no number")
        }
        return values
    }

    /// The values of an NPY file of that shape.
    fileprivate static func values(
        _ bytes: [UInt8], _ extents: [Int], _ shape: SampledImages.Shape
    ) throws(Failure) -> [UInt16] {
        do {
            return try array(bytes, shape.elementType, extents).integers(as: UInt16.self, in: 0...shape.colors - 1)
        } catch let error as Failure {
            throw error
        } catch {
            throw .unknownProtocol("its array: \(error)")
        }
    }

    private static func array(
        _ bytes: [UInt8], _ type: NPYArray.ElementType, _ extents: [Int]
    ) throws(Failure) -> NPYArray {
        let array: NPYArray
        do {
            array = try NPYArray(parsing: bytes)
        } catch {
            throw .unknownProtocol("its array: \(error)")
        }
        guard array.shape == extents, array.elementType == type else {
            throw .unknownProtocol(
                "an array of \(array.shape) \(array.elementType.descr); requested was \(extents) \(type.descr)")
        }
        return array
    }

    fileprivate static func decode<Value: Decodable>(_ json: [UInt8], as what: String) throws(Failure) -> Value {
        // The decoder takes UTF-16, too, and a mark in front, which nothing of ours writes.
        guard String(validating: json, as: UTF8.self) != nil, json.first != 0xEF else {
            throw .unknownProtocol("\(what) that is not UTF-8")
        }
        do {
            return try JSONCoding.decode(Value.self, from: json)
        } catch let error as DecodingError {
            throw .unknownProtocol("\(what) \(error.reason)")
        } catch {
            throw .unknownProtocol("\(what) that cannot be read")
        }
    }
}

extension DecodingError {
    /// Which member is wrong, and how.
    fileprivate var reason: String {
        func name(_ path: [any CodingKey]) -> String {
            path.isEmpty ? "" : " in \(path.map(\.stringValue).joined(separator: ".").shortened(to: 100))"
        }
        switch self {
        case .keyNotFound(let key, _): return "without \(key.stringValue)"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            return "with a wrong value\(name(context.codingPath))"
        @unknown default: return "that cannot be read"
        }
    }
}

// MARK: - Heads

extension HTTPResponseHead {
    /// Refuses a successful response of another type than was requested.
    func checkType(_ expected: String) throws(Failure) {
        let found = headers.first(name: "Content-Type") ?? "missing"
        let type = found.prefix { $0 != ";" }.lowercased().trimmed
        guard type == expected else {
            throw .unknownProtocol("its Content-Type is \(found.shortened(to: 100)); requested was \(expected)")
        }
    }

    /// Refuses images of another seed than was requested.
    func checkSeed(_ seed: UInt64) throws(Failure) {
        let found = headers.first(name: HeaderName.seed)
        guard found.flatMap({ UInt64($0) }) == seed else {
            throw .unknownProtocol(
                "\(HeaderName.seed) is \(found?.shortened(to: 100) ?? "missing"); requested was \(seed)")
        }
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = self[...]
        while text.first == " " || text.first == "\t" { text = text.dropFirst() }
        while text.last == " " || text.last == "\t" { text = text.dropLast() }
        return String(text)
    }
}

// MARK: - Members of JSON

/// Refuses members outside their ranges.
private func requireRanges<Value: Comparable>(
    _ members: (name: String, value: Value, allowed: ClosedRange<Value>)...
) throws(Failure) {
    for member in members where !(member.allowed ~= member.value) {
        throw .unknownProtocol(
            "\(member.name) is \(member.value); allowed is \(member.allowed.lowerBound)…\(member.allowed.upperBound)")
    }
}

/// More than any counter comes to; sums of a few stay far from overflow.
private let most = 1 << 53

extension ModelDescription: CheckedResponse {
    /// The most values of an image, and of one response: so many fit the bound of a response's bytes.
    static let mostValues = HTTPExchange.maximumResponseBytes / 4

    func check() throws(Failure) {
        try requireRanges(
            ("channels", channels, 1...65_536), ("height", height, 1...65_536), ("width", width, 1...65_536),
            ("n_colors", colors, 2...65_536), ("n_blocks", blocks, 1...65_536), ("filters", filters, 1...65_536),
            ("kernel_size", kernelSize, 1...65_536), ("hidden", hidden, 1...65_536), ("labels", labels, 0...65_536),
            ("parameters", parameters, 1...most), ("bytes", bytes, 0...most), ("threads", threads, 1...65_536),
            ("max_images", limits.maximumImages, 1...most), ("max_side", limits.maximumSide, 1...65_536),
            ("max_values", limits.maximumValues, 1...most), ("max_body", limits.maximumBodyBytes, 1...most))
        try requireRanges(("channels × height × width", channels * height * width, 1...Self.mostValues))
        guard labelNames.isEmpty || labelNames.count == labels else {
            throw .unknownProtocol("label_names has \(labelNames.count) names; labels is \(labels)")
        }
        guard sha256.utf8.count == 64, sha256.allSatisfy({ $0.isHexDigit && !$0.isUppercase }) else {
            throw .unknownProtocol("sha256 is \(sha256.shortened(to: 70)); allowed are 64 hexadecimal digits")
        }
        guard 1...16 ~= precision.utf8.count, precision.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else {
            throw .unknownProtocol("precision is \(precision.shortened(to: 20))")
        }
        guard version.unicodeScalars.allSatisfy({ 0x20...0xFF ~= $0.value }), version.utf8.count <= 100 else {
            throw .unknownProtocol("version is \(version.shortened(to: 100))")  // pictures name it, in Latin-1
        }
    }

    /// The same with limits that no response of this client's exceeds.
    var bounded: ModelDescription {
        var model = self
        model.limits.maximumValues = min(limits.maximumValues, Self.mostValues)
        return model
    }
}

extension StatusDescription: CheckedResponse {
    func check() throws(Failure) {
        try requireRanges(
            ("requests_in_flight", requestsInFlight, 0...most), ("requests_queued", requestsQueued, 0...most),
            ("images_in_flight", imagesInFlight, 0...most), ("images_queued", imagesQueued, 0...most),
            ("threads", threads, 1...65_536), ("resident_bytes", residentBytes, 0...most),
            ("pid", processIdentifier, 0...most), ("prefix_cache.entries", prefixCache.entries, 0...most),
            ("prefix_cache.bytes", prefixCache.bytes, 0...most),
            ("prefix_cache.max_bytes", prefixCache.maximumBytes, 0...most))
        let seconds = 0...1e15
        try requireRanges(
            ("mean_images_per_second", meanImagesPerSecond, seconds),
            ("mean_values_per_second", meanValuesPerSecond, seconds), ("images_per_second", imagesPerSecond, seconds),
            ("values_per_second", valuesPerSecond, seconds), ("images_per_step", imagesPerStep, seconds),
            ("busy_threads", busyThreads, seconds), ("uptime_seconds", uptimeSeconds, seconds))
    }
}

extension ScoreResponse: CheckedResponse {
    func check() throws(Failure) {
        guard !bitsPerDimension.isEmpty else { throw .unknownProtocol("bits_per_dim is empty") }
        for bits in bitsPerDimension + [meanBitsPerDimension] {
            try requireRanges(("bits_per_dim", bits, -1...1e30))
        }
    }
}

extension Problem: CheckedResponse {
    func check() throws(Failure) { try requireRanges(("status", status, 400...599)) }

    /// The problem that a body is; nil where it is none.
    init?(_ response: HTTPResponse) {
        guard response.body.count <= HTTPResponse.maximumJSONBytes,
            let problem: Problem = try? HTTPResponse.decode(response.body, as: "a problem"),
            (try? problem.check()) != nil
        else { return nil }
        self = problem
    }
}

// MARK: - Event streams

/// Takes the events of a request's stream apart, and refuses what does not belong to it.
struct CheckedSampleStream {
    enum Event {
        case progress(ProgressEvent)
        /// A row of an image; the image counts from the first of the request.
        case row(Int, row: Int, values: [UInt16])
        case image(Int, SampledPart)
        case done
    }

    private let request: SampleRequest
    private let shape: SampledImages.Shape
    private var parser: ServerSentEventParser
    private var hasImage: [Bool]
    private var isDone = false

    /// A stream of the request's images, as arrays.
    init(of request: SampleRequest, shape: SampledImages.Shape) {
        self.request = request
        self.shape = shape
        // An image in base64, with two numbers per value where they are wanted, and room for whatever else the event
        // says.
        let bytes = shape.elementType.size + (request.wantsLogProbabilities ? 8 : 0)
        parser = ServerSentEventParser(maximumBytes: shape.count * bytes * 4 / 3 + 1 << 16)
        hasImage = Array(repeating: false, count: request.n)
    }

    /// Whether it has ended, with all images.
    var isWhole: Bool { isDone && hasImage.allSatisfy(\.self) }

    /// The events that end within the stream's next piece.
    ///
    /// - Throws: ``Failure`` (76); the ``Problem`` that the stream ends with.
    mutating func events(in bytes: some Collection<UInt8>) throws -> [Event] {
        let events: [ServerSentEvent]
        do {
            events = try parser.events(in: bytes)
        } catch {
            throw Failure.unknownProtocol("an event of more than \(error.limit) bytes")
        }
        return try events.compactMap { event in try self.event(event) }
    }

    private mutating func event(_ event: ServerSentEvent) throws -> Event? {
        guard !isDone else { throw Failure.unknownProtocol("an event behind the last") }
        switch event.name {
        case SampleEventName.progress:
            let progress: ProgressEvent = try decode(event)
            let total = request.n * shape.count
            try requireRanges(
                ("total", progress.total, total...total), ("done", progress.done, 0...total),
                ("images_done", progress.imagesDone, 0...request.n))
            return .progress(progress)
        case SampleEventName.row:
            let row: RowEvent = try decode(event)
            try requireRanges(("row", row.row, 0...shape.height - 1))
            return .row(try place(row.index), row: row.row, values: try values(of: row))
        case SampleEventName.image:
            let sent: ImageEvent = try decode(event)
            let image = try place(sent.index)
            guard !hasImage[image], let file = request.wantsLogProbabilities ? sent.npz : sent.npy else {
                throw Failure.unknownProtocol("an image event without an array, or for an image that came before")
            }
            let extents = [shape.channels, shape.height, shape.width]
            let sampled =
                request.wantsLogProbabilities
                ? try HTTPResponse.measuredValues(Array(file), extents, shape)
                : SampledPart(values: try HTTPResponse.values(Array(file), extents, shape))
            hasImage[image] = true
            return .image(image, sampled)
        case SampleEventName.done:
            let done: DoneEvent = try decode(event)
            guard done.n == request.n, done.seed == request.seed, done.firstIndex == request.firstIndex else {
                throw Failure.unknownProtocol("a done event of another request")
            }
            isDone = true
            return .done
        case SampleEventName.error:
            let problem: Problem = try decode(event)
            try problem.check()
            throw problem
        default: return nil  // of a later version
        }
    }

    private func decode<Value: Decodable>(_ event: ServerSentEvent) throws(Failure) -> Value {
        try HTTPResponse.decode(event.data, as: "a \(event.name.shortened(to: 20)) event")
    }

    /// Where the image of an absolute index lies in the request.
    private func place(_ index: UInt64) throws(Failure) -> Int {
        let (place, overflow) = index.subtractingReportingOverflow(request.firstIndex)
        guard !overflow, place < UInt64(request.n) else {
            throw .unknownProtocol("an image that was not requested, \(index)")
        }
        return Int(place)
    }

    private func values(of row: RowEvent) throws(Failure) -> [UInt16] {
        let bytes = Array(row.values)
        let type = shape.elementType
        let count = shape.channels * shape.width
        guard row.dtype == type.descr, bytes.count == count * type.size else {
            throw .unknownProtocol("a row that is not \(count) values of \(type.descr)")
        }
        let values =
            type.size == 1
            ? bytes.map(UInt16.init)
            : stride(from: 0, to: bytes.count, by: 2).map { UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8 }
        guard values.allSatisfy({ $0 < shape.colors }) else {
            throw .unknownProtocol("a row with a value above \(shape.colors - 1)")
        }
        return values
    }
}
