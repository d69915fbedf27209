// Words that are no text, shown so that a person finds the file.

import Testing

@testable import Support

@Suite struct RawArgumentsTests {
    private static let words: [([UInt8], String)] = [
        ([0x63, 0x61, 0x66, 0xE9], "caf\\xE9"), ([0xE9, 0x2E, 0xFF], "\\xE9.\\xFF"),
        ([0xC3, 0xA9, 0xC3], "é\\xC3"), ([0xF0, 0x9F, 0x98, 0x80, 0x80], "😀\\x80"), ([0x0A, 0x85], "\n\\x85"),
        ([0x61], "a"), ([], ""),
    ]

    @Test(arguments: words) func onlyOddBytesAreEscaped(bytes: [UInt8], text: String) {
        #expect(RawArguments.escaped(bytes) == text)
    }
}
