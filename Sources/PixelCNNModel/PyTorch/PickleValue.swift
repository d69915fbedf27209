// The values a pickle is made of: simple ones in place, composed ones as nodes of a graph.

/// A value: itself where it is simple, else the number of its node.
enum PickleValue: Equatable {
    case none
    case bool(Bool)
    case int(Int)
    case float(Double)
    case string(String)
    case node(Int)
    /// Bytes and integers beyond 64 bits: read past, since no model needs them.
    case ignored
}

/// A value made of other values.
enum PickleNode {
    case tuple([PickleValue])
    case list([PickleValue])
    case dictionary([(key: PickleValue, value: PickleValue)])
    case set
    /// A function or class, by name.
    case global(PickleGlobal)
    /// A constructor and its arguments, a tuple.
    case call(PickleGlobal, arguments: PickleValue)
    /// An instance of a module class and its `__dict__`.
    case object(PickleGlobal, state: PickleValue)
    /// A reference to something outside the pickle: for PyTorch, a storage.
    case persistent(PickleValue)
}
