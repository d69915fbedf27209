// Every way in which an NPY file can be wrong gives its own error, and none crashes.

import Testing

@testable import ImageFormats

@Suite struct NPYRefusalTests {
    /// A header, the data behind it, and the error that it must give.
    struct Bad: Sendable, CustomTestStringConvertible {
        var header: String
        var data: [UInt8] = []
        var error: NPYError
        var testDescription: String { header }
    }

    static let badHeaders: [Bad] = [
        Bad(header: "", error: .malformedHeader(reason: "'{' expected", offset: 0)),
        Bad(header: "{", error: .malformedHeader(reason: "string expected", offset: 1)),
        Bad(header: "{}", error: .missingKey("descr")),
        Bad(header: "{'descr': '|u1'}", error: .missingKey("fortran_order")),
        Bad(header: "{'descr': '|u1', 'fortran_order': False}", error: .missingKey("shape")),
        Bad(header: dictionary(more: ", 'extra': 1"), error: .unexpectedKey("extra")),
        Bad(header: dictionary(more: ", 'descr': '|u1'"), error: .duplicateKey("descr")),
        Bad(header: dictionary(more: ", 'fortran_order': True"), error: .duplicateKey("fortran_order")),
        Bad(header: dictionary(more: ", 'shape': ()"), error: .duplicateKey("shape")),
        Bad(header: dictionary() + "x", error: .malformedHeader(reason: "more text after the dictionary", offset: 53)),
        Bad(header: "{'descr' '|u1'}", error: .malformedHeader(reason: "':' expected", offset: 9)),
        Bad(header: "{'descr': '|u1' 'shape': ()}", error: .malformedHeader(reason: "'}' expected", offset: 16)),
        Bad(header: "{'descr: ", error: .malformedHeader(reason: "string without an end", offset: 1)),
        Bad(header: "{'de\\x73cr'", error: .malformedHeader(reason: "unsupported character in a string", offset: 4)),
        Bad(header: "{'dé'", error: .malformedHeader(reason: "unsupported character in a string", offset: 3)),
        Bad(header: "{'descr': 1}", error: .malformedHeader(reason: "string expected", offset: 10)),
        Bad(header: "{'fortran_order': 0}", error: .malformedHeader(reason: "True or False expected", offset: 18)),
        Bad(header: dictionary(shape: "3"), error: .malformedHeader(reason: "'(' expected", offset: 50)),
        Bad(header: dictionary(shape: "(3)"), error: .malformedHeader(reason: "',' expected", offset: 52)),
        Bad(header: dictionary(shape: "(3 4)"), error: .malformedHeader(reason: "',' expected", offset: 53)),
        Bad(header: dictionary(shape: "(3, 4"), error: .malformedHeader(reason: "')' expected", offset: 55)),
        Bad(header: dictionary(shape: "(,)"), error: .malformedHeader(reason: "integer expected", offset: 51)),
        Bad(header: dictionary(shape: "(x,)"), error: .malformedHeader(reason: "integer expected", offset: 51)),
        Bad(header: dictionary(shape: "(03,)"), error: .malformedHeader(reason: "integer expected", offset: 51)),
        Bad(header: dictionary(shape: "(1.0,)"), error: .malformedHeader(reason: "',' expected", offset: 52)),
        Bad(header: dictionary(shape: "(True,)"), error: .malformedHeader(reason: "integer expected", offset: 51)),
        Bad(header: dictionary(shape: "(-3,)"), error: .negativeDimension("-3")),
        Bad(
            header: dictionary(shape: "(9223372036854775808,)"),
            error: .malformedHeader(reason: "dimension 9223372036854775808 is too large", offset: 51)),
        Bad(
            header: dictionary(shape: "(4294967296, 4294967296)"),
            error: .shapeTooLarge([4_294_967_296, 4_294_967_296])),
        Bad(
            header: dictionary(descr: "<f8", shape: "(4611686018427387904,)"),
            error: .shapeTooLarge([4_611_686_018_427_387_904])),
        Bad(
            header: dictionary(shape: "(\(String(repeating: "1, ", count: 65)))"),
            error: .tooManyDimensions(limit: 64)),
        Bad(header: dictionary(descr: "|O"), error: .objectArray),
        Bad(header: dictionary(descr: "O8"), error: .unsupportedType("O8")),
        Bad(header: dictionary(descr: "|u2"), error: .unsupportedType("|u2")),
        Bad(header: dictionary(descr: "=u2"), error: .unsupportedType("=u2")),
        Bad(header: dictionary(descr: "<f16"), error: .unsupportedType("<f16")),
        Bad(header: dictionary(descr: ""), error: .unsupportedType("")),
        Bad(header: "{'descr': ('<u2', (2,))}", error: .structuredType),
        Bad(
            header: dictionary(shape: "(2, 3)"), data: [1, 2, 3, 4, 5],
            error: .lengthMismatch(shape: [2, 3], elementType: .uint8, expected: 6, found: 5)),
        Bad(
            header: dictionary(shape: "(2, 3)"), data: [1, 2, 3, 4, 5, 6, 7],
            error: .lengthMismatch(shape: [2, 3], elementType: .uint8, expected: 6, found: 7)),
        Bad(
            header: dictionary(shape: "(0, 9223372036854775807, 9)"), data: [1],
            error: .lengthMismatch(
                shape: [0, 9_223_372_036_854_775_807, 9], elementType: .uint8, expected: 0, found: 1)),
        Bad(
            header: dictionary(shape: "(1000000000000,)"),
            error: .lengthMismatch(
                shape: [1_000_000_000_000], elementType: .uint8, expected: 1_000_000_000_000, found: 0)),
    ]

    static func dictionary(descr: String = "|u1", shape: String = "()", more: String = "") -> String {
        "{'descr': '\(descr)', 'fortran_order': False, 'shape': \(shape)\(more)}"
    }

    @Test(arguments: badHeaders)
    func refusesBadHeader(_ bad: Bad) {
        #expect(throws: bad.error) { try NPYArray(parsing: Fixture.npy(header: bad.header, data: bad.data)) }
    }

    @Test(
        arguments: [
            ("object", .objectArray),
            ("structured", .structuredType),
            ("complex", .unsupportedType("<c16")),
            ("string", .unsupportedType("<U2")),
            ("bytes", .unsupportedType("|S2")),
            ("date", .unsupportedType("<M8[D]")),
        ] as [(String, NPYError)])
    func refusesTypesThatAreNotNumbers(name: String, error: NPYError) {
        #expect(throws: error) { try Fixture.array(name) }
    }

    @Test func refusesOtherFormats() {
        #expect(throws: NPYError.notNPY) { try NPYArray(parsing: []) }
        #expect(throws: NPYError.notNPY) { try NPYArray(parsing: [0x89, 0x50, 0x4E, 0x47]) }
        #expect(throws: NPYError.notNPY) { try NPYArray(parsing: Array("PK\u{3}\u{4}".utf8)) }
    }

    @Test(arguments: [[0, 0], [1, 1], [4, 0], [255, 255]] as [[UInt8]])
    func refusesUnknownVersions(version: [UInt8]) {
        #expect(throws: NPYError.unsupportedVersion(major: version[0], minor: version[1])) {
            try NPYArray(parsing: Fixture.npy(header: Self.dictionary(), version: version, data: [1]))
        }
    }

    @Test func refusesAbsurdHeaderLengths() {
        let long = Self.dictionary() + String(repeating: " ", count: 10_000)
        #expect(throws: NPYError.headerTooLong(length: long.utf8.count, limit: 10_000)) {
            try NPYArray(parsing: Fixture.npy(header: long, data: [1]))
        }
        let file = [0x93] + Array("NUMPY".utf8) + [2, 0, 0xFF, 0xFF, 0xFF, 0xFF]
        #expect(throws: NPYError.headerTooLong(length: 4_294_967_295, limit: 10_000)) {
            try NPYArray(parsing: file)
        }
    }

    @Test(arguments: ["u2", "fortran", "version_2"])
    func refusesFileCutAtAnyByte(name: String) throws {
        let file = try Fixture.bytes("npy/\(name).npy")
        for count in 0..<file.count {
            #expect(throws: NPYError.self, "cut to \(count) bytes") { try NPYArray(parsing: Array(file[..<count])) }
        }
    }

    @Test(arguments: ["u2", "fortran", "version_2"])
    func survivesEveryChangeOfASingleByte(name: String) throws {
        let file = try Fixture.bytes("npy/\(name).npy")
        for position in file.indices {
            for value in UInt8.min...UInt8.max {
                var changed = file
                changed[position] = value
                // A changed file is either refused or of the same length, so its elements are as many as its bytes
                // allow.
                guard let array = try? NPYArray(parsing: changed) else { continue }
                #expect(array.bytes.count == array.count * array.elementType.size)
                #expect(array.bytes.count <= file.count)
                #expect(array.floats().count == array.count)
            }
        }
    }

    @Test func describesEachErrorInOneLine() {
        for bad in Self.badHeaders {
            #expect(!bad.error.description.isEmpty)
            #expect(!bad.error.description.contains("\n"))
        }
        #expect(
            NPYError.lengthMismatch(shape: [2, 3], elementType: .uint16, expected: 12, found: 5).description
                == "NPY data of shape [2, 3] and dtype uint16 takes 12 bytes; the file has 5; "
                + "it is cut short: copy or download it again")
    }
}
