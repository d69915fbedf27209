// The JSON reader: what RFC 8259 allows, and everything that it must refuse.

import Testing

@testable import StrictJSON

@Suite struct JSONReaderTests {
    private func value(_ bytes: [UInt8]) throws(JSONError) -> JSONValue {
        try JSONValue(parsing: bytes, limits: JSONReader.Limits(depth: 16, values: 1000))
    }

    @Test(arguments: [
        ("null", JSONValue.null), (" true ", .bool(true)), ("false", .bool(false)), ("-0", .number("-0")),
        ("18446744073709551615", .number("18446744073709551615")), ("1.5e-3", .number("1.5e-3")),
        ("\"a\\u00e9\\n\\\"\\ud83d\\ude00\"", .string("aé\n\"😀")), ("[]", .array([])), ("{}", .object([])),
        ("[1, [2]]", .array([.number("1"), .array([.number("2")])])),
        ("{\"a\": 1}", .object([.init(name: "a", value: .number("1"))])),
        (#""a\"\\\/\b\f\n\r\t\u00fc\ud83d\ude00ü""#, .string("a\"\\/\u{8}\u{c}\n\r\tü😀ü")),
    ])
    func readsWhatIsJSON(text: String, expected: JSONValue) throws {
        #expect(try value(Array(text.utf8)) == expected)
    }

    @Test(arguments: [
        ("", JSONError.unexpectedEnd), ("{", .unexpectedEnd), ("[1,", .unexpectedEnd), ("\"a", .unexpectedEnd),
        ("\"a\\", .unexpectedEnd),
        ("1.", .unexpectedEnd), ("tru", .unexpectedEnd), ("{} x", .trailingBytes(offset: 3)),
        ("1 2", .trailingBytes(offset: 2)), ("01", .trailingBytes(offset: 1)), ("{}{}", .trailingBytes(offset: 2)),
        ("{\"a\":1,\"a\":2}", .duplicateName("a")), ("{\"a\":1,\"\\u0061\":2}", .duplicateName("a")),
        ("\"\\ud83d\"", .invalidString(offset: 0)), ("\"\\ude00\"", .invalidString(offset: 0)),
        ("NaN", .unexpectedByte(offset: 0, expected: "a value")),
        ("+1", .unexpectedByte(offset: 0, expected: "a value")),
        ("[1,]", .unexpectedByte(offset: 3, expected: "a value")),
        ("{\"a\":1,}", .unexpectedByte(offset: 7, expected: "a field name in quotes")),
        ("{a:1}", .unexpectedByte(offset: 1, expected: "a field name in quotes")),
        ("{\"a\" 1}", .unexpectedByte(offset: 5, expected: "':'")),
        ("[1 2]", .unexpectedByte(offset: 3, expected: "',' or ']'")),
        ("-x", .unexpectedByte(offset: 1, expected: "a digit")),
        ("\"\\x\"", .unexpectedByte(offset: 2, expected: "an escape sequence")),
        ("\"\\u00g0\"", .unexpectedByte(offset: 5, expected: "a hexadecimal digit")),
        ("\"\n\"", .unexpectedByte(offset: 1, expected: "no control character in a string")),
    ])
    func refusesWhatIsNot(text: String, expected: JSONError) {
        #expect(throws: expected) { try value(Array(text.utf8)) }
    }

    @Test func refusesInvalidUTF8() {
        #expect(throws: JSONError.invalidString(offset: 0)) { try value([0x22, 0xC0, 0xAF, 0x22]) }
    }

    @Test func refusesDeepNestingWithoutDescending() {
        let text = String(repeating: "[", count: 1_000_000)
        #expect(throws: JSONError.tooDeep(limit: 16)) { try value(Array(text.utf8)) }
    }

    @Test func refusesMoreValuesThanAnyRequestHas() throws {
        func array(of count: Int) -> [UInt8] {
            Array("[\(Array(repeating: "0", count: count).joined(separator: ","))]".utf8)
        }
        guard case .array(let most) = try value(array(of: 999)) else { Issue.record("no array"); return }
        #expect(most.count == 999)
        #expect(throws: JSONError.tooManyValues(limit: 1000)) { try value(array(of: 1000)) }
    }

    @Test func neverCrashesOnTruncation() {
        let whole = Array("{\"n\": [1.5e3, \"\\ud83d\\ude00\", null, {\"x\": true}]}".utf8)
        for length in 0..<whole.count {
            #expect(throws: JSONError.self) { try value(Array(whole[..<length])) }
        }
    }

    @Test func whatIsPulledIsWhatStandsThere() throws {
        let text = Array(" { \"a\" : [1, -2e3 ] , \"b\" : {}, \"c\": [true, null, \"x\"] } ".utf8)
        try text.withUnsafeBytes { bytes in
            var reader = JSONReader(bytes, limits: JSONReader.Limits(depth: 2, values: 8))
            try reader.beginObject()
            #expect(try reader.nextName() == "a")
            try reader.beginArray()
            #expect(try reader.nextElement())
            #expect(try reader.number() == "1")
            #expect(try reader.nextElement())
            #expect(try reader.number() == "-2e3")
            #expect(try !reader.nextElement())
            #expect(try reader.nextName() == "b")
            try reader.beginObject()
            #expect(try reader.nextName() == nil)
            #expect(try reader.nextName() == "c")
            try reader.beginArray()
            #expect(try reader.nextElement())
            #expect(try reader.bool())
            #expect(try reader.nextElement())
            try reader.null()
            #expect(try reader.nextElement())
            #expect(throws: JSONError.tooManyValues(limit: 8)) { try reader.string() }
        }
    }

    @Test func whatIsNotWhatTheCallerPullsIsRefused() {
        Array("[1]".utf8).withUnsafeBytes { bytes in
            let start = JSONReader(bytes, limits: JSONReader.Limits(depth: 1, values: 9))
            func refused(_ expected: String, _ pull: (inout JSONReader) throws -> Void) {
                var reader = start
                #expect(throws: JSONError.unexpectedByte(offset: 0, expected: expected)) { try pull(&reader) }
            }
            refused("“{”") { try $0.beginObject() }
            refused("a string") { _ = try $0.string() }
            refused("a digit") { _ = try $0.number() }
            refused("false") { _ = try $0.bool() }
            refused("null") { try $0.null() }
        }
    }

    @Test(arguments: [
        "null", "[true,false,-1.5e+3,18446744073709551615]", "{\"a\":{},\"b\":[[]]}", #""\"\\\u001fé😀/""#,
    ])
    func whatIsWrittenIsWhatWasRead(text: String) throws {
        #expect(try value(Array(text.utf8)).text == text)
    }

    @Test func aCombiningMarkAfterAQuoteIsNoReasonNotToEscapeIt() {
        #expect(JSONValue.string("\"\u{301}").text == "\"\\\"\u{301}\"")
    }
}
