// Images in memory, one byte per value: CIFAR-10 takes 154 MB; two bytes where there are more than 256 values, such as
// the codes of a VQ-VAE. Read whole, checked whole, before the first step, from CIFAR-10's batches, MNIST's IDX files,
// NumPy arrays or folders of pictures. What a path holds is seen from what is there, never from an option.

import Foundation
import ImageFormats
import ImageImport
import PixelCNNModel
import Support

package struct ImageSet: Sendable, Equatable {
    /// Numbers in as few bytes as the largest needs.
    package enum Values: Sendable, Equatable {
        case bytes([UInt8])
        case words([UInt16])

        /// How many there are.
        package var count: Int {
            switch self {
            case .bytes(let bytes): bytes.count
            case .words(let words): words.count
            }
        }

        /// Those at some places.
        package subscript(_ range: Range<Int>) -> [UInt16] {
            switch self {
            case .bytes(let bytes): bytes[range].map(UInt16.init)
            case .words(let words): Array(words[range])
            }
        }

        /// The largest; nil where there are none.
        var largest: UInt16? {
            switch self {
            case .bytes(let bytes): bytes.max().map(UInt16.init)
            case .words(let words): words.max()
            }
        }
    }

    /// C: 1 or 3.
    package let channels: Int
    /// H.
    package let height: Int
    /// W.
    package let width: Int
    /// Levels 0 … 255, or, once quantised, values 0 … d − 1: (N, C, H, W).
    package private(set) var values: Values
    /// The classes of the images, where they were requested.
    package var labels: Labels?
    /// Where the images come from a folder of pictures: an image each, in this order.
    package private(set) var folder: ImageFolder?

    /// C · H · W.
    package var imageSize: Int { channels * height * width }
    /// N.
    package var count: Int { values.count / imageSize }
    /// C × H × W, for people.
    package var shape: String { "\(channels) × \(height) × \(width)" }

    /// Whether the values are levels of pictures, which are 256.
    var arePictures = false

    /// Images as given; `values` are (N, C, H, W).
    package init(channels: Int, height: Int, width: Int, values: Values) {
        precondition(channels * height * width > 0 && values.count % (channels * height * width) == 0, "whole images")
        self.channels = channels
        self.height = height
        self.width = width
        self.values = values
    }

    /// Images of pictures; `levels` are (N, C, H, W).
    package init(channels: Int, height: Int, width: Int, levels: [UInt8]) {
        self.init(channels: channels, height: height, width: width, values: .bytes(levels))
        arePictures = true
    }

    /// What a network reads of the images: codes as they are; else levels 0 … 255 as pictures of its values show them,
    /// each the nearest.
    ///
    /// - Parameter path: where the images come from, for errors.
    /// - Throws: ``DataError`` where there are values that are none of these.
    package func quantised(for network: Hyperparameters, _ path: String) throws(DataError) -> ImageSet {
        let colors = network.colors
        if network.readsCodes {
            if arePictures { throw DataError(path, .picturesForCodes(colors: colors)) }
            guard let largest = values.largest, largest >= colors else { return self }
            throw DataError(path, .valueBeyond(largest: Int(largest), colors: colors))
        }
        try checkLevels(path, colors: colors)
        guard case .bytes(let bytes) = values else { return self }
        let levels = Levels(colors: colors)
        let table = (0...255).map { UInt8(levels.value(of: UInt8($0))) }
        return replacing(bytes.map { table[Int($0)] })
    }

    /// That the values are levels 0 … 255, for a network of `colors` values.
    ///
    /// - Parameter path: where the images come from, for errors.
    /// - Throws: ``DataError`` where there are others.
    package func checkLevels(_ path: String, colors: Int = 2) throws(DataError) {
        guard case .words = values else { return }
        throw DataError(path, .valueBeyond(largest: Int(values.largest ?? 0), colors: colors))
    }

    /// The same images with other values.
    func replacing(_ bytes: [UInt8]) -> ImageSet {
        precondition(bytes.count == values.count, "as many values")
        var set = self
        set.values = .bytes(bytes)
        return set
    }

    /// Some of the images, with their classes.
    func subset(_ indices: [Int]) -> ImageSet {
        var set = self
        switch values {
        case .bytes(let bytes): set.values = .bytes(Self.gather(bytes, imageSize, indices))
        case .words(let words): set.values = .words(Self.gather(words, imageSize, indices))
        }
        set.labels = labels?.subset(indices)
        set.folder = nil
        return set
    }

    private static func gather<Value>(_ values: [Value], _ size: Int, _ indices: [Int]) -> [Value] {
        indices.flatMap { values[$0 * size..<($0 + 1) * size] }
    }

    /// Sets a share of the images aside, drawn by the seed: which images to learn from, and which to choose the best
    /// epoch by. Both keep the images' order.
    ///
    /// - Throws: ``DataError`` where one of the two would be empty.
    package func split(
        _ share: Double, seed: UInt64, _ path: String
    ) throws(DataError) -> (train: ImageSet, validation: ImageSet) {
        let size = Int((share * Double(count)).rounded())
        guard 0 < size, size < count else { throw DataError(path, .nothingToSplit(share: share, images: count)) }
        var generator = TrainingGenerator(seed: seed, .validation)
        let order = Array(0..<count).shuffled(using: &generator)
        return (subset(order[size...].sorted()), subset(order[..<size].sorted()))
    }

    /// Whether the levels are rather a model's own values 0 … `colors` − 1, as `pixelcnn sample` writes them: read as
    /// levels 0 … 255 they are an almost black picture.
    package func looksLikeValues(of colors: Int) -> Bool {
        guard colors < 256, let most = values.largest else { return false }
        return 0 < most && most < colors
    }

    /// SHA-256 of the values: what a run is on.
    func sha256() -> String {
        switch values {
        case .bytes(let bytes): bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
        case .words(let words): words.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
        }
    }

    /// The images at `indices`, each as `changed` has it, which is called with its number, too.
    func batch(
        _ indices: some Collection<Int>, changed: (_ image: [UInt16], _ index: Int) -> [UInt16] = { image, _ in image }
    ) -> [UInt16] {
        var batch: [UInt16] = []
        batch.reserveCapacity(indices.count * imageSize)
        for index in indices { batch += changed(values[index * imageSize..<(index + 1) * imageSize], index) }
        return batch
    }

    /// The classes of the images at `indices`, of a set that has any.
    func labels(_ indices: some Collection<Int>) -> [Int] {
        guard let labels else { preconditionFailure("the set has no classes") }
        return indices.map { labels.values[$0] }
    }

    /// Numbers the classes as a conditional model has them.
    /// - Throws: ``DataError`` where it lacks one of them.
    package mutating func number(as model: Model) throws(DataError) {
        labels = try labels?.numbered(as: model.labelNames, classes: model.hyperparameters.labels)
    }

    /// Gray pictures as pictures in colour, which show the same.
    package func inColor() -> ImageSet {
        guard channels == 1, arePictures, case .bytes(let bytes) = values else { return self }
        let area = height * width
        var levels: [UInt8] = []
        levels.reserveCapacity(3 * bytes.count)
        for start in stride(from: 0, to: bytes.count, by: area) {
            for _ in 0..<3 { levels += bytes[start..<start + area] }
        }
        var set = ImageSet(channels: 3, height: height, width: width, levels: levels)
        (set.labels, set.folder) = (labels, folder)
        return set
    }

    /// The middles of the images at another size; nil where cairo cannot, and for more values than 256.
    func resized(to size: ImageSize) -> ImageSet? {
        guard case .bytes(let values) = values else { return nil }
        guard (height, width) != (size.height, size.width) else { return self }
        guard
            let resizer = ImageResizer(
                channels: channels, from: ImageSize(height: height, width: width), to: size)
        else { return nil }
        var resized: [UInt8] = []
        resized.reserveCapacity(count * channels * size.height * size.width)
        for start in stride(from: 0, to: values.count, by: imageSize) {
            resized += resizer.resize(values[start..<start + imageSize])
        }
        var set = ImageSet(channels: channels, height: size.height, width: size.width, values: .bytes(resized))
        set.arePictures = arePictures
        return set
    }

    // MARK: - Reading

    /// Images to train on and, where the data set has them, images to test with.
    ///
    /// - Parameters:
    ///   - path: an array in `.npy` or `.npz` (`FILE.npz/NAME` of several), an IDX file, a picture, or a folder with
    ///     CIFAR-10's batches, with MNIST's IDX files, or with pictures, in subfolders or not.
    ///   - size: what images of other sizes are brought to: their middles, each pixel the mean of what it covers.
    ///   - background: what shows through transparent pictures; without it they are refused.
    /// - Throws: ``DataError``.
    package static func read(
        _ path: String, size: ImageSize? = nil, background: Background? = nil
    ) throws(DataError) -> (train: ImageSet, test: ImageSet?) {
        let (train, test) = try readAsTheyAre(path, size: size, background)
        guard let size else { return (train, test) }
        return (
            try resized(train, to: size, path),
            try test.map { set throws(DataError) in try resized(set, to: size, path) }
        )
    }

    /// Images to test a network with that learns from `images`, which are of the same size then.
    /// - Throws: ``DataError``.
    package static func readTest(
        _ path: String, like images: ImageSet, size: ImageSize? = nil, background: Background? = nil
    ) throws(DataError) -> ImageSet {
        var test = try read(path, size: size, background: background).train
        if images.channels == 3 { test = test.inColor() }
        guard test.shape == images.shape else {
            throw DataError(path, .otherImages(found: test.shape, expected: images.shape))
        }
        return test
    }

    private static func resized(_ set: ImageSet, to size: ImageSize, _ path: String) throws(DataError) -> ImageSet {
        guard case .bytes = set.values else { throw DataError(path, .codesNotResizable) }
        guard let resized = set.resized(to: size) else { throw DataError(path, .notResizable(shape: set.shape)) }
        return resized
    }

    /// Pictures of a folder are resized one by one, since they may differ.
    private static func readAsTheyAre(
        _ path: String, size: ImageSize?, _ background: Background?
    ) throws(DataError) -> (train: ImageSet, test: ImageSet?) {
        guard let kind = FileKind(path: NPZFile.split(path).file) else { throw DataError(path, .missing) }
        if kind != .folder {
            if isArray(path) { return (try readArray(path), nil) }
            switch ImageKind(Array(try bytes(path).prefix(ImageKind.bytesNeeded))) {
            case .png, .picture: return (try readPicture(path, size: size, background), nil)
            case .npy, .npz, nil: return (try readIDX(path), nil)
            }
        }
        if let form = CIFAR10.form(of: path) {
            return (
                try CIFAR10.read(form.trainingFiles, form, in: path), try CIFAR10.read([form.testFile], form, in: path)
            )
        }
        if let train = digits("train-images", "idx3", in: path) {
            return (try readIDX(train), try digits("t10k-images", "idx3", in: path).map(readIDX))
        }
        return (try readFolder(path, size: size, background), nil)
    }

    /// One of MNIST's files in a folder, under any of the names that it goes by: `train-images-idx3-ubyte`,
    /// `train-images.idx3-ubyte`, each perhaps with `.gz`; nil where there is none.
    static func digits(_ stem: String, _ kind: String, in folder: String) -> String? {
        ["-", "."].flatMap { dot in ["", ".gz"].map { "\(folder)/\(stem)\(dot)\(kind)-ubyte\($0)" } }
            .first { FileKind(path: $0) != nil }
    }

    /// A whole file.
    static func bytes(_ path: String) throws(DataError) -> [UInt8] {
        do {
            return Array(try Data(contentsOf: URL(filePath: path)))
        } catch {
            let isMissing = !FileManager.default.fileExists(atPath: path)
            throw DataError(path, isMissing ? .missing : .system(reason: "cannot be read"))
        }
    }

    /// Whether a path is that of a `.npy` or `.npz` file, or of an array in one.
    static func isArray(_ path: String) -> Bool {
        let file = NPZFile.split(path).file
        return file.hasSuffix(".npy") || file.hasSuffix(".npz")
    }

    /// The array of such a path.
    static func array(_ path: String) throws(DataError) -> NPYArray {
        let (file, name) = NPZFile.split(path)
        var contents = try bytes(file)
        if contents.starts(with: NPZFile.magic) {
            do throws(NPZError) { contents = try NPZFile(contents).array(name) } catch {
                throw DataError(file, .npz(error))
            }
        }
        do throws(NPYError) { return try NPYArray(parsing: contents) } catch { throw DataError(path, .npy(error)) }
    }

    /// Images as an array of integers, of any type that holds their values; booleans are black and white.
    private static func readArray(_ path: String) throws(DataError) -> ImageSet {
        let array = try array(path)
        guard let shape = ImageArrayShape(array.shape, channels: nil), shape.height * shape.width > 0 else {
            throw DataError(path, .notImages(shape: array.shape))
        }
        guard shape.count > 0 else { throw DataError(path, .noImages) }
        let values: Values
        do throws(NPYError) {
            let words = try array.integers(as: UInt16.self, in: 0...65535)
            if array.elementType == .bool {
                values = .bytes(words.map { $0 == 0 ? 0 : 255 })
            } else if (words.max() ?? 0) < 256 {
                values = .bytes(words.map { UInt8($0) })
            } else {
                values = .words(words)
            }
        } catch {
            throw DataError(path, .npy(error))
        }
        return ImageSet(channels: shape.channels, height: shape.height, width: shape.width, values: values)
    }

    /// The bytes of an IDX file, unpacked where gzip has packed it: the file itself says how many there are.
    static func idxBytes(_ path: String) throws(DataError) -> [UInt8] {
        let file = try bytes(path)
        guard file.starts(with: Inflation.gzipMagic) else { return file }
        guard let head = Inflation.bytes(file[...], .gzip, most: 16) else { throw DataError(path, .damagedGzip) }
        guard head.starts(with: [0, 0, 8]), head.count >= 8, case let start = 4 + 4 * Int(head[3]), start <= head.count
        else { return head }  // refused as what it is
        var size = 1
        for i in stride(from: 4, to: start, by: 4) {
            let (product, overflow) = size.multipliedReportingOverflow(
                by: head[i..<i + 4].reduce(0) { $0 << 8 | Int($1) })
            guard !overflow, product / Inflation.largestRatio <= file.count else {
                throw DataError(path, .damagedGzip)
            }
            size = product
        }
        // One more byte shows the end, where zlib compares the checksum.
        guard let whole = Inflation.bytes(file[...], .gzip, most: start + size + 1) else {
            throw DataError(path, .damagedGzip)
        }
        return whole
    }

    /// An IDX file of unsigned bytes in three dimensions, as MNIST's images are.
    private static func readIDX(_ path: String) throws(DataError) -> ImageSet {
        let file = try idxBytes(path)
        func word(_ index: Int) -> Int { file[4 * index..<4 * index + 4].reduce(0) { $0 << 8 | Int($1) } }
        guard file.count >= 4 else { throw DataError(path, .unknownForm) }
        guard word(0) == 0x803 else {
            throw DataError(path, word(0) >> 16 == 0 ? .notIDX(magic: UInt32(word(0))) : .unknownForm)
        }
        guard file.count >= 16 else { throw DataError(path, .wrongLength(found: file.count, expected: "16 or more")) }
        let (count, height, width) = (word(1), word(2), word(3))
        guard count > 0, (1...4096).contains(height), (1...4096).contains(width) else {
            throw DataError(path, count > 0 ? .notImages(shape: [count, height, width]) : .noImages)
        }
        let expected = 16 + count * height * width
        guard file.count == expected else {
            throw DataError(
                path, .wrongLength(found: file.count, expected: "\(expected) for \(count) of \(height) × \(width)"))
        }
        return ImageSet(channels: 1, height: height, width: width, levels: Array(file[16...]))
    }

    /// Every picture in a folder and its subfolders, in order of their paths.
    private static func readFolder(
        _ path: String, size: ImageSize?, _ background: Background?
    ) throws(DataError) -> ImageSet {
        var folder: ImageFolder
        do throws(Failure) { folder = try ImageFolder(path) } catch {
            throw DataError(path, .system(reason: error.message))
        }
        folder.leaveOutArrays()
        var all: ImageSet?
        var damaged: Set<String> = []
        for name in folder.names {
            let path = folder.path + name
            var image: ImageSet
            do throws(DataError) { image = try readPicture(path, size: size, background) } catch {
                guard case .damagedPicture = error.problem else { throw error }
                damaged.insert(name)
                continue
            }
            // If some are in colour, all are: the gray ones show the same then.
            guard var set = all.take() else {
                all = image
                continue
            }
            if image.channels > set.channels { set = set.inColor() }
            if image.channels < set.channels { image = image.inColor() }
            guard image.shape == set.shape else {
                throw DataError(path, .mixedSizes(found: image.shape, first: set.shape))
            }
            set.append(image)
            all = set
        }
        folder.leaveOut(damaged: damaged)
        guard var all else { throw DataError(path, .noPictures(folder.note)) }
        all.folder = folder
        return all
    }

    /// A picture in a file.
    private static func readPicture(
        _ path: String, size: ImageSize?, _ background: Background?
    ) throws(DataError) -> ImageSet {
        let file = try bytes(path)
        let picture: Picture
        do { picture = try Picture.imported(file, background: background) } catch {
            let reason = "\(error)"
            throw DataError(path, Picture.isDamage(error) ? .damagedPicture(reason) : .picture(reason))
        }
        let image = ImageSet(picture)
        guard let size else { return image }
        return try resized(image, to: size, path)
    }

    /// Adds pictures of the same size.
    private mutating func append(_ other: ImageSet) {
        guard case .bytes(var bytes) = values, case .bytes(let more) = other.values else { return }
        values = .bytes([])  // a second reference would make this a copy
        bytes += more
        values = .bytes(bytes)
    }

    /// A picture as a set of one.
    fileprivate init(_ picture: Picture) {
        let levels = (0..<picture.channels).flatMap { c in
            stride(from: c, to: picture.pixels.count, by: picture.channels).map { picture.pixels[$0] }
        }
        self.init(channels: picture.channels, height: picture.height, width: picture.width, levels: levels)
    }
}
