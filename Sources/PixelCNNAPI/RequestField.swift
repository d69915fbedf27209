// A request's fields as a table: what reads, writes, checks and records a request is derived from a list of these, one
// for each field: `SampleRequest.fields`, `GivenImage.Members.fields`, `ScoreRequest`. Reading is strict: a misspelt
// field must not silently give other images than were meant. Integers go from text to UInt64 directly, so that seeds up
// to 2⁶⁴ − 1 keep every bit.

import FoundationEssentials
import StrictJSON

/// What is read from a JSON object, field by field, from its defaults on.
package protocol RequestObject: Sendable {
    /// Every field at its default.
    init()
}

/// What a request is checked against.
package struct RequestContext: Sendable {
    /// The model that will respond; it bounds some values, has the classes, and gives the default height and width.
    package var model: ModelDescription
    /// The most that one request may ask for.
    package var limits: RequestLimits
    /// Whether the response is an event stream; some fields say how to stream.
    package var isStreamed: Bool
}

/// One field: its name, and all that the protocol does with its value.
package struct RequestField<Request: RequestObject>: Sendable {
    package typealias Check = @Sendable (Request, RequestContext, _ name: String) throws(RequestError) -> Void

    /// The name in JSON.
    package let name: String
    /// The default as JSON; nil where leaving the field out means something that no value does.
    package let defaultJSON: String?
    /// The smallest and the largest value, as documents state them; nil where there is none, or the model decides.
    package let bounds: (minimum: Double?, maximum: Double?)

    private let key: String?
    private let read: @Sendable (JSONValue, String, inout Request) throws(RequestError) -> Void
    /// The value as JSON; nil where it is left out.
    private let write: @Sendable (Request) -> String?
    private let value: @Sendable (Request) -> String?
    private let checkValue: Check
    private let checkRequest: Check

    /// A field that always has a value.
    ///
    /// - Parameters:
    ///   - allowed: the values that it may have.
    ///   - isAlwaysWritten: whether its default is written, too.
    ///   - key: its name in the record of a request; nil where it is not recorded.
    ///   - check: what depends on other fields, or on more than a range.
    init<Value: Equatable>(
        _ name: String, _ path: any WritableKeyPath<Request, Value> & Sendable, _ form: FieldForm<Value>,
        allowed: AllowedValues<Value>? = nil, isAlwaysWritten: Bool = false, recordedAs key: String? = nil,
        check: @escaping Check = { _, _, _ in }
    ) {
        self.init(
            name: name, defaultJSON: form.json(Request()[keyPath: path]), bounds: allowed?.bounds ?? (nil, nil),
            key: key,
            read: { json, name, request throws(RequestError) in request[keyPath: path] = try form.read(json, name) },
            write: { request in
                let value = request[keyPath: path]
                return isAlwaysWritten || value != Request()[keyPath: path] ? form.json(value) : nil
            },
            value: { form.json($0[keyPath: path]) },
            checkValue: { request, context, name throws(RequestError) in
                try allowed?.check(request[keyPath: path], of: name, form, context)
            },
            checkRequest: check)
    }

    /// A field that may be left out; parameters are as above.
    ///
    /// - Parameter absence: an integer that stands for a field that is left out.
    init<Value: Equatable>(
        _ name: String, _ path: any WritableKeyPath<Request, Value?> & Sendable, _ form: FieldForm<Value>,
        absence: Int? = nil, allowed: AllowedValues<Value>? = nil, recordedAs key: String? = nil,
        check: @escaping Check = { _, _, _ in }
    ) {
        self.init(
            name: name, defaultJSON: nil, bounds: allowed?.bounds ?? (nil, nil), key: key,
            read: { json, name, request throws(RequestError) in
                if let absence, json.unsignedText == "\(absence)" { return }
                request[keyPath: path] = try form.read(json, name)
            },
            write: { $0[keyPath: path].map(form.json) },
            value: { $0[keyPath: path].map(form.json) },
            checkValue: { request, context, name throws(RequestError) in
                if let value = request[keyPath: path] { try allowed?.check(value, of: name, form, context) }
            },
            checkRequest: check)
    }

    private init(
        name: String, defaultJSON: String?, bounds: (minimum: Double?, maximum: Double?), key: String?,
        read: @escaping @Sendable (JSONValue, String, inout Request) throws(RequestError) -> Void,
        write: @escaping @Sendable (Request) -> String?, value: @escaping @Sendable (Request) -> String?,
        checkValue: @escaping Check, checkRequest: @escaping Check
    ) {
        self.name = name
        self.defaultJSON = defaultJSON
        self.bounds = bounds
        self.key = key
        self.read = read
        self.write = write
        self.value = value
        self.checkValue = checkValue
        self.checkRequest = checkRequest
    }

    /// Checks the field's value.
    func check(_ request: Request, in context: RequestContext) throws(RequestError) {
        try checkValue(request, context, name)
        try checkRequest(request, context, name)
    }

    /// The field's name and value in the record of a request.
    func record(of request: Request) -> (key: String, value: String)? {
        guard let key, let value = value(request) else { return nil }
        return (key, value)
    }

    /// Reads an object.
    ///
    /// - Parameter name: the name of the object in errors, which a field's follows; nil for the body as a whole.
    /// - Throws: ``RequestError``, naming the first member at fault.
    static func read(
        _ members: [JSONValue.Member], _ fields: [Self], in name: String? = nil
    ) throws(RequestError) -> Request {
        let prefix = name.map { "\($0)." } ?? ""
        var request = Request()
        for member in members {
            guard let field = fields.first(where: { $0.name == member.name }) else {
                throw .unknownField("\(prefix)\(JSONValue.shortened(member.name))", known: fields.map(\.name))
            }
            if case .null = member.value { continue }  // as many writers have what is left out
            try field.read(member.value, prefix + field.name, &request)
        }
        return request
    }

    /// An object as JSON; fields that hold their default are left out.
    static func json(_ request: Request, _ fields: [Self]) -> String {
        let members = fields.compactMap { field in field.write(request).map { "\"\(field.name)\":\($0)" } }
        return "{\(members.joined(separator: ","))}"
    }
}

// MARK: - Allowed values

/// The values that a field may have.
struct AllowedValues<Value: Sendable>: Sendable {
    var bounds: (minimum: Double?, maximum: Double?) = (nil, nil)
    /// In the words of an error.
    let words: @Sendable (RequestContext) -> String
    let contain: @Sendable (Value, RequestContext) -> Bool

    func check(
        _ value: Value, of field: String, _ form: FieldForm<Value>, _ context: RequestContext
    ) throws(RequestError) {
        guard contain(value, context) else {
            throw .outOfRange(field: field, found: form.json(value), allowed: words(context))
        }
    }
}

extension AllowedValues<Int> {
    static func from(_ minimum: Int, to maximum: Int) -> Self {
        from(minimum, documented: Double(maximum)) { _ in maximum }
    }

    /// Up to a limit of the daemon; documents state its default.
    static func from(_ minimum: Int, toLimit maximum: any KeyPath<RequestLimits, Int> & Sendable) -> Self {
        from(minimum, documented: Double(RequestLimits()[keyPath: maximum])) { $0.limits[keyPath: maximum] }
    }

    static func from(_ minimum: Int, toModels maximum: any KeyPath<ModelDescription, Int> & Sendable) -> Self {
        from(minimum, documented: nil) { $0.model[keyPath: maximum] }
    }

    private static func from(
        _ minimum: Int, documented: Double?, to maximum: @escaping @Sendable (RequestContext) -> Int
    ) -> Self {
        Self(bounds: (Double(minimum), documented), words: { "\(minimum)…\(maximum($0))" }) { value, context in
            minimum <= value && value <= maximum(context)
        }
    }

    static func atLeast(_ minimum: Int) -> Self {
        Self(bounds: (Double(minimum), nil), words: { _ in "\(minimum) or more" }) { value, _ in value >= minimum }
    }
}

// MARK: - Forms of values

/// How a field's value stands in JSON.
struct FieldForm<Value: Sendable>: Sendable {
    /// Reads a value; the text is the field's name, for errors.
    let read: @Sendable (JSONValue, String) throws(RequestError) -> Value
    let json: @Sendable (Value) -> String
}

extension FieldForm<Int> {
    static var integer: Self {
        Self(read: { json, field throws(RequestError) in try json.integer(field) }, json: { "\($0)" })
    }
}

extension FieldForm<UInt64> {
    /// An integer, or a decimal string for writers whose numbers stop at 2⁵³.
    static var unsigned64: Self {
        Self(
            read: { json, field throws(RequestError) in
                guard let text = json.unsignedText else {
                    throw json.wrongType(field, "an integer or a decimal string")
                }
                guard let value = UInt64(text) else {
                    throw .outOfRange(field: field, found: json.summary, allowed: "0…18446744073709551615")
                }
                return value
            }, json: { "\($0)" })
    }
}

extension FieldForm<Double> {
    static var number: Self {
        Self(
            read: { json, field throws(RequestError) in
                guard case .number(let text) = json, let value = Double(text) else {
                    throw json.wrongType(field, "a number")
                }
                return value
            }, json: { "\($0)" })
    }
}

extension FieldForm<Bool> {
    static var boolean: Self {
        Self(
            read: { json, field throws(RequestError) in
                guard case .bool(let value) = json else { throw json.wrongType(field, "true or false") }
                return value
            }, json: { "\($0)" })
    }
}

extension FieldForm<ClassLabel> {
    /// A number, or a string.
    static var label: Self {
        Self(
            read: { json, field throws(RequestError) in
                if case .string(let text) = json { return ClassLabel(text) }
                guard json.integerText != nil else { throw json.wrongType(field, "an integer or a string") }
                return .number(try json.integer(field))
            },
            json: { label in
                switch label {
                case .number(let number): "\(number)"
                case .name(let name): JSONValue.string(name).text
                }
            })
    }
}

extension FieldForm<[UInt8]> {
    static let fileWords = "base64 of a PNG or NPY file"

    static var base64: Self {
        Self(
            read: { json, field throws(RequestError) in
                guard case .string(let text) = json, let data = Data(base64Encoded: text) else {
                    throw json.wrongType(field, Self.fileWords)
                }
                return Array(data)
            }, json: { "\"\(Data($0).base64EncodedString())\"" })
    }
}

extension FieldForm where Value: RawRepresentable<String> & CaseIterable {
    /// One of a few names.
    static var choice: Self {
        Self(
            read: { json, field throws(RequestError) in
                guard case .string(let text) = json else { throw json.wrongType(field, "a string") }
                guard let choice = Value(rawValue: text) else {
                    let allowed = Value.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " or ")
                    throw .outOfRange(field: field, found: json.summary, allowed: allowed)
                }
                return choice
            }, json: { "\"\($0.rawValue)\"" })
    }
}

extension JSONValue {
    fileprivate func wrongType(_ field: String, _ expected: String) -> RequestError {
        .wrongType(field: field, expected: expected, found: summary)
    }

    fileprivate func integer(_ field: String) throws(RequestError) -> Int {
        guard let text = integerText else { throw wrongType(field, "an integer") }
        guard let value = Int(text) else {
            throw .outOfRange(field: field, found: summary, allowed: "an integer below 2⁶³")
        }
        return value
    }

    /// The digits of an integer that is a number or a decimal string.
    fileprivate var unsignedText: String? {
        if case .string(let text) = self { return Self.isInteger(text) ? text : nil }
        return integerText
    }

    /// The digits of an integer. 3.0 is one, too: some writers have no other numbers; past 2⁵³ theirs are not exact.
    fileprivate var integerText: String? {
        guard case .number(let text) = self else { return nil }
        if Self.isInteger(text) { return text }
        guard let value = Double(text), abs(value) <= 0x1p53, let integer = Int(exactly: value) else { return nil }
        return "\(integer)"
    }

    fileprivate static func isInteger(_ text: String) -> Bool {
        let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
        return !digits.isEmpty && digits.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
    }
}
