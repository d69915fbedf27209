// A network's size from the shapes of a few of its tensors. Everything else is then checked against that size, so a
// file whose shapes contradict one another is refused by the name of the tensor that does not fit.

extension Hyperparameters {
    /// Reads the size off the tensors; `height` and `width` no shape shows.
    init(shapesOf tensors: [Tensor], height: Int, width: Int) throws(ModelFileError.Problem) {
        let numbers: (channels: Int, colors: Int, blocks: Int, filters: Int, kernelSize: Int, hidden: Int)
        let labels: Int
        do throws(ModelDataError) {
            numbers = try Self.numbers(tensors)
            labels = try Self.labelCount(tensors)
        } catch { throw .model(error) }
        do throws(HyperparametersError) {
            try self.init(
                channels: numbers.channels, height: height, width: width, colors: numbers.colors,
                blocks: numbers.blocks, filters: numbers.filters, kernelSize: numbers.kernelSize,
                hidden: numbers.hidden, labels: labels)
        } catch { throw .hyperparameters(error) }
    }

    private static func numbers(
        _ tensors: [Tensor]
    ) throws(ModelDataError) -> (channels: Int, colors: Int, blocks: Int, filters: Int, kernelSize: Int, hidden: Int) {
        let names = (
            input: "in_conv.0.weight", vertical: "gated_layers.0.v_conv.weight", first: "out_conv.0.weight",
            last: "out_conv.2.weight"
        )
        var shapes: [String: [Int]] = [:]
        for tensor in tensors { shapes[tensor.name] = tensor.shape }
        func shape(_ name: String) throws(ModelDataError) -> [Int] {
            guard let shape = shapes[name] else { throw .missingTensor(name) }
            guard shape.count == 4, !shape.contains(0) else {
                throw .shapeMismatch(
                    tensor: name, expected: "four dimensions (outputs, inputs, rows, columns)", found: shape)
            }
            return shape
        }
        let input = try shape(names.input)
        let vertical = try shape(names.vertical)
        let hidden = try shape(names.first)[0]
        let last = try shape(names.last)
        guard last[0] % input[1] == 0 else {
            throw .shapeMismatch(
                tensor: names.last, expected: "outputs divisible by the \(input[1]) image channels", found: last)
        }
        return (input[1], last[0] / input[1], try blockCount(tensors), input[0], vertical[3], hidden)
    }

    /// Any block's label columns make the network conditional; whether every block has as many is checked with the
    /// rest.
    private static func labelCount(_ tensors: [Tensor]) throws(ModelDataError) -> Int {
        let endings = [".v_label.weight", ".h_label.weight"]
        let first = tensors.first { tensor in
            tensor.name.hasPrefix("gated_layers.") && endings.contains(where: tensor.name.hasSuffix)
        }
        guard let first else { return 0 }
        guard first.shape.count == 2, first.shape[1] > 0 else {
            throw .shapeMismatch(tensor: first.name, expected: "two dimensions (outputs, classes)", found: first.shape)
        }
        return first.shape[1]
    }

    /// Blocks are numbered from 0 without a gap; a number that would leave one names the block missing.
    private static func blockCount(_ tensors: [Tensor]) throws(ModelDataError) -> Int {
        let prefix = "gated_layers."
        var numbers: Set<Int> = []
        for tensor in tensors where tensor.name.hasPrefix(prefix) {
            if let number = Int(tensor.name.dropFirst(prefix.count).prefix { $0 != "." }), number >= 0 {
                numbers.insert(number)
            }
        }
        for number in 0..<numbers.count where !numbers.contains(number) {
            throw .missingTensor("\(prefix)\(number).v_conv.weight")
        }
        return numbers.count
    }
}
