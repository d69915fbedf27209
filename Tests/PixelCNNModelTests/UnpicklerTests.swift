// The unpickler on pickles written by hand: what it reads, what it refuses by name, and that none of them makes it
// hang, crash or grow.

import Testing

@testable import PixelCNNModel

@Suite struct UnpicklerTests {
    private func read(_ pickle: [UInt8]) throws(PickleError) -> PickleGraph {
        var result: Result<PickleGraph, PickleError> = .failure(.truncated(at: 0))
        pickle.withUnsafeBytes { bytes in
            do throws(PickleError) { result = .success(try Unpickler.read(bytes, fileBytes: bytes.count)) } catch {
                result = .failure(error)
            }
        }
        return try result.get()
    }

    private func read(_ text: String) throws(PickleError) -> PickleGraph { try read([UInt8](text.utf8)) }

    private func error(_ pickle: [UInt8]) -> PickleError? {
        do throws(PickleError) {
            _ = try read(pickle)
            return nil
        } catch {
            return error
        }
    }

    private func error(_ text: String) -> PickleError? { error([UInt8](text.utf8)) }

    @Test func readsSimpleValues() throws {
        #expect(try read("N.").root == .none)
        #expect(try read([0x88, 0x2e]).root == .bool(true))
        #expect(try read([0x89, 0x2e]).root == .bool(false))
        #expect(try read([0x4a, 0xfe, 0xff, 0xff, 0xff, 0x2e]).root == .int(-2))
        #expect(try read([0x8a, 2, 0x00, 0x80, 0x2e]).root == .int(-32768))
        #expect(try read([0x8a, 0, 0x2e]).root == .int(0))
        #expect(try read([0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x2e]).root == .int(.min))
        #expect(try read([0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x2e]).root == .ignored)
        #expect(try read([0x47, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0x2e]).root == .float(1.5))
        #expect(try read([0x8c, 2, 0xc3, 0xbc, 0x2e]).root == .string("ü"))
        #expect(try read([0x55, 1, 0xff, 0x2e]).root == .ignored)  // Python 2's bytes
        #expect(try read("I01\n.").root == .bool(true))
        #expect(try read("L-12L\n.").root == .int(-12))
        #expect(try read("L\(String(repeating: "9", count: 400))L\n.").root == .ignored)
    }

    @Test func readsCollectionsThroughTheMemo() throws {
        // {"a": (1, 2), "b": [3]} with the tuple recalled
        let graph = try read("}q\u{0}(U\u{1}aK\u{1}K\u{2}\u{86}q\u{1}U\u{1}b]K\u{3}ah\u{1}0u.".latin1)
        let items = try #require(graph.dictionary(graph.root))
        #expect(graph.integers(graph.value("a", in: items)) == [1, 2])
        #expect(graph.integers(graph.value("b", in: items)) == [3])
    }

    @Test(arguments: [
        "os\nsystem", "builtins\neval", "posix\nsystem", "subprocess\nPopen", "torch\nload",
        "torch.nn.modules.container\nSequential.__init__", "__main__\nPixelCNN", "argparse\nNamespace",
        "numpy\ndtype",
    ])
    func carriesEveryOtherGlobalByName(name: String) throws {
        let path = name.replacing("\n", with: ".")
        // Called, instantiated, given items and attributes, by way of either instruction: it stays a name.
        for ending in [")R.", ")\u{81}.", ")}\u{92}.", ")R]a.", ")R}}s.", ")\u{81}}b."] {
            let graph = try read("c\(name)\n\(ending)".latin1)
            #expect(graph.unknownClasses(first: 8).names == [path])
        }
        let parts = name.split(separator: "\n").map { [UInt8]($0.utf8) }
        let stackGlobal = [0x8c, UInt8(parts[0].count)] + parts[0] + [0x8c, UInt8(parts[1].count)] + parts[1]
        #expect(try read(stackGlobal + [0x93, 0x2e]).unknownClasses(first: 8).names == [path])
    }

    @Test func classesOfDictionariesAndListsKeepTheirItems() throws {
        for maker in [
            "ccollections\ndefaultdict\nc__builtin__\nlist\n\u{85}R", "ccollections\nOrderedDict\n)R",
            "ceasydict\nEasyDict\n)\u{81}", "ccopy_reg\n_reconstructor\n(cmy\nDict\nc__builtin__\nobject\nNtR",
        ] {
            let graph = try read("\(maker)U\u{1}aK\u{1}s.".latin1)
            let items = try #require(graph.dictionary(graph.root), "\(maker)")
            #expect(graph.value("a", in: items) == .int(1))
            // Only what PyTorch's weights_only=True knows is not named.
            #expect(graph.unknownClasses(first: 8).count == (maker.contains("OrderedDict") ? 0 : 1))
        }
        // Python 2 gave an OrderedDict its pairs at once, and a Counter has another dictionary.
        for pairs in ["]]U\u{1}aaK\u{1}aa", "}U\u{1}aK\u{1}s"] {
            let graph = try read("ccollections\nOrderedDict\n\(pairs)\u{85}R.".latin1)
            let items = try #require(graph.dictionary(graph.root))
            #expect(graph.value("a", in: items) == .int(1))
        }
        let list = try read("ccollections\ndeque\n)\u{81}U\u{1}xa.".latin1)
        guard case .list([.string("x")])? = list.node(list.root) else {
            Issue.record("not a list")
            return
        }
    }

    @Test func aCallOfNoNameIsAValueOfNoClass() throws {
        // getattr(object, "step")(): a bound method, called
        let graph = try read("cbuiltins\ngetattr\ncmy\nObject\nU\u{4}step\u{86}R)R.".latin1)
        guard case .unknown? = graph.node(graph.root) else {
            Issue.record("not unknown")
            return
        }
        #expect(graph.unknownClasses(first: 8).names == ["my.Object"])
    }

    @Test func namesInMessagesAreOfOneLine() {
        let error = PyTorchError.unexpectedClass("a\nb\u{1b}[31m", path: "epochs.3.net")
        let line = "\(ModelFileError(file: "a.pt", .pyTorch(error)))"
        #expect(!line.contains("\n") && !line.contains("\u{1b}"))
        #expect(line.contains("torch.load(\"a.pt\", weights_only=False)[\"epochs\"][3][\"net\"].state_dict()"))
    }

    @Test(arguments: [
        UInt8(ascii: "i"), UInt8(ascii: "o"), UInt8(ascii: "P"), UInt8(ascii: "F"), UInt8(ascii: "S"), 0x82, 0x83,
        0x84, 0x97, 0x98, 0x00, 0xff,
    ])
    func refusesInstructionsThatTorchDoesNotWrite(code: UInt8) {
        #expect(error([code, 0x2e]) == .unsupportedInstruction(code, at: 0))
    }

    @Test func refusesUnknownProtocols() {
        for version in [0, 1, 6, 255] as [UInt8] {
            #expect(error([0x80, version, 0x4e, 0x2e]) == .unsupportedProtocol(Int(version)))
        }
    }

    @Test(arguments: ["", "N", "K", "J\u{1}\u{2}", "U\u{5}abc", "X\u{5}", "cos", "cos\nsys", "T\u{1}\u{0}\u{0}"])
    func refusesTruncation(pickle: String) {
        guard case .truncated? = error(pickle) else {
            Issue.record("not refused as truncated")
            return
        }
    }

    @Test(arguments: [
        ".", "0.", "2.", "1.", "t.", "u.", "e.", "a.", "s.", "R.", "b.", "Q.", "q\u{0}.", "(.", "N(0.", "(N.q\u{1}",
        "]NNs.", "}Na.", "}(Nu.", "NK\u{1}a.", "cos\nsystem\nNR.",
    ])
    func refusesMissingAndWrongOperands(pickle: String) {
        let found = error(pickle)
        if pickle == "(N.q\u{1}" {
            #expect(found == nil)  // an open mark below the result harms nothing
        } else {
            guard case .wrongOperand? = found else {
                Issue.record("\(pickle): \(String(describing: found))")
                return
            }
        }
    }

    @Test func refusesUnknownMemoAndBadNames() {
        #expect(error("h\u{7}.") == .unknownMemo(7, at: 0))
        #expect(error([0x63, 0xff, 0x0a, 0x61, 0x0a, 0x2e]) == .invalidText(at: 0))
        // An index of four billion is an entry like any other, not the size of a table.
        #expect(error([0x4e, 0x72, 0xff, 0xff, 0xff, 0xff, 0x2e]) == nil)
    }

    @Test func aListMayContainItself() throws {
        let graph = try read("]q\u{0}h\u{0}a.")
        guard case .list(let items)? = graph.node(graph.root) else {
            Issue.record("not a list")
            return
        }
        #expect(items == [graph.root])
    }

    @Test func deeplyNestedTuplesAreReadAndFreed() throws {
        let graph = try read([0x4e] + [UInt8](repeating: 0x85, count: 40_000) + [0x2e])
        #expect(graph.nodes.count == 40_001)
    }

    /// Pickles that make much of few bytes: values, marks, nodes, texts and memo entries, a million of each.
    static let bombs: [(name: String, pickle: [UInt8])] = [
        ("values", [UInt8](repeating: 0x4e, count: 1_000_000)),
        ("marks", [UInt8](repeating: 0x28, count: 1_000_000)),
        ("nested tuples", [0x4e] + [UInt8](repeating: 0x85, count: 1_000_000)),
        ("lists", [UInt8](repeating: 0x5d, count: 1_000_000)),
        ("memo", [0x4e] + [UInt8](repeating: 0x94, count: 1_000_000)),
        ("appends", [0x5d] + (0..<500_000).flatMap { _ in [0x29, 0x61] as [UInt8] }),
        ("dictionaries", [UInt8](repeating: 0x7d, count: 1_000_000)),
        ("names", (0..<80_000).flatMap { _ in "ctorch\nSize\n".latin1 }),
        ("duplicates", [0x5d] + [UInt8](repeating: 0x32, count: 1_000_000)),
    ]

    @Test(arguments: bombs.map(\.name))  // by name: the test's output would spell out every byte
    func bombsAreRefused(name: String) throws {
        let pickle = try #require(Self.bombs.first { $0.name == name }).pickle
        guard case .tooManyValues(_, bytes: Unpickler.memoryAllowance + pickle.count + 1)? = error(pickle + [0x2e])
        else {
            Issue.record("\(name) are not refused")
            return
        }
    }

    @Test func manyAppendsToOneListTakeLinearTime() throws {
        // Were each append a copy, this would move 5 · 10^9 values.
        let graph = try read([0x5d] + [UInt8]((0..<100_000).flatMap { _ in [0x29, 0x61] as [UInt8] }) + [0x2e])
        guard case .list(let items)? = graph.node(graph.root) else {
            Issue.record("not a list")
            return
        }
        #expect(items.count == 100_000)
    }

    @Test func endlessPicklesEndAtTheLimit() {
        // Values pushed and popped: memory stays as it is.
        var pickle = [UInt8](repeating: 0x4e, count: Unpickler.instructionLimit + 2)
        for index in stride(from: 1, to: pickle.count, by: 2) { pickle[index] = 0x30 }
        #expect(error(pickle) == .tooManyInstructions(limit: Unpickler.instructionLimit))
    }

    @Test func aHistoryOfMillionsOfNumbersCostsNothing() throws {
        let number: [UInt8] = [0x47, 0, 0, 0, 0, 0, 0, 0, 0, 0x61]
        let graph = try read([0x5d] + [UInt8]([[UInt8]](repeating: number, count: 3_000_000).joined()) + [0x2e])
        guard case .list(let items)? = graph.node(graph.root) else {
            Issue.record("not a list")
            return
        }
        #expect(items.count == Unpickler.numberLimit)
    }

    @Test func longTextsAreReadPast() throws {
        let length = UInt32(Unpickler.textLimit + 1)
        var pickle: [UInt8] = [0x58]
        pickle.appendLittleEndian(length)
        #expect(try read(pickle + [UInt8](repeating: 0x61, count: Int(length)) + [0x2e]).root == .ignored)
    }

    @Test func everyFlippedByteOfARealPickleIsReadOrRefused() throws {
        for fixture in ["module.pt", "state-protocol4.pt"] {
            let pickle = try ZIPBuilder(fixture: fixture)["/data.pkl"].data
            for index in pickle.indices {
                var bad = pickle
                bad[index] ^= UInt8(1 << (index % 8))
                if let error = error(bad) { #expect(!error.description.isEmpty) }
            }
        }
    }
}

extension String {
    /// Each character as one byte.
    var latin1: [UInt8] { unicodeScalars.map { UInt8($0.value) } }
}
