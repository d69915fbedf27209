// What a pickle describes, as a table of nodes that refer to one another by number.
//
// Numbers rather than references: a structure that contains itself is then only a number and leaks nothing, and one
// nested a million deep is freed by a loop, not by a recursion that would end on the guard page.

/// The nodes of a pickle and the value it ends with.
struct PickleGraph {
    let nodes: [PickleNode]
    let root: PickleValue
    /// What dictionaries have beside their items (Python attributes), by the dictionary's node.
    let attributes: [Int: PickleValue]

    /// The node a value refers to, or nil for simple values.
    func node(_ value: PickleValue?) -> PickleNode? {
        guard case .node(let number)? = value else { return nil }
        return nodes[number]
    }

    /// The elements of a tuple.
    func tuple(_ value: PickleValue?) -> [PickleValue]? {
        guard case .tuple(let items)? = node(value) else { return nil }
        return items
    }

    /// The pairs of a dictionary.
    func dictionary(_ value: PickleValue?) -> [(key: PickleValue, value: PickleValue)]? {
        guard case .dictionary(let items)? = node(value) else { return nil }
        return items
    }

    /// The attributes of a dictionary; a state_dict has `_metadata`, for one.
    func attributes(_ value: PickleValue) -> [(key: PickleValue, value: PickleValue)]? {
        guard case .node(let number) = value else { return nil }
        return dictionary(attributes[number])
    }

    /// The texts of a tuple or a list of nothing else.
    func texts(_ value: PickleValue) -> [String]? {
        switch node(value) {
        case .tuple(let items), .list(let items):
            let texts = items.compactMap { if case .string(let text) = $0 { text } else { nil } }
            return texts.count == items.count ? texts : nil
        default: return nil
        }
    }

    /// The integers of a shape: a tuple, a list or a `torch.Size`; nil beyond `Shape.maximumRank` of them.
    func integers(_ value: PickleValue?) -> [Int]? {
        let items: [PickleValue]
        switch node(value) {
        case .tuple(let elements), .list(let elements): items = elements
        case .call(let global, let arguments) where global.path == "torch.Size":
            guard let elements = tuple(arguments), elements.count == 1, let sizes = tuple(elements[0]) else {
                return nil
            }
            items = sizes
        default: return nil
        }
        guard items.count <= Shape.maximumRank else { return nil }
        var integers: [Int] = []
        for item in items {
            guard case .int(let integer) = item else { return nil }
            integers.append(integer)
        }
        return integers
    }

    /// The value under a text key of a dictionary; as in Python, the last one stored.
    func value(_ key: String, in dictionary: [(key: PickleValue, value: PickleValue)]) -> PickleValue? {
        dictionary.last { $0.key == .string(key) }?.value
    }
}
