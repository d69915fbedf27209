// One way to write and read the protocol's answers: sorted keys and plain slashes, so that equal answers are equal
// bytes.

import FoundationEssentials

/// JSON as the protocol writes it.
package enum JSONCoding {
    /// Encodes an answer, on one line, with sorted keys and a final newline.
    package static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try Array(encoder.encode(value)) + [UInt8(ascii: "\n")]
    }

    /// Decodes an answer.
    package static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
        try JSONDecoder().decode(type, from: Data(bytes))
    }
}
