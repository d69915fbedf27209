// Walks a whole module as torch.nn.Module.state_dict does: own parameters, own buffers, then children, joining names
// with dots. Bounded in depth, names and work, since a pickle can make a module its own child.

extension PyTorchFile {
    mutating func collectModule(_ value: PickleValue, path: String, depth: Int = 0) throws(PyTorchError) {
        guard depth < Self.depthLimit else { throw .tooDeep(path: path, limit: Self.depthLimit) }
        guard case .object(let global, let state)? = graph.node(value), let attributes = graph.dictionary(state) else {
            throw .malformedModule(path: path, expected: "a class and a __dict__")
        }
        try charge(attributes, path: path)
        try checkLayer(global, attributes, path: path)
        for (key, value) in try section("_parameters", of: attributes, path: path) {
            try add(value, name: try join(path, key))
        }
        for (key, value) in try section("_buffers", of: attributes, path: path) {
            try add(value, name: try join(path, key))
        }
        for (key, value) in try section("_modules", of: attributes, path: path) {
            try collectModule(value, path: try join(path, key), depth: depth + 1)
        }
    }

    /// The entries of one of a module's three dictionaries that are not None.
    private mutating func section(
        _ key: String, of attributes: [(key: PickleValue, value: PickleValue)], path: String
    ) throws(PyTorchError) -> [(key: PickleValue, value: PickleValue)] {
        guard let items = graph.dictionary(graph.value(key, in: attributes)) else {
            throw .malformedModule(path: path, expected: "a dictionary \(key)")
        }
        try charge(items, path: path)
        return items.filter { $0.value != .none }
    }

    private func join(_ path: String, _ key: PickleValue) throws(PyTorchError) -> String {
        guard case .string(let name) = key else {
            throw .malformedModule(path: path, expected: "names, not \(graph.summary(key))")
        }
        guard path.utf8.count + name.utf8.count < Self.nameLimit else {
            throw .nameTooLong(path: path.isEmpty ? name : path, limit: Self.nameLimit)
        }
        return path.isEmpty ? name : "\(path).\(name)"
    }

    private mutating func charge(
        _ items: [(key: PickleValue, value: PickleValue)], path: String
    ) throws(PyTorchError) {
        work += items.count + 1
        guard work <= Self.workLimit else { throw .tooDeep(path: path, limit: Self.depthLimit) }
    }

    /// Two things no tensor shows: which activation stands between convolutions, and the norms' epsilon.
    private func checkLayer(
        _ global: PickleGlobal, _ attributes: [(key: PickleValue, value: PickleValue)], path: String
    ) throws(PyTorchError) {
        let relu = "torch.nn.modules.activation.ReLU"
        if path == "in_conv.1" || path == "out_conv.1", global.path != relu {
            throw .wrongLayer(path: path, found: quoted(global.path), expected: relu)
        }
        if path.hasPrefix("v_norm_layers.") || path.hasPrefix("h_norm_layers."),
            let epsilon = graph.value("eps", in: attributes), epsilon != .float(1e-5)
        {
            throw .wrongLayer(path: path, found: "eps \(graph.summary(epsilon))", expected: "eps 1e-5")
        }
    }
}
