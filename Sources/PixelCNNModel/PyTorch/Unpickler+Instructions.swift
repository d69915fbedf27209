// The instructions, by their names in CPython's pickletools. Each is a line or a call; what torch.save never writes is
// refused by number.

extension Unpickler {
    mutating func execute(_ code: UInt8) throws(PickleError) {
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
        case 0x8a: stack.append(long(try counted(UInt8.self)))
        case 0x8b: stack.append(long(try counted(Int32.self)))
        case UInt8(ascii: "G"): stack.append(.float(Double(bitPattern: try integer(UInt64.self).byteSwapped)))
        case 0x8c: try pushText(try counted(UInt8.self))
        case UInt8(ascii: "X"): try pushText(try counted(UInt32.self))
        case 0x8d: try pushText(try counted(UInt64.self))
        case UInt8(ascii: "U"): try pushText(try counted(UInt8.self))  // Python 2's str
        case UInt8(ascii: "T"): try pushText(try counted(Int32.self))
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
        case 0x90: try addToSet()
        case 0x91:  // FROZENSET
            _ = try popToMark()
            push(.set)

        // Names, calls and objects
        case UInt8(ascii: "c"): try pushGlobal(module: try line(), name: try line())
        case 0x93: try stackGlobal()
        case UInt8(ascii: "R"): try call()
        case 0x81: try newObject()
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
        _ = try counted(length)
        stack.append(.ignored)
    }

    private mutating func pushText(_ range: Range<Int>) throws(PickleError) {
        if range.count > 15 { held += Self.allocationCost + range.count }  // shorter texts lie in the value itself
        stack.append(.string(try text(range)))
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

    // MARK: Collections

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
        guard case .node(let number) = try top(), case .list(var items) = nodes[number] else {
            throw .wrongOperand(at: start)
        }
        nodes[number] = .set
        charge(items: values.count)
        items += values
        nodes[number] = .list(items)
    }

    private mutating func setItems(_ values: [PickleValue]) throws(PickleError) {
        guard values.count % 2 == 0, case .node(let number) = try top(), case .dictionary(var items) = nodes[number]
        else { throw .wrongOperand(at: start) }
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

    private mutating func addToSet() throws(PickleError) {
        _ = try popToMark()
        guard case .node(let number) = try top(), case .set = nodes[number] else { throw .wrongOperand(at: start) }
    }

    // MARK: Names, calls and objects

    private mutating func pushGlobal(module: String, name: String) throws(PickleError) {
        let global = try PickleGlobal(module: module, name: name)
        held += Self.allocationCost + global.path.utf8.count
        push(.global(global))
    }

    /// Before PyTorch 1.6 a module's class came as `('module', class, file, source)`: the class, never its source.
    private mutating func pushPersistent() throws(PickleError) {
        let identifier = try pop()
        if case .tuple(let items)? = node(identifier), items.count == 4, items[0] == .string("module"),
            case .global(let global)? = node(items[1]), global.kind == .module
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
        try pushGlobal(module: module, name: name)
    }

    private mutating func call() throws(PickleError) {
        let arguments = try pop()
        guard case .global(let global)? = node(try pop()), case .tuple(let items)? = node(arguments)
        else { throw .wrongOperand(at: start) }
        switch global.kind {
        case .orderedDictionary:
            // Items follow one by one; given all at once, a few bytes could ask for copy after copy of them.
            guard items.isEmpty else { throw .refusedCall(global.path) }
            push(.dictionary([]))
        case .rebuildTensor, .rebuildParameter, .incidental:
            push(.call(global, arguments: arguments))
        case .storage, .module:
            throw .refusedCall(global.path)
        }
    }

    private mutating func newObject() throws(PickleError) {
        let values = try pop(2)
        guard case .global(let global)? = node(values[0]), case .tuple(let items)? = node(values[1])
        else { throw .wrongOperand(at: start) }
        guard global.kind == .module, items.isEmpty else { throw .refusedCall(global.path) }
        push(.object(global, state: .none))
    }

    /// Gives an object or a dictionary its attributes.
    private mutating func build() throws(PickleError) {
        let state = try pop()
        guard case .node(let number) = try top() else { throw .wrongOperand(at: start) }
        switch nodes[number] {
        case .object(let global, _): nodes[number] = .object(global, state: state)
        case .dictionary:
            if attributes.updateValue(state, forKey: number) == nil { held += PickleMemo.sparseCost }
        default: throw .wrongOperand(at: start)
        }
    }
}
