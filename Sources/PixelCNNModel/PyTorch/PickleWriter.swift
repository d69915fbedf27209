// The few instructions of pickle's protocol 2 that a state_dict takes. Nothing is memoised: each name stands where it
// is used, and a reader need not follow references.

struct PickleWriter {
    private var bytes: [UInt8] = [0x80, 2]

    mutating func global(_ module: String, _ name: String) {
        bytes.append(UInt8(ascii: "c"))
        bytes += "\(module)\n\(name)\n".utf8
    }

    mutating func text(_ text: String) {
        bytes.append(UInt8(ascii: "X"))
        append(UInt32(text.utf8.count))
        bytes += text.utf8
    }

    /// A number from 0 to 2³¹ − 1.
    mutating func integer(_ value: Int) {
        bytes.append(UInt8(ascii: "J"))
        append(UInt32(value))
    }

    mutating func no() { bytes.append(0x89) }

    mutating func mark() { bytes.append(UInt8(ascii: "(")) }

    mutating func tuple(_ elements: (inout PickleWriter) -> Void) {
        mark()
        elements(&self)
        bytes.append(UInt8(ascii: "t"))
    }

    /// Calls what lies below a tuple with it.
    mutating func call() { bytes.append(UInt8(ascii: "R")) }

    mutating func emptyOrderedDictionary() {
        global("collections", "OrderedDict")
        tuple { _ in }
        call()
    }

    mutating func emptyDictionary() { bytes.append(UInt8(ascii: "}")) }

    mutating func list(_ texts: [String]) {
        bytes.append(UInt8(ascii: "]"))
        mark()
        for text in texts { self.text(text) }
        bytes.append(UInt8(ascii: "e"))
    }

    /// Gives what lies below a dictionary its items as attributes.
    mutating func build() { bytes.append(UInt8(ascii: "b")) }

    /// Looks the topmost value up outside of the pickle.
    mutating func persistentIdentifier() { bytes.append(UInt8(ascii: "Q")) }

    /// Puts keys and values since the mark into the dictionary below it.
    mutating func setItems() { bytes.append(UInt8(ascii: "u")) }

    consuming func end() -> [UInt8] { bytes + [UInt8(ascii: ".")] }

    private mutating func append(_ value: UInt32) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
