// The JSON reader: what RFC 8259 allows, and everything that it must refuse.

import Testing

@testable import PixelCNNAPI

@Suite struct JSONParserTests {
    @Test(arguments: [
        ("null", JSONValue.null), (" true ", .bool(true)), ("false", .bool(false)), ("-0", .number("-0")),
        ("18446744073709551615", .number("18446744073709551615")), ("1.5e-3", .number("1.5e-3")),
        ("\"a\\u00e9\\n\\\"\\ud83d\\ude00\"", .string("aé\n\"😀")), ("[]", .array([])), ("{}", .object([])),
        ("[1, [2]]", .array([.number("1"), .array([.number("2")])])),
        ("{\"a\": 1}", .object([.init(name: "a", value: .number("1"))])),
    ])
    func readsWhatIsJSON(text: String, expected: JSONValue) throws {
        #expect(try JSONValue(parsing: Array(text.utf8)) == expected)
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
        #expect(throws: expected) { try JSONValue(parsing: Array(text.utf8)) }
    }

    @Test func refusesInvalidUTF8() {
        #expect(throws: JSONError.invalidString(offset: 0)) { try JSONValue(parsing: [0x22, 0xC0, 0xAF, 0x22]) }
    }

    @Test func refusesDeepNestingWithoutDescending() {
        let text = String(repeating: "[", count: 1_000_000)
        #expect(throws: JSONError.tooDeep(limit: 16)) { try JSONValue(parsing: Array(text.utf8)) }
    }

    @Test func refusesMoreValuesThanAnyRequestHas() throws {
        func array(of count: Int) -> [UInt8] {
            Array("[\(Array(repeating: "0", count: count).joined(separator: ","))]".utf8)
        }
        guard case .array(let most) = try JSONValue(parsing: array(of: 999)) else { Issue.record("no array"); return }
        #expect(most.count == 999)
        #expect(throws: JSONError.tooManyValues(limit: 1000)) { try JSONValue(parsing: array(of: 1000)) }
    }

    @Test func neverCrashesOnTruncation() {
        let whole = Array("{\"n\": [1.5e3, \"\\ud83d\\ude00\", null, {\"x\": true}]}".utf8)
        for length in 0..<whole.count {
            #expect(throws: JSONError.self) { try JSONValue(parsing: Array(whole[..<length])) }
        }
    }
}
