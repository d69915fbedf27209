// An interpreter for the pickle instructions that torch.save writes (protocols 2 to 5), which executes nothing: names
// stay names, calls become nodes, and both are checked against PickleGlobal's list.
//
// One pass. Every instruction takes its operands from the stack and so costs at most what pushing them cost; what all
// values together hold is counted, and a pickle that makes more of a few bytes than its file's size allows is refused.

/// Reads one pickle into a graph of nodes.
struct Unpickler {
    /// A whole module takes about 4 kB and 1,500 instructions a block; 512 blocks, the most allowed, stay below both.
    static let sizeLimit = 16 << 20
    static let instructionLimit = 1 << 20
    /// Memory that a pickle's values may take beyond the file's own size. The published network's whole module takes
    /// 1.4 MB (4,800 nodes) for a file of 20 MB; about 90 kB a block, which only blocks of a few filters exceed, past a
    /// hundred.
    static let memoryAllowance = 12 << 20
    /// What an allocation takes besides its content.
    static let allocationCost = 48

    let bytes: UnsafeRawBufferPointer
    /// Byte after the current instruction's code and the operands read so far.
    var position = 0
    /// Byte of the current instruction.
    var start = 0
    var stack: [PickleValue] = []
    /// Stack heights at the marks still open.
    var marks: [Int] = []
    var memo = PickleMemo()
    var nodes: [PickleNode] = [.tuple([])]  // node 0 is the empty tuple, which files are full of
    /// What dictionaries have beside their items, by node.
    var attributes: [Int: PickleValue] = [:]
    /// The most values the stack ever had: its memory is not given back.
    private var stackPeak = 0
    /// Bytes of lists, dictionaries, texts and names; never reduced, as nodes stay.
    var held = 0
    private let memoryLimit: Int

    /// The graph a pickle describes; bytes after its last instruction are not looked at.
    ///
    /// - Parameter fileBytes: size of the file the pickle is in, which memory may grow with.
    static func read(_ bytes: UnsafeRawBufferPointer, fileBytes: Int) throws(PickleError) -> PickleGraph {
        guard bytes.count <= sizeLimit else { throw .tooLarge(bytes: bytes.count, limit: sizeLimit) }
        return try readFirst(bytes, fileBytes: fileBytes).graph
    }

    /// The graph of the pickle that `bytes` begin with, and how many of them it takes.
    static func readFirst(
        _ bytes: UnsafeRawBufferPointer, fileBytes: Int
    ) throws(PickleError) -> (graph: PickleGraph, length: Int) {
        var unpickler = Unpickler(
            bytes: UnsafeRawBufferPointer(rebasing: bytes.prefix(sizeLimit)), memoryLimit: memoryAllowance + fileBytes)
        do throws(PickleError) {
            return (try unpickler.run(), unpickler.position)
        } catch {
            if case .truncated = error, bytes.count > sizeLimit {
                throw .tooLarge(bytes: bytes.count, limit: sizeLimit)
            }
            throw error
        }
    }

    private init(bytes: UnsafeRawBufferPointer, memoryLimit: Int) {
        self.bytes = bytes
        self.memoryLimit = memoryLimit
    }

    private mutating func run() throws(PickleError) -> PickleGraph {
        for _ in 0..<Self.instructionLimit {
            start = position
            let code = try integer(UInt8.self)
            if code == UInt8(ascii: ".") {
                return PickleGraph(nodes: nodes, root: try pop(), attributes: attributes)
            }
            try execute(code)
            stackPeak = max(stackPeak, stack.count)
            guard memory <= memoryLimit else { throw .tooManyValues(at: start, bytes: memoryLimit) }
        }
        throw .tooManyInstructions(limit: Self.instructionLimit)
    }

    // MARK: Memory

    /// Bytes taken so far, an upper bound: an array that grows is there twice while it moves.
    var memory: Int {
        let value = 2 * MemoryLayout<PickleValue>.stride
        return stackPeak * value + marks.count * 16 + memo.memory
            + nodes.count * 2 * MemoryLayout<PickleNode>.stride + held
    }

    /// Counts values that a node takes in.
    mutating func charge(items: Int) { held += Self.allocationCost + items * 2 * MemoryLayout<PickleValue>.stride }

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
