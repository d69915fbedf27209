// A program's arguments are bytes, and Swift's texts are Unicode: what is not UTF-8 would silently become another name,
// under which no file is found and a wrong one is written.

package enum ArgumentText {
    /// Refuses the first argument that is not UTF-8.
    ///
    /// - Throws: ``Failure`` (64), which shows its bytes.
    package static func check() throws(Failure) {
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let start = CommandLine.unsafeArgv[index] else { return }
            let text = UnsafeBufferPointer(start: start, count: length(start)).map { UInt8(bitPattern: $0) }
            guard String(validating: text, as: UTF8.self) == nil else { continue }
            throw Failure(
                .usage,
                "the argument \(shown(text)) is not UTF-8; rename the file, or reach it through a link of another name")
        }
    }

    private static func length(_ start: UnsafePointer<CChar>) -> Int {
        var length = 0
        while start[length] != 0 { length += 1 }
        return length
    }

    /// The bytes beyond ASCII as `\xE9`.
    private static func shown(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789ABCDEF")
        return bytes.map { byte in
            byte < 0x80 ? String(UnicodeScalar(byte)) : "\\x\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
        }.joined()
    }
}
