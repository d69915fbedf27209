// An interpreter for the pickle instructions that torch.save writes (protocols 2 to 5), which executes nothing: names
// stay names, calls become nodes, and both are checked against PickleGlobal's list.
//
// One pass; time and memory are linear in the pickle's length, which is limited as well. Every instruction takes its
// operands from the stack and so costs at most what pushing them cost.

/// Reads one pickle into a graph of nodes.
struct Unpickler {
    /// A whole module takes about 4 kB and 1,500 instructions a block; 512 blocks, the most allowed, stay below both.
    static let sizeLimit = 16 << 20
    /// Bounds memory: no instruction costs more than about 130 bytes, so the worst of pickles stays near 140 MB.
    static let instructionLimit = 1 << 20

    let bytes: UnsafeRawBufferPointer
    /// Byte after the current instruction's code and the operands read so far.
    var position = 0
    /// Byte of the current instruction.
    var start = 0
    var stack: [PickleValue] = []
    /// Stack heights at the marks still open.
    var marks: [Int] = []
    var memo: [Int: PickleValue] = [:]
    var nodes: [PickleNode] = [.tuple([])]  // node 0 is the empty tuple, which files are full of

    /// The graph a pickle describes; bytes after its last instruction are not looked at.
    static func read(_ bytes: UnsafeRawBufferPointer) throws(PickleError) -> PickleGraph {
        guard bytes.count <= sizeLimit else { throw .tooLarge(bytes: bytes.count, limit: sizeLimit) }
        var unpickler = Unpickler(bytes: bytes)
        return try unpickler.run()
    }

    private init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    private mutating func run() throws(PickleError) -> PickleGraph {
        for _ in 0..<Self.instructionLimit {
            start = position
            let code = try integer(UInt8.self)
            if code == UInt8(ascii: ".") {
                return PickleGraph(nodes: nodes, root: try pop())
            }
            try execute(code)
        }
        throw .tooManyInstructions(limit: Self.instructionLimit)
    }

    // MARK: Operands in the pickle

    mutating func integer<T: FixedWidthInteger>(_ type: T.Type) throws(PickleError) -> T {
        guard let value = bytes.littleEndian(at: position, as: type) else { throw .truncated(at: start) }
        position += MemoryLayout<T>.size
        return value
    }

    /// A length, followed by so many bytes.
    mutating func counted<T: FixedWidthInteger>(_ type: T.Type) throws(PickleError) -> Range<Int> {
        let length = try integer(type)
        guard let count = Int(exactly: length), count >= 0, count <= bytes.count - position else {
            throw .truncated(at: start)
        }
        defer { position += count }
        return position..<position + count
    }

    func text(_ range: Range<Int>) throws(PickleError) -> String {
        guard let text = String(validating: bytes[range], as: UTF8.self) else { throw .invalidText(at: start) }
        return text
    }

    /// Text up to the next line feed.
    mutating func line() throws(PickleError) -> String {
        guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) else { throw .truncated(at: start) }
        defer { position = end + 1 }
        return try text(position..<end)
    }

    // MARK: The stack

    mutating func push(_ node: PickleNode) {
        stack.append(.node(nodes.count))
        nodes.append(node)
    }

    func node(_ value: PickleValue) -> PickleNode? {
        guard case .node(let number) = value else { return nil }
        return nodes[number]
    }

    /// The topmost value; a mark shields what lies below it.
    mutating func pop() throws(PickleError) -> PickleValue {
        guard stack.count > marks.last ?? 0 else { throw .wrongOperand(at: start) }
        return stack.removeLast()
    }

    func top() throws(PickleError) -> PickleValue {
        guard stack.count > marks.last ?? 0, let value = stack.last else { throw .wrongOperand(at: start) }
        return value
    }

    /// The topmost `count` values, lowest first.
    mutating func pop(_ count: Int) throws(PickleError) -> [PickleValue] {
        guard stack.count - (marks.last ?? 0) >= count else { throw .wrongOperand(at: start) }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    /// All values above the last mark, lowest first; removes the mark.
    mutating func popToMark() throws(PickleError) -> [PickleValue] {
        guard let mark = marks.popLast() else { throw .wrongOperand(at: start) }
        defer { stack.removeSubrange(mark...) }
        return Array(stack[mark...])
    }
}
