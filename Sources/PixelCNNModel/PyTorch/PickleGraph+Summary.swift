// Values in a word or two, for messages about files that are not what they should be.

extension PickleGraph {
    /// A value in a word or two, for messages.
    func summary(_ value: PickleValue) -> String {
        switch value {
        case .none: "None"
        case .bool(let value): value ? "True" : "False"
        case .int(let value): "\(value)"
        case .float(let value): "\(value)"
        case .string(let text): quoted(text)
        case .ignored: "bytes or a large integer"
        case .node(let number):
            switch nodes[number] {
            case .tuple: "a tuple"
            case .list: "a list"
            case .dictionary: "a dictionary"
            case .set: "a set"
            case .global(let global): quoted(global.path)
            case .call(let global, _): global.kind == .rebuildTensor ? "a tensor" : "a \(quoted(global.path))"
            case .object(let global, _): "a \(quoted(global.path))"
            case .persistent: "a storage"
            }
        }
    }
}
