// The words of the command line as the kernel has them. Swift's strings hold UTF-8 alone: a name in another encoding
// would be found nowhere, or written under another name than was asked for, so a program refuses it at its start.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

package enum RawArguments {
    /// Refuses words that are not UTF-8, and values of `variables` that are not.
    ///
    /// - Throws: ``Failure`` (64) with the word, its odd bytes as `\xE9`.
    package static func check(variables: [String] = []) throws(Failure) {
        for i in 1..<max(1, Int(CommandLine.argc)) {
            guard let word = CommandLine.unsafeArgv[i] else { continue }
            try check(word, "argument \(i)")
        }
        for name in variables {
            if let value = getenv(name) { try check(value, name) }
        }
    }

    private static func check(_ text: UnsafePointer<CChar>, _ place: String) throws(Failure) {
        guard String(validatingCString: text) == nil else { return }
        let bytes = UnsafeBufferPointer(start: text, count: strlen(text)).map { UInt8(bitPattern: $0) }
        throw Failure(
            .usage,
            "\(place) is not UTF-8: \(escaped(bytes)); rename the file, such as with convmv, or name it by a link to "
                + "it")
    }

    /// The text with each byte that belongs to no character as `\xE9`.
    package static func escaped(_ text: [UInt8]) -> String {
        var rest = text[...]
        var escaped = ""
        while let first = rest.first {
            let length = (1...4).first { String(validating: rest.prefix($0), as: UTF8.self)?.isEmpty == false }
            if let length, let character = String(validating: rest.prefix(length), as: UTF8.self) {
                escaped += character
                rest = rest.dropFirst(length)
            } else {
                escaped += "\\x" + (first < 16 ? "0" : "") + String(first, radix: 16, uppercase: true)
                rest = rest.dropFirst()
            }
        }
        return escaped
    }
}
