// Which of a file's tensors are the network's, and their plain names. Whatever wraps a network puts something before
// its names, or in between: trainers and EMA libraries a module's name, DataParallel, torch.compile and FSDP their own.
// This is the one place where that goes away, for every form of file.
//
// A file may hold the network several times: the trained one and its running average, for one. One is taken, and which
// is said; a caller may choose.

/// A tensor as its file names it.
struct TensorName {
    /// Number of the dictionary, list or module that it is in.
    let container: Int
    /// Dotted path of that; empty for the file's own.
    let path: String
    /// Its name in there, with dots.
    let key: String
}

/// The tensors of one network.
struct NetworkCopy {
    let container: Int
    /// Dotted path of the container.
    let containerPath: String
    /// What stands before every name in the container, without its last dot.
    let prefix: String
    /// Which tensors they are, and their plain names.
    fileprivate(set) var members: [(tensor: Int, name: String)] = []

    /// What a user calls it: path and prefix.
    var path: String { [containerPath, prefix].filter { !$0.isEmpty }.joined(separator: ".") }

    /// Whether its name says that it is an average of the trained weights.
    var isAverage: Bool {
        path.split(separator: ".").contains { part in
            let words = part.lowercased().split { !$0.isLetter }
            let averages: Set<Substring> = [
                "ema", "swa", "avg", "average", "averaged", "averages", "averaging", "shadow", "polyak", "teacher",
            ]
            return words.contains {
                averages.contains($0) || $0.hasPrefix("ema") || ($0.hasSuffix("ema") && $0 != "schema")
            }
        }
    }
}

struct NetworkCopies {
    /// In the order of the file.
    private(set) var copies: [NetworkCopy] = []

    /// What the names of a network's own tensors begin with: of the original's, and of the others, which are common
    /// words.
    private static let roots = [
        Network.original.roots, Network.allCases.dropFirst().reduce(into: []) { $0.formUnion($1.roots) },
    ]
    /// Names of modules that do nothing but call what they wrap: DataParallel and DDP, torch.compile, activation
    /// checkpointing, FSDP, Lightning Fabric.
    private static let wrappers: Set<Substring> = [
        "module", "_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module", "_forward_module",
        "_original_module",
    ]
    /// Where checkpoints usually have the network that was trained, the likeliest first.
    private static let usualPaths = ["", "state_dict", "model_state_dict", "model"]

    /// A name without its wrappers.
    static func plain(_ name: String) -> String {
        name.split(separator: ".", omittingEmptySubsequences: false).filter { !wrappers.contains($0) }
            .joined(separator: ".")
    }

    /// What stands before a name of the network, and the plain name; nil where it is no name of the network.
    private static func split(_ key: String) -> (prefix: String, name: String)? {
        let parts = key.split(separator: ".", omittingEmptySubsequences: false)
        guard let root = roots.lazy.compactMap({ parts.firstIndex(where: $0.contains) }).first else { return nil }
        let name = parts[root...].filter { !wrappers.contains($0) }
        return (parts[..<root].joined(separator: "."), name.joined(separator: "."))
    }

    /// Whether a tensor of this name may be one of a network.
    static func mayBelong(_ key: String) -> Bool { split(key) != nil }

    /// Whether a name is the network's own, with nothing before it.
    static func isPlain(_ key: String) -> Bool { split(key)?.prefix.isEmpty ?? false }

    init(_ names: [TensorName]) {
        struct Place: Hashable {
            let container: Int
            let prefix: String
        }
        var places: [Place: Int] = [:]
        var found: [(copy: NetworkCopy, roots: Set<Substring>)] = []
        var lists: [Int: [Int]] = [:]  // tensors that have a number in place of a name, by container
        for (tensor, name) in names.enumerated() {
            if Int(name.key) != nil { lists[name.container, default: []].append(tensor) }
            guard let (prefix, plain) = Self.split(name.key) else { continue }
            let place = Place(container: name.container, prefix: prefix)
            let index = places[place] ?? found.count
            if index == found.count {
                found.append(
                    (NetworkCopy(container: name.container, containerPath: name.path, prefix: prefix), []))
                places[place] = index
            }
            found[index].copy.members.append((tensor, plain))
            found[index].roots.insert(plain.prefix { $0 != "." })
        }
        // A part of another network may be called out_conv; two parts are none by chance.
        copies = found.filter { $0.roots.count > 1 }.map(\.copy)
        addLists(lists.sorted { $0.key < $1.key }.map(\.value), names)
    }

    /// Averages that have no names, but all parameters in order: `shadow_params`.
    private mutating func addLists(_ lists: [[Int]], _ names: [TensorName]) {
        guard let parameters = usual?.members.map(\.name).filter({ !$0.hasSuffix(".mask") }) else { return }
        for list in lists where list.count == parameters.count {
            let place = names[list[0]]
            let copy = NetworkCopy(
                container: place.container, containerPath: place.path, prefix: "",
                members: Array(zip(list, parameters)).map { (tensor: $0, name: $1) })
            if copy.isAverage { copies.append(copy) }
        }
    }

    /// The copy that is taken where nothing is said: the trained one rather than its average, then where it usually is,
    /// then the first.
    private var usual: NetworkCopy? {
        func rank(_ copy: NetworkCopy) -> [Int] {
            let usual = Self.usualPaths.firstIndex(of: copy.containerPath) ?? Self.usualPaths.count
            return [copy.isAverage ? 1 : 0, usual, copy.prefix.isEmpty ? 0 : 1]
        }
        let ranked = copies.enumerated().map { (rank: rank($1) + [$0], copy: $1) }
        return ranked.min { $0.rank.lexicographicallyPrecedes($1.rank) }?.copy
    }

    /// The copy to take, and those left; nil where the file has none.
    ///
    /// - Parameter wanted: a copy's path, a part of it, or the beginning of a part; "." for the one without a path; nil
    ///   for the usual one.
    func choose(
        _ wanted: String?
    ) throws(ModelDataError) -> (taken: NetworkCopy, left: [NetworkCopy], isUsual: Bool)? {
        guard let usual else { return nil }
        let taken = try wanted.map { text throws(ModelDataError) in try find(text) } ?? usual
        func isTaken(_ copy: NetworkCopy) -> Bool { copy.container == taken.container && copy.prefix == taken.prefix }
        return (taken, copies.filter { !isTaken($0) }, isTaken(usual))
    }

    private func find(_ text: String) throws(ModelDataError) -> NetworkCopy {
        let wanted = text.split(separator: ".")
        let paths = copies.map { $0.path.split(separator: ".") }
        let tests: [([Substring]) -> Bool] = [
            { $0 == wanted },
            { path in path.filter { !Self.wrappers.contains($0) } == wanted },
            { path in !wanted.isEmpty && !path.ranges(of: wanted).isEmpty },
            { path in wanted.count == 1 && path.contains { $0.hasPrefix(wanted[0]) } },
        ]
        for test in tests {
            let matches = copies.indices.filter { test(paths[$0]) }
            if matches.count == 1 { return copies[matches[0]] }
            if matches.count > 1 {
                throw .ambiguousWeights(text, found: Self.shown(matches.map { copies[$0].path }))
            }
        }
        throw .noSuchWeights(text, found: Self.shown(copies.map(\.path)))
    }

    /// The first few paths, as errors and warnings have them.
    static func shown(_ paths: [String]) -> [String] { Array(paths.prefix(8)) }
}
