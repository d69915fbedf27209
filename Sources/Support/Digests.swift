// SHA-256 and MD5 from Debian's libmd. SHA-256 identifies models, data sets and given images in responses, logs and
// checkpoints, about 0.1 s for the published model's file; MD5 is what CIFAR-10's page states for its archive.

import CMessageDigest

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

package struct SHA256 {
    private var context = SHA2_CTX()

    package init() { SHA256Init(&context) }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return }
        SHA256Update(&context, start.assumingMemoryBound(to: UInt8.self), bytes.count)
    }

    /// The digest as 64 lower-case hexadecimal digits.
    package consuming func hexadecimal() -> String {
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        SHA256Final(&digest, &context)
        return Self.text(digest)
    }

    package static func hexadecimal(of bytes: UnsafeRawBufferPointer) -> String {
        var hash = SHA256()
        hash.update(bytes)
        return hash.hexadecimal()
    }

    private static func text(_ digest: [UInt8]) -> String {
        let digits = Array("0123456789abcdef")
        return String(digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}

package enum MD5 {
    /// The digest of a file as 32 lower-case hexadecimal digits; nil where it cannot be read.
    package static func hexadecimal(ofFileAt path: String) -> String? {
        guard let text = MD5File(path, nil) else { return nil }
        defer { free(text) }
        return String(cString: text)
    }
}
