// An interpreter for the pickle instructions that torch.save writes (protocols 1 to 5), which executes nothing: names
// stay names, and calls become nodes. What a checkpoint holds beside its network may name any class; PyTorchFile then
// reads only what PickleGlobal's list says how to read.
//
// One pass. Every instruction takes its operands from the stack and so costs at most what pushing them cost; what all
// values together hold is counted, and a pickle that makes more of a few bytes than its file's size allows is refused.

/// Reads one pickle into a graph of nodes.
struct Unpickler {
    /// A whole module takes about 1,500 instructions per block. The rest is for what lies beside it: a loss for each of
    /// some million training steps, for one. A second's work at most.
    static let instructionLimit = 1 << 24
    /// Longer texts are no names: they are bytes of NumPy arrays, or logs, and are read past.
    static let textLimit = 1 << 16
    /// Of a longer list only what is not a mere number is kept: a list of numbers is a history, which no network needs.
    static let numberLimit = 1 << 10
    /// Memory that a pickle's values may take beyond the file's own size. The published network's whole module takes
    /// 1.4 MB (4,800 nodes) for a file of 20 MB; about 90 kB per block, which only blocks of a few filters exceed, past
    /// a hundred.
    static let memoryAllowance = 12 << 20
    /// What an allocation takes besides its content.
    private static let allocationCost = 48

    private let bytes: UnsafeRawBufferPointer
    /// Byte after the current instruction's code and the operands read so far.
    private var position = 0
    /// Byte of the current instruction.
    private var start = 0
    private var stack: [PickleValue] = []
    /// Stack heights at the marks still open.
    private var marks: [Int] = []
    private var memo = PickleMemo()
    private var nodes: [PickleNode] = [.tuple([])]  // node 0 is the empty tuple, which files are full of
    /// What dictionaries have beside their items, and what tensors are given once they are made, by node.
    private var attributes: [Int: PickleValue] = [:]
    /// The most values the stack ever had: its memory is not given back.
    private var stackPeak = 0
    /// Bytes of lists, dictionaries, texts and names; never reduced, as nodes stay.
    private var held = 0
    private let memoryLimit: Int
    /// Whether bytes, and all of a long list of numbers, are kept.
    private var keepsBytes = false

    /// The graph a pickle describes; bytes after its last instruction are not looked at.
    ///
    /// - Parameters:
    ///   - fileBytes: size of the file the pickle is in, which memory may grow with.
    ///   - keepsBytes: whether bytes, and all of a long list of numbers, are kept, which no network needs.
    static func read(
        _ bytes: UnsafeRawBufferPointer, fileBytes: Int, keepsBytes: Bool = false
    ) throws(PickleError) -> PickleGraph {
        var unpickler = Unpickler(bytes: bytes, memoryLimit: memoryAllowance + fileBytes)
        unpickler.keepsBytes = keepsBytes
        return try unpickler.run()
    }

    /// The graph of the pickle that `bytes` begin with, and how many of them it takes.
    static func readFirst(
        _ bytes: UnsafeRawBufferPointer, fileBytes: Int
    ) throws(PickleError) -> (graph: PickleGraph, length: Int) {
        var unpickler = Unpickler(bytes: bytes, memoryLimit: memoryAllowance + fileBytes)
        return (try unpickler.run(), unpickler.position)
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

    // MARK: - Memory

    /// Bytes taken so far, an upper bound: an array that grows is there twice while it moves.
    private var memory: Int {
        let value = 2 * MemoryLayout<PickleValue>.stride
        return stackPeak * value + marks.count * 16 + memo.memory
            + nodes.count * 2 * MemoryLayout<PickleNode>.stride + held
    }

    /// Counts values that a node takes in.
    private mutating func charge(items: Int) {
        held += Self.allocationCost + items * 2 * MemoryLayout<PickleValue>.stride
    }

    // MARK: - Operands in the pickle

    private mutating func integer<T: FixedWidthInteger>(_ type: T.Type) throws(PickleError) -> T {
        guard let value = bytes.littleEndian(at: position, as: type) else { throw .truncated(at: start) }
        position += MemoryLayout<T>.size
        return value
    }

    /// A length, followed by so many bytes.
    private mutating func counted<T: FixedWidthInteger>(_ type: T.Type) throws(PickleError) -> Range<Int> {
        let length = try integer(type)
        guard let count = Int(exactly: length), count >= 0, count <= bytes.count - position else {
            throw .truncated(at: start)
        }
        defer { position += count }
        return position..<position + count
    }

    /// Text up to the next line feed, cut where it is too long for a name.
    private mutating func line() throws(PickleError) -> String {
        guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) else { throw .truncated(at: start) }
        defer { position = end + 1 }
        let range = position..<min(end, position + PickleGlobal.lengthLimit + 1)
        // Cut inside a character, the text may end with a replacement character, and is too long in any case.
        guard end > range.upperBound || String(validating: bytes[range], as: UTF8.self) != nil else {
            throw .invalidText(at: start)
        }
        return String(decoding: bytes[range], as: UTF8.self)
    }

    // MARK: - The stack

    private mutating func push(_ node: PickleNode) {
        stack.append(.node(nodes.count))
        nodes.append(node)
    }

    private func node(_ value: PickleValue) -> PickleNode? {
        guard case .node(let number) = value else { return nil }
        return nodes[number]
    }

    /// The topmost value; a mark shields what lies below it.
    private mutating func pop() throws(PickleError) -> PickleValue {
        guard stack.count > marks.last ?? 0 else { throw .wrongOperand(at: start) }
        return stack.removeLast()
    }

    private func top() throws(PickleError) -> PickleValue {
        guard stack.count > marks.last ?? 0, let value = stack.last else { throw .wrongOperand(at: start) }
        return value
    }

    /// The topmost `count` values, lowest first.
    private mutating func pop(_ count: Int) throws(PickleError) -> [PickleValue] {
        guard stack.count - (marks.last ?? 0) >= count else { throw .wrongOperand(at: start) }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    /// All values above the last mark, lowest first; removes the mark.
    private mutating func popToMark() throws(PickleError) -> [PickleValue] {
        guard let mark = marks.popLast() else { throw .wrongOperand(at: start) }
        defer { stack.removeSubrange(mark...) }
        return Array(stack[mark...])
    }

    // MARK: - Instructions

    // By their names in CPython's pickletools. Each is a line or a call; what torch.save never writes is refused by
    // number. Protocol 1 has no instruction for its protocol, and writes truth values and large integers as text.

    private mutating func execute(_ code: UInt8) throws(PickleError) {
        switch code {
        // Framing
        case 0x80: try checkProtocol()
        case 0x95: _ = try integer(UInt64.self)  // FRAME: a hint for readers of streams

        // Simple values
        case UInt8(ascii: "N"): stack.append(.none)
        case 0x88: stack.append(.bool(true))
        case 0x89: stack.append(.bool(false))
        case UInt8(ascii: "J"): stack.append(.int(Int(try integer(Int32.self))))
        case UInt8(ascii: "K"): stack.append(.int(Int(try integer(UInt8.self))))
        case UInt8(ascii: "M"): stack.append(.int(Int(try integer(UInt16.self))))
        case UInt8(ascii: "I"), UInt8(ascii: "L"): stack.append(number(try line()))
        case 0x8a: stack.append(long(try counted(UInt8.self)))
        case 0x8b: stack.append(long(try counted(Int32.self)))
        case UInt8(ascii: "G"): stack.append(.float(Double(bitPattern: try integer(UInt64.self).byteSwapped)))
        case 0x8c: pushText(try counted(UInt8.self))
        case UInt8(ascii: "X"): pushText(try counted(UInt32.self))
        case 0x8d: pushText(try counted(UInt64.self))
        case UInt8(ascii: "U"): pushText(try counted(UInt8.self))  // Python 2's str
        case UInt8(ascii: "T"): pushText(try counted(Int32.self))
        case UInt8(ascii: "C"): try ignoreBytes(UInt8.self)
        case UInt8(ascii: "B"): try ignoreBytes(UInt32.self)
        case 0x8e, 0x96: try ignoreBytes(UInt64.self)

        // The stack and the memo
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: "0"): _ = try pop()
        case UInt8(ascii: "1"): _ = try popToMark()
        case UInt8(ascii: "2"): stack.append(try top())
        case UInt8(ascii: "q"): memo.store(try top(), at: Int(try integer(UInt8.self)))
        case UInt8(ascii: "r"): memo.store(try top(), at: Int(try integer(UInt32.self)))
        case 0x94: memo.store(try top(), at: memo.count)
        case UInt8(ascii: "h"): try recall(Int(try integer(UInt8.self)))
        case UInt8(ascii: "j"): try recall(Int(try integer(UInt32.self)))

        // Collections
        case UInt8(ascii: ")"): stack.append(.node(0))
        case 0x85: pushTuple(try pop(1))
        case 0x86: pushTuple(try pop(2))
        case 0x87: pushTuple(try pop(3))
        case UInt8(ascii: "t"): pushTuple(try popToMark())
        case UInt8(ascii: "]"): push(.list([]))
        case UInt8(ascii: "a"): try append([try pop()])
        case UInt8(ascii: "e"): try append(try popToMark())
        case UInt8(ascii: "l"): pushList(try popToMark())
        case UInt8(ascii: "}"): push(.dictionary([]))
        case UInt8(ascii: "d"): try makeDictionary()
        case UInt8(ascii: "s"): try setItems(try pop(2))
        case UInt8(ascii: "u"): try setItems(try popToMark())
        case 0x8f: push(.set)
        case 0x90: _ = try popToMark()  // ADDITEMS
        case 0x91:  // FROZENSET
            _ = try popToMark()
            push(.set)

        // Names, calls and objects
        case UInt8(ascii: "c"): pushGlobal(module: try line(), name: try line())
        case 0x93: try stackGlobal()
        case UInt8(ascii: "R"): try call()
        case 0x81: try newObject()
        case 0x92:  // NEWOBJ_EX: arguments by name come last
            _ = try pop()
            try newObject()
        case UInt8(ascii: "b"): try build()
        case UInt8(ascii: "Q"): try pushPersistent()

        default: throw .unsupportedInstruction(code, at: start)
        }
    }

    private mutating func checkProtocol() throws(PickleError) {
        let version = Int(try integer(UInt8.self))
        guard (2...5).contains(version) else { throw .unsupportedProtocol(version) }
    }

    private mutating func ignoreBytes<T: FixedWidthInteger>(_ length: T.Type) throws(PickleError) {
        pushBytes(try counted(length))
    }

    private mutating func pushBytes(_ range: Range<Int>) {
        if keepsBytes { push(.bytes(range)) } else { stack.append(.ignored) }
    }

    private mutating func pushText(_ range: Range<Int>) {
        // PyTorch takes any bytes for text; Python 2 wrote bytes so.
        guard range.count <= Self.textLimit, let text = String(validating: bytes[range], as: UTF8.self) else {
            return pushBytes(range)
        }
        if range.count > 15 { held += Self.allocationCost + range.count }  // shorter texts lie in the value itself
        stack.append(.string(text))
    }

    /// An integer as protocol 1 writes it: `01` and `00` are truth values, and a large one ends with an L.
    private func number(_ text: String) -> PickleValue {
        switch text {
        case "00": .bool(false)
        case "01": .bool(true)
        default: Int(text.hasSuffix("L") ? String(text.dropLast()) : text).map { .int($0) } ?? .ignored
        }
    }

    /// A little-endian two's-complement integer of any length.
    private func long(_ range: Range<Int>) -> PickleValue {
        guard range.count <= 8 else { return .ignored }
        guard let last = range.last else { return .int(0) }
        var value = bytes[last] >= 0x80 ? -1 : 0
        for index in range.reversed() { value = value << 8 | Int(bytes[index]) }
        return .int(value)
    }

    private mutating func recall(_ index: Int) throws(PickleError) {
        guard let value = memo[index] else { throw .unknownMemo(index, at: start) }
        stack.append(value)
    }

    // MARK: - Collections

    // Each takes its node out of the table while it grows: a second reference would make every append a copy.

    private mutating func pushTuple(_ values: [PickleValue]) {
        charge(items: values.count)
        push(.tuple(values))
    }

    private mutating func pushList(_ values: [PickleValue]) {
        charge(items: values.count)
        push(.list(values))
    }

    private mutating func append(_ values: [PickleValue]) throws(PickleError) {
        guard case .node(let number) = try top() else { throw .wrongOperand(at: start) }
        var items: [PickleValue]
        switch nodes[number] {
        case .list(let before): items = before
        case let node where node.isUnknown: items = []  // a list of some class: a deque, for one
        default: throw .wrongOperand(at: start)
        }
        nodes[number] = .set
        let kept = items.count < Self.numberLimit || keepsBytes ? values : values.filter { !$0.isNumber }
        if !kept.isEmpty { charge(items: kept.count) }
        items += kept
        nodes[number] = .list(items)
    }

    private mutating func setItems(_ values: [PickleValue]) throws(PickleError) {
        guard values.count % 2 == 0, case .node(let number) = try top() else { throw .wrongOperand(at: start) }
        var items: [(key: PickleValue, value: PickleValue)]
        switch nodes[number] {
        case .dictionary(let before): items = before
        case let node where node.isUnknown: items = []  // a dictionary of some class
        default: throw .wrongOperand(at: start)
        }
        nodes[number] = .set
        charge(items: values.count)
        for index in stride(from: 0, to: values.count, by: 2) { items.append((values[index], values[index + 1])) }
        nodes[number] = .dictionary(items)
    }

    private mutating func makeDictionary() throws(PickleError) {
        let values = try popToMark()
        push(.dictionary([]))
        try setItems(values)
    }

    // MARK: - Names, calls and objects

    private mutating func pushGlobal(module: String, name: String) {
        let global = PickleGlobal(module: module, name: name)
        held += Self.allocationCost + global.path.utf8.count
        push(.global(global))
    }

    /// Before PyTorch 1.6 a module's class came as `('module', class, file, source)`: the class, never its source.
    private mutating func pushPersistent() throws(PickleError) {
        let identifier = try pop()
        if case .tuple(let items)? = node(identifier), items.count == 4, items[0] == .string("module"),
            case .global? = node(items[1])
        {
            stack.append(items[1])
        } else {
            push(.persistent(identifier))
        }
    }

    private mutating func stackGlobal() throws(PickleError) {
        let values = try pop(2)
        guard case .string(let module) = values[0], case .string(let name) = values[1] else {
            throw .wrongOperand(at: start)
        }
        pushGlobal(module: module, name: name)
    }

    private mutating func call() throws(PickleError) {
        let arguments = try pop()
        guard case .global(let global)? = node(try pop()) else {
            return push(.unknown)  // a bound method, or what another call gave
        }
        guard case .tuple(let items)? = node(arguments) else { throw .wrongOperand(at: start) }
        switch global.kind {
        case .dictionary: try pushDictionary(of: items)
        case .reconstructor:  // an object as protocol 1 makes it
            if case .global(let type)? = node(items.first ?? .none) {
                push(.object(type, state: .none))
            } else {
                push(.unknown)
            }
        case .module: push(.object(global, state: .none))
        default: push(.call(global, arguments: arguments))
        }
    }

    /// A dictionary of what its class is called with: pairs, as Python 2 did it, another dictionary, or nothing that
    /// matters.
    private mutating func pushDictionary(of arguments: [PickleValue]) throws(PickleError) {
        var items: [(key: PickleValue, value: PickleValue)] = []
        switch node(arguments.last ?? .none) {
        case .dictionary(let others): items = others
        case .list(let pairs):
            for pair in pairs {
                switch node(pair) {
                case .list(let pair) where pair.count == 2, .tuple(let pair) where pair.count == 2:
                    items.append((pair[0], pair[1]))
                default: throw .wrongOperand(at: start)
                }
            }
        default: break
        }
        charge(items: 2 * items.count)  // each copy counts: a few bytes could ask for one after another
        push(.dictionary(items))
    }

    private mutating func newObject() throws(PickleError) {
        let values = try pop(2)
        guard case .global(let global)? = node(values[0]) else { return push(.unknown) }
        switch global.kind {
        case .dictionary: push(.dictionary([]))
        case .tensor: push(.call(global, arguments: values[1]))
        default: push(.object(global, state: .none))
        }
    }

    /// Gives an object, a dictionary or a tensor its attributes; of other values they do not matter.
    private mutating func build() throws(PickleError) {
        let state = try pop()
        guard case .node(let number) = try top() else { return }
        switch nodes[number] {
        case .object(let global, _): nodes[number] = .object(global, state: state)
        case .dictionary, .call:
            if attributes.updateValue(state, forKey: number) == nil { held += PickleMemo.sparseCost }
        default: break
        }
    }
}

/// What a pickle stores for recall. Writers number from zero without a gap, so nearly all of it is an array; only other
/// numbers, which a damaged or hostile pickle may have, take a dictionary.
private struct PickleMemo {
    private var dense: [PickleValue] = []
    private var sparse: [Int: PickleValue] = [:]

    /// How many values are stored.
    var count: Int { dense.count + sparse.count }

    /// Bytes taken, an upper bound.
    var memory: Int { 2 * MemoryLayout<PickleValue>.stride * dense.count + Self.sparseCost * sparse.count }

    /// Bytes that a value by number takes in a dictionary, which is at worst three eighths full, and there twice while
    /// it grows.
    static let sparseCost = 144

    mutating func store(_ value: PickleValue, at index: Int) {
        if index < dense.count {
            dense[index] = value
        } else if index == dense.count, sparse.isEmpty {
            dense.append(value)
        } else {
            sparse[index] = value
        }
    }

    subscript(index: Int) -> PickleValue? { index < dense.count ? dense[index] : sparse[index] }
}
