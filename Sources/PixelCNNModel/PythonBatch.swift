// One of CIFAR-10's files in its Python form: a pickle of a dictionary with `data`, an array of bytes (N, 3072), and
// `labels`, a list; and `batches.meta`, with the classes' names. Read by the unpickler that reads checkpoints, which
// executes nothing.

/// What a pickled batch holds.
package struct PythonBatch {
    /// (N, 3072): where the levels lie in the file.
    package let data: Range<Int>
    /// (N).
    package let labels: [Int]

    /// Reads a pickle; nil where it is another dictionary, or something else.
    ///
    /// - Throws: ``PickleError`` where it is no pickle that is read.
    package init?(_ bytes: [UInt8]) throws(PickleError) {
        let graph = try Self.graph(bytes)
        guard let items = graph.dictionary(graph.root),
            case .list(let labels)? = graph.node(graph.value("labels", in: items)),
            let array = graph.value("data", in: items), case .node(let number) = array,
            case .call(let global, _)? = graph.node(array), global.path.hasSuffix(".multiarray._reconstruct"),
            // (version, shape, type, whether in Fortran's order, bytes)
            let state = graph.tuple(graph.attributes[number]), state.count == 5,
            let shape = graph.integers(state[1]), shape.count == 2, shape[0] == labels.count, state[3] == .bool(false),
            case .call(let type, let arguments)? = graph.node(state[2]), type.path == "numpy.dtype",
            case .string("u1")? = graph.tuple(arguments)?.first, case .bytes(let data)? = graph.node(state[4]),
            case let (size, overflow) = shape[0].multipliedReportingOverflow(by: shape[1]), !overflow,
            size == data.count
        else { return nil }
        self.data = data
        var numbers: [Int] = []
        for label in labels {
            guard case .int(let number) = label else { return nil }
            numbers.append(number)
        }
        self.labels = numbers
    }

    /// The names of the classes in `batches.meta`; nil where the file is another.
    ///
    /// - Throws: ``PickleError`` where it is no pickle that is read.
    package static func names(_ bytes: [UInt8]) throws(PickleError) -> [String]? {
        let graph = try graph(bytes)
        return graph.dictionary(graph.root).flatMap { graph.value("label_names", in: $0) }.flatMap(graph.texts)
    }

    private static func graph(_ bytes: [UInt8]) throws(PickleError) -> PickleGraph {
        let result: Result<PickleGraph, PickleError> = bytes.withUnsafeBytes { buffer in
            Result { () throws(PickleError) in
                try Unpickler.read(buffer, fileBytes: buffer.count, keepsBytes: true)
            }
        }
        return try result.get()
    }
}
