// Reading and writing a SampleRequest as JSON. Reading is strict: a misspelt field must not silently give other images
// than were meant. Integers go from text to UInt64 directly, so that seeds up to 2⁶⁴ − 1 keep every bit.

import FoundationEssentials

extension SampleRequest {
    private static let knownFields = [
        "n", "seed", "first_index", "height", "width", "label", "given", "temperature", "top_k", "top_p", "columns",
        "deadline_ms", "stream_rows", "format",
    ]

    /// Reads a request body; an empty one is a request with every default.
    ///
    /// - Throws: ``RequestError``, naming the field at fault. Ranges that depend on a model are left to
    ///   ``validate(against:limits:)``.
    package init(json body: [UInt8]) throws(RequestError) {
        self.init()
        if body.isEmpty { return }
        let value: JSONValue
        do {
            value = try JSONValue(parsing: body)
        } catch {
            throw .malformedBody("\(error)")
        }
        guard case .object(let members) = value else {
            throw .malformedBody("the body must be a JSON object; found \(value.summary)")
        }
        for member in members {
            try set(member.name, to: member.value)
        }
    }

    private mutating func set(_ field: String, to value: JSONValue) throws(RequestError) {
        switch field {
        case "n": self.n = try value.integer(field)
        case "seed": self.seed = try value.unsigned64(field)
        case "first_index": firstIndex = try value.unsigned64(field)
        case "height": self.height = try value.integer(field)
        case "width": self.width = try value.integer(field)
        case "label": self.label = try value.label(field)
        case "given": self.given = try GivenImage(value)
        case "temperature": self.temperature = try value.double(field)
        case "top_k": topK = try value.integer(field)
        case "top_p": topP = try value.double(field)
        case "columns": self.columns = try value.integer(field)
        case "deadline_ms": deadlineMilliseconds = try value.integer(field)
        case "stream_rows": streamsRows = try value.boolean(field)
        case "format": imageFormat = try value.choice(field)
        default: throw .unknownField(JSONValue.shortened(field), known: Self.knownFields)
        }
    }

    /// The request as JSON; fields that hold their default are left out.
    package var json: [UInt8] {
        var members = ["\"n\":\(self.n)"]
        if let seed { members.append("\"seed\":\(seed)") }
        if firstIndex != 0 { members.append("\"first_index\":\(firstIndex)") }
        if let height { members.append("\"height\":\(height)") }
        if let width { members.append("\"width\":\(width)") }
        switch self.label {
        case nil: break
        case .number(let number): members.append("\"label\":\(number)")
        case .name(let name): members.append("\"label\":\(JSONValue.quoted(name))")
        }
        if let given { members.append("\"given\":\(given.json)") }
        if self.temperature != 1 { members.append("\"temperature\":\(self.temperature)") }
        if let topK { members.append("\"top_k\":\(topK)") }
        if let topP { members.append("\"top_p\":\(topP)") }
        if let columns { members.append("\"columns\":\(columns)") }
        if let deadlineMilliseconds { members.append("\"deadline_ms\":\(deadlineMilliseconds)") }
        if streamsRows { members.append("\"stream_rows\":true") }
        if let imageFormat { members.append("\"format\":\"\(imageFormat.rawValue)\"") }
        return Array("{\(members.joined(separator: ","))}".utf8)
    }
}

extension GivenImage {
    private static let knownFields = ["image", "rows", "mask"]

    fileprivate init(_ value: JSONValue) throws(RequestError) {
        guard case .object(let members) = value else {
            throw .wrongType(field: Field.given, expected: "an object", found: value.summary)
        }
        var (image, mask, rows): ([UInt8]?, [UInt8]?, Int?)
        for member in members {
            switch member.name {
            case "image": image = try member.value.base64(Field.image)
            case "rows": rows = try member.value.integer(Field.rows)
            case "mask": mask = try member.value.base64(Field.mask)
            case let name:
                throw .unknownField("\(Field.given).\(JSONValue.shortened(name))", known: Self.knownFields)
            }
        }
        guard let image else { throw .wrongType(field: Field.image, expected: JSONValue.file, found: "nothing") }
        switch (rows, mask) {
        case (let rows?, nil): self.init(image: image, kept: .rows(rows))
        case (nil, let mask?): self.init(image: image, kept: .mask(mask))
        default:
            throw .wrongType(
                field: Field.given, expected: "an object with image and one of rows and mask",
                found: rows == nil ? "neither" : "both")
        }
    }

    fileprivate var json: String {
        let kept =
            switch self.kept {
            case .rows(let rows): "\"rows\":\(rows)"
            case .mask(let mask): "\"mask\":\"\(Data(mask).base64EncodedString())\""
            }
        return "{\"image\":\"\(Data(self.image).base64EncodedString())\",\(kept)}"
    }
}

extension JSONValue {
    fileprivate static let file = "base64 of a PNG or NPY file"

    fileprivate func base64(_ field: String) throws(RequestError) -> [UInt8] {
        guard case .string(let text) = self, let data = Data(base64Encoded: text) else {
            throw .wrongType(field: field, expected: Self.file, found: summary)
        }
        return Array(data)
    }

    fileprivate func integer(_ field: String) throws(RequestError) -> Int {
        guard let text = integerText else {
            throw .wrongType(field: field, expected: "an integer", found: summary)
        }
        guard let value = Int(text) else {
            throw .outOfRange(field: field, found: summary, allowed: "an integer below 2⁶³")
        }
        return value
    }

    /// A number, or a string.
    fileprivate func label(_ field: String) throws(RequestError) -> ClassLabel {
        if case .string(let text) = self { return ClassLabel(text) }
        guard integerText != nil else {
            throw .wrongType(field: field, expected: "an integer or a string", found: summary)
        }
        return .number(try self.integer(field))
    }

    /// An integer, or a decimal string for writers whose numbers stop at 2⁵³.
    fileprivate func unsigned64(_ field: String) throws(RequestError) -> UInt64 {
        var text = integerText
        if case .string(let string) = self, Self.isInteger(string) { text = string }
        guard let text else {
            throw .wrongType(field: field, expected: "an integer or a decimal string", found: summary)
        }
        guard let value = UInt64(text) else {
            throw .outOfRange(field: field, found: summary, allowed: "0…18446744073709551615")
        }
        return value
    }

    /// The digits of an integer. 3.0 is one, too: some writers have no other numbers; past 2⁵³ theirs are not exact.
    private var integerText: String? {
        guard case .number(let text) = self else { return nil }
        if Self.isInteger(text) { return text }
        guard let value = Double(text), abs(value) <= 0x1p53, let integer = Int(exactly: value) else { return nil }
        return "\(integer)"
    }

    fileprivate func double(_ field: String) throws(RequestError) -> Double {
        guard case .number(let text) = self, let value = Double(text) else {
            throw .wrongType(field: field, expected: "a number", found: summary)
        }
        return value
    }

    fileprivate func boolean(_ field: String) throws(RequestError) -> Bool {
        guard case .bool(let value) = self else {
            throw .wrongType(field: field, expected: "true or false", found: summary)
        }
        return value
    }

    /// One of a few names.
    fileprivate func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ field: String
    ) throws(RequestError) -> Choice {
        guard case .string(let text) = self else {
            throw .wrongType(field: field, expected: "a string", found: summary)
        }
        guard let choice = Choice(rawValue: text) else {
            let allowed = Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " or ")
            throw .outOfRange(field: field, found: summary, allowed: allowed)
        }
        return choice
    }

    private static func isInteger(_ text: String) -> Bool {
        let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
        return !digits.isEmpty && digits.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
    }
}
