// The tensors of a state_dict: those that a file has, off whose shapes a network is read, and those that a network must
// have. Each layer is made together with its tensors, so names and shapes meet in one place: the loader checks against
// the list, the writers write it, and the parameter count is its sum.

// MARK: - Of a file

/// The shapes of a file's tensors by name.
struct ShapeTable {
    private let tensors: [String: Tensor]
    private let unread: [UnreadTensor]

    init(_ tensors: [Tensor], _ unread: [UnreadTensor]) {
        self.tensors = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
        self.unread = unread
    }

    func has(_ name: String) -> Bool { tensors[name] != nil }

    /// The shape of a tensor that has so many dimensions, none of them empty.
    subscript(name: String, rank: Int) -> [Int] {
        get throws(ModelDataError) {
            guard let shape = tensors[name]?.shape else {
                if let tensor = unread.first(where: { $0.name == name }) { throw .unreadTensor(tensor) }
                throw .missingTensor(name)
            }
            guard shape.count == rank, !shape.contains(0) else {
                throw .shapeMismatch(
                    tensor: name,
                    expected: rank == 4 ? "four dimensions (outputs, inputs, rows, columns)" : "two dimensions",
                    found: shape)
            }
            return shape
        }
    }

    /// The kernel's columns, an odd number of 3 or more.
    func kernel(_ name: String) throws(ModelDataError) -> Int {
        let shape = try self[name, 4]
        guard shape[3] % 2 == 1, (3...255).contains(shape[3]) else {
            throw .shapeMismatch(tensor: name, expected: "an odd number of columns from 3 to 255", found: shape)
        }
        return shape[3]
    }

    /// Refuses fewer features than there are colour groups.
    func check(_ features: Int, hasGroups groups: Int, _ name: String) throws(ModelDataError) {
        guard features < groups else { return }
        throw .shapeMismatch(
            tensor: name, expected: "a feature for each of the \(groups) image channels", found: try self[name, 4])
    }

    /// d of a last layer's outputs, d for each of the image channels.
    func colors(_ name: String, _ channels: Int) throws(ModelDataError) -> Int {
        let shape = try self[name, 4]
        guard shape[0] % channels == 0 else {
            throw .shapeMismatch(
                tensor: name, expected: "outputs divisible by the \(channels) image channels", found: shape)
        }
        return shape[0] / channels
    }

    /// Blocks are numbered from 0 without a gap; a number that would leave one names the block missing.
    func count(_ list: String, _ ending: String) throws(ModelDataError) -> Int {
        let prefix = "\(list)."
        var numbers: Set<Int> = []
        for name in tensors.keys where name.hasPrefix(prefix) {
            if let number = Int(name.dropFirst(prefix.count).prefix { $0 != "." }), number >= 0 {
                numbers.insert(number)
            }
        }
        for number in 0..<numbers.count where !numbers.contains(number) {
            throw .missingTensor("\(prefix)\(number)\(ending)")
        }
        return numbers.count
    }

    /// Numbers of one element each, all of them or nil.
    func scalars(_ names: [String], into list: inout TensorList) throws(ModelDataError) -> [Int]? {
        guard names.contains(where: has) else { return nil }
        var values: [Int] = []
        for name in names {
            guard let tensor = tensors[name] else { throw .missingTensor(name) }
            guard tensor.count == 1 else {
                throw .shapeMismatch(tensor: name, expected: "one number", found: tensor.shape)
            }
            guard let value = Int(exactly: tensor.floats()[0]) else { throw .notWhole(tensor: name) }
            values.append(value)
            list.add(name, tensor.shape, .number)
        }
        return values
    }

    /// Any block's label columns make the original's network conditional; whether every block has as many is checked
    /// with the rest.
    func originalLabels() throws(ModelDataError) -> Int {
        let endings = [".v_label.weight", ".h_label.weight"]
        let first = tensors.keys.sorted().first { name in
            name.hasPrefix("gated_layers.") && endings.contains(where: name.hasSuffix)
        }
        guard let first, let shape = tensors[first]?.shape else { return 0 }
        guard shape.count == 2, shape[1] > 0 else {
            throw .shapeMismatch(tensor: first, expected: "two dimensions (outputs, classes)", found: shape)
        }
        return shape[1]
    }
}

// MARK: - Of a network

/// Name, shape and role of one tensor of the network, named as PyTorch's `state_dict` names it.
package struct TensorSpec: Sendable, Equatable {
    /// What a tensor is for.
    package enum Role: Sendable, Equatable {
        /// Weight of a convolution, (outputs, inputs, rows, columns), or of the classes, (outputs, labels); with the
        /// mask that applies to it, if any.
        case weight(mask: ConvolutionMask?)
        /// Bias of a convolution.
        case bias
        /// Scale of a layer norm; shared by all colour groups.
        case normWeight
        /// Offset of a layer norm; shared by all colour groups.
        case normBias
        /// Running mean of a batch norm.
        case mean
        /// Running variance of a batch norm.
        case variance
        /// Numbers that feed nothing and may be integers.
        case number
        /// A stored mask, bool or of zeros and ones; must equal the derived one.
        case mask(ConvolutionMask)
    }

    /// Canonical name, such as `gated_layers.3.h_conv.weight`.
    package let name: String
    /// Extent of each dimension.
    package let shape: [Int]
    /// What the tensor is for.
    package let role: Role

    /// Number of elements.
    package var count: Int { shape.reduce(1, *) }

    /// Whether it is a stored mask rather than a trained parameter.
    package var isMask: Bool {
        if case .mask = role { true } else { false }
    }

    /// Whether PyTorch counts it as a parameter.
    package var isTrained: Bool {
        switch role {
        case .weight, .bias, .normWeight, .normBias: true
        case .mean, .variance, .number, .mask: false
        }
    }
}

/// The tensors of a network, in the order of its state_dict, listed as its layers are made.
struct TensorList {
    private(set) var tensors: [TensorSpec] = []
    /// Classes of the network.
    var classes = 0
    /// Colour groups of its masks, and which channels form one.
    var channels = 1
    var order = ColorOrder.contiguous
    /// Whether its convolutions have biases.
    var hasBiases = true

    mutating func add(_ name: String, _ shape: [Int], _ role: TensorSpec.Role) {
        tensors.append(TensorSpec(name: name, shape: shape, role: role))
    }

    /// A convolution whose kernel has its centre in the middle where nothing is said, and sees the rows and columns
    /// named, through a mask that the file holds, too, or through `visible`.
    mutating func convolution(
        _ name: String, _ inputs: ChannelOrder, _ outputs: ChannelOrder, kernel: (rows: Int, columns: Int) = (1, 1),
        centre: (row: Int, column: Int)? = nil, rows: Range<Int>? = nil, columns: Range<Int>? = nil,
        dilation: Int = 1, mask type: MaskType? = nil, visible: ConvolutionMask? = nil, bias: Bool? = nil
    ) -> Convolution {
        let bias = bias ?? hasBiases
        let shape = [outputs.fileCount, inputs.fileCount, kernel.rows, kernel.columns]
        var mask: ConvolutionMask?
        if let type {
            var order = self.order
            if case .gate = outputs, order == .interleaved { order = .interleavedHalves }
            mask = ConvolutionMask(
                type: type, outputs: shape[0], inputs: shape[1], rows: kernel.rows, columns: kernel.columns,
                channels: channels, order: order)
        }
        add("\(name).weight", shape, .weight(mask: mask))
        if bias { add("\(name).bias", [shape[0]], .bias) }
        if let mask { add("\(name).mask", mask.shape, .mask(mask)) }
        return Convolution(
            name: name, outputs: outputs, inputs: inputs, hasBias: bias, rows: kernel.rows, columns: kernel.columns,
            centre: .init(
                row: centre?.row ?? kernel.rows / 2, column: centre?.column ?? kernel.columns / 2),
            usedRows: rows ?? 0..<kernel.rows, usedColumns: columns ?? 0..<kernel.columns, dilation: dilation,
            visible: mask ?? visible, mask: mask)
    }

    /// A row for each class.
    mutating func embedding(_ name: String, _ outputs: ChannelOrder) -> ClassTable {
        add("\(name).weight", [classes, outputs.fileCount], .weight(mask: nil))
        return ClassTable(name: name, outputs: outputs, isLinear: false, hasBias: false)
    }

    /// A layer of one input per class.
    mutating func linear(_ name: String, _ outputs: ChannelOrder, bias: Bool = true) -> ClassTable {
        add("\(name).weight", [outputs.fileCount, classes], .weight(mask: nil))
        if bias { add("\(name).bias", [outputs.fileCount], .bias) }
        return ClassTable(name: name, outputs: outputs, isLinear: true, hasBias: bias)
    }

    /// A weight and a bias of a colour group's length, shared by all groups.
    mutating func layerNorm(_ name: String, _ length: Int) -> NetworkDescription.Norm {
        add("\(name).weight", [length], .normWeight)
        add("\(name).bias", [length], .normBias)
        return .layer(name)
    }

    mutating func batchNorm(_ name: String, _ channels: Int) -> NetworkDescription.Norm {
        add("\(name).weight", [channels], .normWeight)
        add("\(name).bias", [channels], .normBias)
        add("\(name).running_mean", [channels], .mean)
        add("\(name).running_var", [channels], .variance)
        add("\(name).num_batches_tracked", [], .number)
        return .batch(name)
    }
}
